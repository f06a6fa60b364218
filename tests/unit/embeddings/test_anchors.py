from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from comodo.embeddings.anchors import anchor_members, select_anchors
from comodo.embeddings.ranking import nearest_anchor, unit
from comodo.embeddings.store import write_store
from comodo.errors import DataError, StoreError
from comodo.storage.artefacts import write_table
from tests.support.tables import window_table


def store(path: Path, splits: list[str], labels: list[str], embeddings: list[list[float]]) -> Path:
    clips = window_table({"r": len(splits)}, label=labels, split=splits)
    write_store(path, clips, len(embeddings[0]), [np.array(embeddings, np.float32)], {"model": "m"})
    return path


def test_anchors_come_from_val_only(tmp_path: Path) -> None:
    labels = ["b", "a", "b", "b", "b", "a"]
    splits = ["train", "train", "val", "val", "val", "val"]
    embeddings = [[9.0, 9.0], [9.0, 9.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 2.0]]
    select_anchors(store(tmp_path / "s.h5", splits, labels, embeddings), tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["first/label"].asstr()[:].tolist() == ["a", "b"]
        np.testing.assert_allclose(file["first/embedding"], [[0, 2], [1, 0]])
        np.testing.assert_allclose(file["medoid/embedding"], [[0, 2], [1, 1]])
        np.testing.assert_allclose(file["mean/embedding"], [[0, 2], [2 / 3, 2 / 3]])
        assert file["medoid/clips"].asstr()[:].tolist() == ["r#00005", "r#00003"]
        assert file["mean/clips"].asstr()[1] == "r#00002\nr#00003\nr#00004"


def test_class_without_val_clip_is_named(tmp_path: Path) -> None:
    path = store(tmp_path / "s.h5", ["train", "train", "val"], ["a", "b", "a"], [[1.0], [1.0], [1.0]])
    with pytest.raises(ValueError, match="no val clip of b"):
        select_anchors(path, tmp_path / "a.h5")


def test_medoid_ignores_length() -> None:
    embeddings = np.array([[100.0, 0.0], [1.0, 1.0], [0.0, 1.0]], np.float32)
    labels = np.array(["a", "a", "a"], dtype=object)
    assert anchor_members(embeddings, labels, "medoid") == {"a": [1]}


def test_nearest_anchor_is_the_cosine() -> None:
    similarity = nearest_anchor(np.array([[2.0, 0.0], [0.0, 3.0]]), np.array([[5.0, 0.0], [1.0, 1.0]]))
    np.testing.assert_allclose(similarity, [[1, 0.5**0.5], [0, 0.5**0.5]], rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(unit(np.array([[3.0, 4.0], [0.0, 0.0]])), axis=1), [1, 0])


def test_anchors_of_a_fold_come_from_its_val(tmp_path: Path) -> None:
    """The store is that of the listed splits; another clip table is refused."""
    path = store(tmp_path / "s.h5", ["train", "val", "test"], ["a", "a", "a"], [[1.0], [2.0], [3.0]])
    windows = window_table({"r": 3}, label="a", split=["test", "train", "val"])
    windows = windows.assign(listed_split=["train", "val", "test"], fold=0)
    write_table(windows, tmp_path / "fold.parquet")
    select_anchors(path, tmp_path / "a.h5", tmp_path / "fold.parquet")
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["mean/embedding"][:].tolist() == [[3.0]]
    write_table(windows.drop(columns="listed_split"), tmp_path / "other.parquet")
    with pytest.raises(StoreError, match="another clip table"):
        select_anchors(path, tmp_path / "a.h5", tmp_path / "other.parquet")
    write_table(windows.assign(split="test"), tmp_path / "fold.parquet")
    with pytest.raises(DataError, match=r"no val clip of a: .* larger folds may help"):
        select_anchors(path, tmp_path / "a.h5", tmp_path / "fold.parquet")
