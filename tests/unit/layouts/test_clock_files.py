"""Every file that the IMU of a recording depends on is named, so that Snakemake notices when it changes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comodo.config import DatasetSettings
from comodo.layouts.opening import open_layout
from comodo.layouts.types import Layout, Recording
from comodo.recordings.raw_files import imu_state, raw_state
from tests.support.writers import (
    ego4d_lines,
    motion,
    take,
    write_ego4d_imu,
    write_processed_imu,
    write_splits,
    write_takes,
    write_uestc_imu,
)

TIME = np.arange(0, 12, 0.005)
LABELS = {"train": ["a_1\tx", "b_1\ty"], "val": ["c_1\tx"], "test": ["d_1\ty"]}


def processed(kind: str) -> Callable[[Path], dict[str, Any]]:
    def write(root: Path) -> dict[str, Any]:
        write_splits(root / "splits", LABELS)
        for name in ("a_1", "b_1", "c_1", "d_1"):
            write_processed_imu(root, name, TIME, 1e-3)
        return {"layout": kind, "root": str(root)}

    return write


def ego4d(root: Path) -> dict[str, Any]:
    write_splits(root / "splits", LABELS)
    for name in ("a_1", "b_1", "c_1", "d_1"):
        write_ego4d_imu(root / "imu" / f"{name}.csv", ego4d_lines(TIME))
    return {"layout": "ego4d", "root": str(root)}


def uestc(root: Path) -> dict[str, Any]:
    names = {"train": ["x/a", "y/b"], "val": ["x/c"], "test": ["y/d"]}
    write_splits(root / "splits", {s: [f"p/{n} 1 1 0" for n in own] for s, own in names.items()})
    for name in ("x/a", "y/b", "x/c", "y/d"):
        write_uestc_imu(root / "sensor" / f"{name}.csv", 200)
    return {"layout": "uestc", "root": str(root)}


def table(root: Path) -> dict[str, Any]:
    rows = [
        f"{s}{k},{s},{label},,{s}{k}.csv" for s in ("train", "val", "test") for k, label in enumerate("xy")
    ]
    (root / "t.csv").write_text("\n".join(["recording,split,label,video,imu", *rows]) + "\n")
    accel, gyro = np.split(motion(TIME), 2)
    lines = [",".join(map(str, row)) for row in np.vstack([TIME, accel, gyro]).T]
    names = "t,accel_x,accel_y,accel_z,gyro_x,gyro_y,gyro_z"
    for row in rows:
        (root / row.rpartition(",")[2]).write_text("\n".join([names, *lines]) + "\n")
    csv = {"time": "t"}
    return {
        "layout": "table",
        "root": str(root),
        "table": str(root / "t.csv"),
        "video": None,
        "imu": {"csv": csv},
    }


LAYOUTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "ego4d": ego4d,
    "uestc": uestc,
    "table": table,
    "ego4d, processed": processed("ego4d"),
    "egoexo4d, processed": processed("egoexo4d"),
}
_watch: list[set[Path]] = []


def _audit(event: str, given: tuple[Any, ...]) -> None:
    if event == "open" and _watch and isinstance(given[0], (str, os.PathLike)):
        _watch[-1].add(Path(given[0]).absolute())


sys.addaudithook(_audit)  # it cannot be removed; it does nothing unless `_watch` holds a set


@contextmanager
def opened() -> Iterator[set[Path]]:
    """The files that are opened within."""
    _watch.append(set())
    try:
        yield _watch[-1]
    finally:
        _watch.pop()


def first(layout: Layout) -> Recording:
    return layout.recordings()[0]


@pytest.mark.parametrize("kind", LAYOUTS)
def test_a_layout_opens_the_files_that_it_named_and_no_others(kind: str, tmp_path: Path) -> None:
    layout = open_layout("x", DatasetSettings.model_validate(LAYOUTS[kind](tmp_path)))
    recording = first(layout)
    with opened() as files:
        layout.read_imu(recording)
    own = {path for path in files if path.is_relative_to(tmp_path)}
    named = {path for path in (recording.video, recording.imu, *layout.clock_files(recording)) if path}
    assert own
    assert own <= named


@pytest.mark.parametrize("kind", ["ego4d", "egoexo4d"])
def test_changed_times_of_a_processed_array_are_noticed(kind: str, tmp_path: Path) -> None:
    settings = DatasetSettings.model_validate(processed(kind)(tmp_path))
    before, video = imu_state("x", settings, 0, None), raw_state("x", settings, 0, None)
    os.utime(tmp_path / "processed_imu/a_1_timestamps.npy", ns=(5, 5))
    assert imu_state("x", settings, 0, None) != before
    assert raw_state("x", settings, 0, None) == video  # the video does not depend on it


@pytest.mark.parametrize("name", ["takes.json", "captures/cap/timesync.csv"])
def test_changed_clocks_of_a_take_are_noticed(name: str, tmp_path: Path) -> None:
    write_splits(tmp_path / "splits", LABELS)
    write_takes(tmp_path, [take("a_1", capture="cap", start_row=3)])
    timesync = tmp_path / "captures/cap/timesync.csv"
    timesync.parent.mkdir(parents=True)
    timesync.write_text("aria01_214-1_capture_timestamp_ns\n" + "7\n" * 9)
    settings = DatasetSettings(layout="egoexo4d", root=str(tmp_path))
    before = imu_state("x", settings, 0, None)
    os.utime(tmp_path / name, ns=(5, 5))
    assert imu_state("x", settings, 0, None) != before


def test_without_such_files_the_state_is_that_of_the_first_version(tmp_path: Path) -> None:
    """Else every IMU shard of an older version would be made again."""
    settings = DatasetSettings.model_validate(ego4d(tmp_path))
    assert imu_state("x", settings, 0, None) == raw_state("x", settings, 0, None)
