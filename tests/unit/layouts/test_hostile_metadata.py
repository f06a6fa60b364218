"""Metadata files with wrong types, hostile paths or no metadata at all: no crash, nothing written elsewhere."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import h5py
import pytest

from comodo.config import DatasetSettings
from comodo.errors import LayoutError
from comodo.layouts.opening import open_layout
from comodo.recordings.imu_shard import preprocess_shard
from comodo.recordings.small_video import extract_shard
from comodo.storage.artefacts import read_table
from tests.support.writers import take, write_splits, write_takes


def test_paths_in_takes_json_are_read_and_never_written(tmp_path: Path) -> None:
    """Only the id names what is written; it does so through `safe_name`."""
    root = tmp_path / "raw"
    write_splits(root / "splits", {"train": ["../../up\tx", "b\ty"], "val": ["c\tx"], "test": ["d\tx"]})
    write_takes(root, [{**take("../../up"), "root_dir": "/etc"}, {**take("b"), "root_dir": "../../.."}])
    settings = DatasetSettings.model_validate(
        {"layout": "egoexo4d", "root": str(root), "video": {"size": 32}}
    )
    recordings = open_layout("x", settings).recordings()
    out = tmp_path / "results"
    extract_shard(recordings, out / "video", out / "video.parquet", settings, 1)
    preprocess_shard("x", settings, recordings, out / "imu.h5")
    assert set(read_table(out / "video.parquet")["reason"]) == {"video_missing_file"}
    with h5py.File(out / "imu.h5") as file:
        assert sorted(file) == ["%2E.%2F..%2Fup", "b", "c", "d"]
    assert {path.name for path in tmp_path.iterdir()} == {"raw", "results"}


@pytest.mark.parametrize(
    "changed",
    [
        {"root_dir": 5},
        {"take_name": 5},
        {"take_name": ["a"]},
        {"capture": {"capture_name": 5}},
        {"root_dir": {"a": "b"}},
    ],
)
def test_takes_json_of_wrong_types(changed: dict[str, object], tmp_path: Path) -> None:
    write_splits(tmp_path / "splits", {"train": ["a\tx", "b\ty"], "val": ["c\tx"], "test": ["d\tx"]})
    write_takes(tmp_path, [{**take("a"), **changed}, take("b")])
    layout = open_layout("x", DatasetSettings.model_validate({"layout": "egoexo4d", "root": str(tmp_path)}))
    with suppress(LayoutError):
        assert len(layout.recordings()) == 4


@pytest.mark.parametrize(
    "content", ["[" * 100_000, '{"videos": [[["a"], 1]]}', '{"videos": {"a": 1}}', "1e999", '"\\ud800"']
)
def test_json_that_is_no_metadata(content: str, tmp_path: Path) -> None:
    write_splits(tmp_path / "splits", {"train": ["a\tx", "b\ty"], "val": ["c\tx"], "test": ["d\tx"]})
    for name, layout in (("ego4d.json", "ego4d"), ("takes.json", "egoexo4d")):
        (tmp_path / name).write_text(content)
        reader = open_layout("x", DatasetSettings.model_validate({"layout": layout, "root": str(tmp_path)}))
        with suppress(LayoutError):
            assert len(reader.recordings()) == 4
