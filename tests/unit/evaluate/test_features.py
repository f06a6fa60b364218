from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from comodo.clips.imu_windows import ImuWindows
from comodo.embeddings.anchors import select_anchors
from comodo.embeddings.store import write_store
from comodo.errors import DamageError, StoreError
from comodo.evaluate.features import extract_features, extract_teacher_features
from comodo.models.distilled import save_distilled
from comodo.models.embed import embed
from tests.support.students import small_student
from tests.support.tables import window_table, write_windows

SPLITS = ["train", "val", "test"]


@pytest.fixture
def windows(tmp_path: Path) -> pd.DataFrame:
    table = window_table({f"r{k}": 2 for k in range(6)}, label=[f"c{n % 2}" for n in range(12)])
    table = table.assign(split=[SPLITS[n // 2 % 3] for n in range(12)])
    write_windows(tmp_path / "imu.h5", table)
    return table


@pytest.fixture
def anchors(windows: pd.DataFrame, tmp_path: Path) -> Path:
    embeddings = np.random.default_rng(0).standard_normal((12, 5)).astype(np.float32)
    write_store(tmp_path / "store.h5", windows, 5, [embeddings], {"model": "noise"})
    select_anchors(tmp_path / "store.h5", tmp_path / "anchors.h5")
    return tmp_path / "anchors.h5"


def student(folder: Path, classes: list[str] | None = None) -> Path:
    made = small_student("dlinear")
    torch.manual_seed(0)
    heads = {"student": nn.Linear(made.dim, 4), "teacher": nn.Linear(5, 4)}
    if classes:
        heads = {"classifier": nn.Linear(made.dim, len(classes))}
    save_distilled(folder / "s", made, heads, classes or [], objective="comodo", trained_by="abc")
    return folder / "s"


def texts(file: h5py.File, name: str) -> list[str]:
    found: list[str] = file[name].asstr()[:].tolist()
    return found


def test_features_are_those_of_the_student(windows: pd.DataFrame, anchors: Path, tmp_path: Path) -> None:
    folder = student(tmp_path)
    extract_features(folder, windows, [tmp_path / "imu.h5"], anchors, tmp_path / "f.h5", 1)
    made = small_student("dlinear")
    torch.manual_seed(0)
    head = nn.Linear(made.dim, 4)
    with h5py.File(tmp_path / "f.h5") as file:
        assert set(file) == {"train", "test", "anchors"}
        for split in ("train", "test"):
            own = windows[windows["split"] == split]
            assert texts(file, f"{split}/clip") == own["clip"].tolist()
            assert texts(file, f"{split}/label") == own["label"].tolist()
            assert texts(file, f"{split}/recording") == own["recording"].tolist()
            expected = embed(made, ImuWindows(own, [tmp_path / "imu.h5"]))
            np.testing.assert_allclose(file[f"{split}/feature"][:], expected, rtol=1e-5)
            with torch.inference_mode():
                projected = head(torch.from_numpy(expected)).numpy()
            np.testing.assert_allclose(file[f"{split}/projected"][:], projected, rtol=1e-4, atol=1e-5)
        assert texts(file, "anchors/mean/label") == ["c0", "c1"]
        assert file["anchors/mean/projected"].shape == (2, 4)
        assert file.attrs["trained_by"] == "abc"


def test_a_classifier_s_scores(windows: pd.DataFrame, tmp_path: Path) -> None:
    folder = student(tmp_path, ["c0", "c1"])
    extract_features(folder, windows, [tmp_path / "imu.h5"], None, tmp_path / "f.h5", 1)
    with h5py.File(tmp_path / "f.h5") as file:
        assert texts(file, "classes") == ["c0", "c1"]
        assert file["test/scores"].shape == (4, 2)
        assert "projected" not in file["test"]
        assert "anchors" not in file


def test_the_id_is_that_of_the_content(windows: pd.DataFrame, anchors: Path, tmp_path: Path) -> None:
    folder, ids = student(tmp_path), []
    for name, table in (("a", windows), ("b", windows), ("c", windows.assign(label="c0"))):
        extract_features(folder, table, [tmp_path / "imu.h5"], anchors, tmp_path / f"{name}.h5", 1)
        with h5py.File(tmp_path / f"{name}.h5") as file:
            ids.append(file.attrs["id"])
    assert ids[0] == ids[1] != ids[2]


def test_a_student_of_other_settings(windows: pd.DataFrame, anchors: Path, tmp_path: Path) -> None:
    with pytest.raises(DamageError, match="its student is of another experiment or seed"):
        extract_features(
            student(tmp_path), windows, [tmp_path / "imu.h5"], anchors, tmp_path / "f.h5", 1, expected="xyz"
        )
    assert not (tmp_path / "f.h5").exists()


def test_a_teacher_s_features_are_its_embeddings(
    windows: pd.DataFrame, anchors: Path, tmp_path: Path
) -> None:
    extract_teacher_features(tmp_path / "store.h5", windows, anchors, tmp_path / "f.h5")
    with h5py.File(tmp_path / "f.h5") as file, h5py.File(tmp_path / "store.h5") as store:
        own = np.flatnonzero(windows["split"] == "test")
        np.testing.assert_array_equal(file["test/feature"][:], store["embedding"][:][own])
        np.testing.assert_array_equal(file["test/projected"][:], file["test/feature"][:])
    with pytest.raises(StoreError):
        extract_teacher_features(tmp_path / "store.h5", windows[:-1], anchors, tmp_path / "g.h5")
