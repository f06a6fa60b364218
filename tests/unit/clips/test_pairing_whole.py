"""A recording that is a single clip (`clip_s: null`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from comodo.errors import ImuError
from comodo.recordings.signal import ImuSignal
from tests.support.pairing import config, no_video, pair, reasons, signal, video_row


@pytest.mark.parametrize(
    ("video", "imu", "reason", "samples", "frames"),
    [
        (video_row(duration_s=12.34), signal((0, 12.34)), "", (0, 2468), (0, 123)),
        # video and IMU need not end at the same sample: up to max_gap_s (0.1 s) is no difference
        (video_row(duration_s=12.0), signal((0, 11.9)), "", (0, 2380), (0, 120)),
        (video_row(duration_s=12.0), signal((0, 11.89)), "imu_ends_early", (-1, -1), (0, 120)),
        (video_row(duration_s=12.0), signal((0.1, 12)), "", (0, 2380), (0, 120)),
        (video_row(duration_s=12.0), signal((0.11, 12)), "imu_starts_late", (-1, -1), (0, 120)),
        # what lies outside the video is left out
        (video_row(duration_s=4.0), signal((-1, 30)), "", (200, 1000), (0, 40)),
        (video_row(duration_s=12.0), signal((0, 5), (6, 12)), "imu_gap", (-1, -1), (0, 120)),
        (video_row(duration_s=4.0), signal((-1, 5), (6, 12)), "", (200, 1000), (0, 40)),
        (video_row(duration_s=12.0, frozen="[[6.0, 9.5]]"), signal((0, 12)), "video_gap", (0, 2400), (-1, 0)),
        (no_video(), signal((-1, 12)), "no_video", (0, 2600), (-1, 0)),
        (no_video(), signal((0, 5), (6, 12)), "imu_gap", (-1, -1), (-1, 0)),
        (video_row(duration_s=0.05, n_frames=1), signal((-9, -1)), "imu_starts_late", (-1, -1), (0, 1)),
        (video_row(duration_s=5), signal((1000.0, 1007.0)), "imu_starts_late", (-1, -1), (0, 50)),
    ],
)
def test_a_whole_recording_may_be_one_clip(
    tmp_path: Path,
    video: dict[str, Any],
    imu: ImuSignal,
    reason: str,
    samples: tuple[int, int],
    frames: tuple[int, int],
) -> None:
    clips = pair(tmp_path, video, imu, config(clip_s=None))
    row = clips.iloc[-1]
    assert (row["clip"], row["window"], row["reason"]) == ("a#00000", 0, reason)
    assert (row["first_sample"], row["last_sample"]) == samples
    assert (row["first_frame"], row["n_frames"]) == frames
    if reason == "":
        assert len(clips) == 1
        assert (row["start_s"], row["end_s"]) == (0, video["duration_s"])
    else:
        assert clips["window"].tolist() == [-1, 0]
        outside = imu.start_s > 100 or imu.start_s < -5
        expected = "no_overlap" if outside else "video_empty" if not video["n_frames"] else reason
        assert clips["reason"][0] == expected


def test_a_whole_recording_under_the_published_rule_is_all_of_both(tmp_path: Path) -> None:
    settings = config(clip_s=None, alignment="reference", windows="reference")
    clips = pair(tmp_path, video_row(duration_s=12.0, frozen="[[1.0, 9.0]]"), signal((0, 9)), settings)
    row = clips.iloc[0]
    assert (len(clips), row["reason"], row["last_sample"], row["n_frames"]) == (1, "", 1800, 120)


def test_a_recording_without_imu_has_no_clip(tmp_path: Path) -> None:
    clips = pair(tmp_path, video_row(), ImuError("imu_empty", "none"), config(clip_s=None))
    assert reasons(clips) == {-1: "imu_empty"}
