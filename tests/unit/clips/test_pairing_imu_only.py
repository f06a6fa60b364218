"""Windows of a dataset without video (`video: null`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from comodo.clips.pairing import pair_clips
from comodo.errors import ImuError
from comodo.layouts.types import Recording
from comodo.recordings.imu_shard import write_imu_shard
from comodo.recordings.signal import ImuSignal
from comodo.recordings.small_video import TABLE_COLUMNS
from tests.support.pairing import config, reasons, signal


def imu_alone(
    folder: Path,
    imu: ImuSignal | ImuError,
    cut: tuple[float, float | None] = (0.0, None),
    **changes: Any,
) -> pd.DataFrame:
    one = Recording("a", "train", "walk", None, Path("a.csv"), start_s=cut[0], end_s=cut[1])
    write_imu_shard(folder / "imu.h5", [(one, imu)])
    nothing = pd.DataFrame(columns=list(TABLE_COLUMNS))
    return pair_clips([one], nothing, folder / "imu.h5", config(video=None, **changes))


def test_without_video_every_whole_window_is_kept_and_none_has_frames(tmp_path: Path) -> None:
    imu = signal((3, 17), (17.5, 34.9))
    clips = imu_alone(tmp_path, imu)
    # not 0 and 6: the IMU does not fill them
    assert reasons(clips) == {1: "", 2: "", 3: "imu_gap", 4: "", 5: ""}
    assert clips["first_sample"].tolist() == [400, 1400, -1, 3400, 4400]
    assert clips["last_sample"].tolist() == [1400, 2400, -1, 4400, 5400]
    assert clips["start_s"].tolist() == [5.0, 10.0, 15.0, 20.0, 25.0]
    assert set(zip(clips["first_frame"], clips["n_frames"], strict=True)) == {(-1, 0)}
    assert sum(imu_alone(tmp_path, imu, clips_per_recording=3)["reason"] == "not_sampled") == 1
    assert list(reasons(imu_alone(tmp_path, imu, windows="reference"))) == [1, 2, 3, 4, 5]  # a rule of videos


@pytest.mark.parametrize(
    ("imu", "expected"),
    [
        (signal((0, 4.9)), {-1: "imu_too_short"}),
        (signal((2.5, 7.5)), {-1: "imu_too_short"}),
        (signal((-20, -5)), {-1: "imu_too_short"}),
        (signal((0, 2), (3, 8)), {-1: "imu_gap", 0: "imu_gap"}),
        (ImuError("imu_empty", "none"), {-1: "imu_empty"}),
        (signal((-0.005, 5)), {0: ""}),
    ],
)
def test_without_video_a_recording_is_bad_when_it_fills_no_window(
    tmp_path: Path, imu: ImuSignal | ImuError, expected: dict[int, str]
) -> None:
    clips = imu_alone(tmp_path, imu)
    assert reasons(clips) == expected
    assert not any("video" in detail for detail in clips["detail"])


def test_without_video_no_window_reaches_beyond_the_cut(tmp_path: Path) -> None:
    with_margin = signal((-0.1, 10.1))
    for end_s, count in ((26.0, 2), (25.95, 1)):
        assert len(imu_alone(tmp_path, with_margin, (16.0, end_s))) == count
    whole = imu_alone(tmp_path, with_margin, (16.0, 25.95), clip_s=None)
    (row,) = whole.to_dict("records")
    assert (row["first_sample"], row["last_sample"], row["end_s"]) == (20, 2010, 9.95)


@pytest.mark.parametrize(
    ("imu", "expected"),
    [
        (signal((0, 3.7)), {0: ""}),
        (signal((0, 3), (4, 7)), {-1: "imu_gap", 0: "imu_gap"}),
        (signal((-3, -1)), {-1: "imu_too_short"}),
    ],
)
def test_without_video_a_recording_may_be_one_window(
    tmp_path: Path, imu: ImuSignal, expected: dict[int, str]
) -> None:
    clips = imu_alone(tmp_path, imu, clip_s=None)
    assert reasons(clips) == expected
    if expected == {0: ""}:
        assert clips[["first_sample", "last_sample", "start_s", "end_s"]].to_numpy().tolist() == [
            [0, 740, 0, 3.7]
        ]


def test_a_segment_shorter_than_a_window_has_its_own_reason(tmp_path: Path) -> None:
    assert reasons(imu_alone(tmp_path, signal((0, 4)), (10.0, 14.0))) == {-1: "segment_too_short"}
    assert reasons(imu_alone(tmp_path, signal((0, 4)), (10.0, 16.0))) == {-1: "imu_too_short"}


def test_windows_overlap_where_a_stride_is_given(tmp_path: Path) -> None:
    clips = imu_alone(tmp_path, signal((0, 10)), stride_s=2.0)
    assert clips["start_s"].tolist() == [0.0, 2.0, 4.0]
    assert clips["first_sample"].tolist() == [0, 400, 800]
