"""IMU whose clock is not that of its video: `offset_s` and `video_start` in the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from comodo.config import DatasetSettings
from comodo.errors import ImuError, LayoutError
from comodo.layouts.opening import open_layout
from comodo.layouts.video_clock import creation_time, epoch_seconds
from comodo.recordings.raw_files import imu_state, raw_state
from tests.support.imu import wave
from tests.support.writers import write_video

START = 1772358600.25  # 2026-03-01T09:50:00.25Z
TIME = np.arange(0, 12, 0.01)
SPLITS = ("train", "train", "val", "val", "test", "test")


def dataset(folder: Path, header: str, cells: str, time: Any = TIME, **more: Any) -> DatasetSettings:
    """A table of six recordings of one csv, the first with further cells."""
    rows = [
        f"r{n},{split},{label},{n}.mp4,a.csv"
        for n, (split, label) in enumerate(zip(SPLITS, "ababab", strict=True))
    ]
    lines = [f"recording,split,label,video,imu,{header}", f"{rows[0]},{cells}", *rows[1:]]
    (folder / "t.csv").write_text("\n".join(lines) + "\n")
    values = wave(TIME)
    samples = [
        ",".join([repr(float(t)), *(f"{v:.6f}" for v in row)]) for t, row in zip(time, values.T, strict=True)
    ]
    (folder / "a.csv").write_text("\n".join(["t,ax,ay,az,gx,gy,gz", *samples]) + "\n")
    csv = {"time": "t", "accel": ["ax", "ay", "az"], "gyro": ["gx", "gy", "gz"]}
    return DatasetSettings(
        layout="table", root=str(folder), table=str(folder / "t.csv"), imu={"csv": csv}, **more
    )  # fmt: skip


@pytest.mark.parametrize(
    ("header", "cell", "zero"),
    [
        ("offset_s", "0.553", 0.553),
        ("offset_s", "-2.5", -2.5),
        ("video_start", "2026-03-01T09:50:00.25Z", START),
        ("video_start", "2026-03-01T10:50:00.25+01:00", START),
        ("video_start", str(START), START),
        ("offset_s,video_start", ",", 0.0),
    ],
)
def test_times_count_from_the_first_frame(tmp_path: Path, header: str, cell: str, zero: float) -> None:
    layout = open_layout("d", dataset(tmp_path, header, cell, TIME + zero))
    (samples,) = layout.read_imu(layout.recordings()[0])
    np.testing.assert_allclose(samples.accel_t, TIME, atol=1e-5)
    assert samples.gyro_t is samples.accel_t


def test_cuts_are_on_the_clock_of_the_video(tmp_path: Path) -> None:
    layout = open_layout("d", dataset(tmp_path, "offset_s,start_s,end_s", "0.5,2,4", TIME + 0.5))
    (samples,) = layout.read_imu(layout.recordings()[0])
    inside = (samples.accel_t >= 0) & (samples.accel_t < 2)
    np.testing.assert_allclose(samples.accel[:, inside], wave(np.arange(2, 4, 0.01))[:3], atol=1e-5)


def test_the_creation_time_of_the_video(tmp_path: Path) -> None:
    with av.open(tmp_path / "0.mp4", "w") as container:
        container.metadata["creation_time"] = "2026-03-01T09:50:00.000000Z"
        stream = container.add_stream("libx264", rate=10)
        stream.width = stream.height = 64
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))))
        container.mux(stream.encode(None))
    assert creation_time(tmp_path / "0.mp4") == START - 0.25
    layout = open_layout("d", dataset(tmp_path, "video_start", "creation_time", TIME + START - 0.25))
    (samples,) = layout.read_imu(layout.recordings()[0])
    np.testing.assert_allclose(samples.accel_t, TIME, atol=1e-5)
    assert samples.notes == ["imu_created: placed by the video's creation time, 1772358600 s"]
    write_video(tmp_path / "1.mp4", 1)
    for name, message in (("1", "has no creation time; give the time itself"), ("2", "does not exist")):
        with pytest.raises(ImuError, match=message) as caught:
            creation_time(tmp_path / f"{name}.mp4")
        assert caught.value.reason == "imu_clock"


@pytest.mark.parametrize(
    ("header", "cell", "message"),
    [
        ("offset_s", "soon", r"t.csv:2: offset_s 'soon' is not a number"),
        ("offset_s", "inf", "offset_s 'inf' is not finite"),
        ("video_start", "2026-03-01T09:50:00", "has no time zone: append Z"),
        ("video_start", "9:50", "neither ISO 8601"),
        ("offset_s,video_start", "1,2026-03-01T09:50:00Z", "not both"),
    ],
)
def test_a_cell_that_can_be_read_two_ways_is_refused(
    tmp_path: Path, header: str, cell: str, message: str
) -> None:
    with pytest.raises(LayoutError, match=message):
        open_layout("d", dataset(tmp_path, header, cell)).recordings()


def test_without_a_video_there_is_nothing_to_place_imu_on(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match=r"offset_s places IMU on .* but datasets\.d\.video is null"):
        open_layout("d", dataset(tmp_path, "offset_s", "1", video=None)).recordings()


def test_a_cut_of_another_clock_names_the_cause(tmp_path: Path) -> None:
    for zero, message in (
        (START, "epoch time; give the table a column video_start"),
        (90.0, "column offset_s"),
    ):
        layout = open_layout("d", dataset(tmp_path, "start_s,end_s", "2,4", TIME + zero))
        with pytest.raises(ImuError, match=message) as caught:
            layout.read_imu(layout.recordings()[0])
        assert caught.value.reason == "no_overlap"


def test_another_offset_reruns_the_imu_alone(tmp_path: Path) -> None:
    states = []
    for cell in ("", "1", "2"):
        settings = dataset(tmp_path, "offset_s", cell)
        states.append((raw_state("d", settings, 0, None), imu_state("d", settings, 0, None)))
    assert len({imu for _, imu in states}) == 3


def test_epoch_seconds() -> None:
    assert epoch_seconds("1970-01-02T00:00:00Z") == 86400
    assert epoch_seconds("-5") == -5
