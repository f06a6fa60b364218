"""Every file that the IMU of a recording depends on is named, so that Snakemake notices when it changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from comodo.config import DatasetSettings
from comodo.layouts.opening import open_layout
from comodo.layouts.types import Layout, Recording
from comodo.recordings.raw_files import imu_state, raw_state
from comodo.testing.layouts import opened_files
from tests.support.layouts import LABELS, LAYOUTS, ego4d, processed
from tests.support.writers import take, write_splits, write_takes


def first(layout: Layout) -> Recording:
    return layout.recordings()[0]


@pytest.mark.parametrize("kind", LAYOUTS)
def test_a_layout_opens_the_files_that_it_named_and_no_others(kind: str, tmp_path: Path) -> None:
    layout = open_layout("x", DatasetSettings.model_validate(LAYOUTS[kind](tmp_path)))
    recording = first(layout)
    with opened_files() as files:
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
