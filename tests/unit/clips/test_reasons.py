"""Why a window or a recording is no pair."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import comodo
from comodo.clips.reasons import REASONS
from comodo.errors import ImuError
from comodo.recordings.signal import ImuSignal
from tests.support.pairing import no_video, pair, reasons, signal, video_row

CLIP_FRAMES = 50


@pytest.mark.parametrize(
    ("video", "imu", "expected"),
    [
        # the IMU starts 3 s late: the first window goes
        (video_row(duration_s=15), signal((3, 15)), {0: "imu_starts_late", 1: "", 2: ""}),
        # IMU shorter than video
        (video_row(duration_s=15), signal((0, 14.9)), {0: "", 1: "", 2: "imu_ends_early"}),
        # video shorter than IMU: the SVM still uses the window
        (video_row(duration_s=14.9), signal((0, 15)), {0: "", 1: "", 2: "no_video"}),
        # a gap of 20 s from 6 to 26
        (
            video_row(duration_s=35),
            signal((0, 6), (26, 35)),
            {0: "", **dict.fromkeys(range(1, 6), "imu_gap"), 6: ""},
        ),
        # both end inside a window: no candidate
        (video_row(duration_s=9), signal((0, 9)), {0: ""}),
        # the camera paused from 6 to 9.5 s
        (video_row(duration_s=15, frozen="[[6.0, 9.5]]"), signal((0, 15)), {0: "", 1: "video_gap", 2: ""}),
        (video_row(duration_s=15, frozen="[[5.0, 10.0]]"), signal((0, 15)), {0: "", 1: "video_gap", 2: ""}),
        (
            video_row(duration_s=15, frozen="[[9.9999999, 12.0]]"),
            signal((0, 15)),
            {0: "", 1: "", 2: "video_gap"},
        ),
        # beyond the video only whole windows count
        (video_row(duration_s=5), signal((0, 5), (12, 20)), {0: "", 3: "no_video"}),
        # fewer frames than the duration promises
        (video_row(duration_s=15, n_frames=149), signal((0, 15)), {0: "", 1: "", 2: "no_video"}),
        # no pair at all: one row for the recording
        (no_video(), signal((0, 10)), {-1: "video_empty", 0: "no_video", 1: "no_video"}),
        (no_video(), signal((0, 4)), {-1: "video_empty"}),
        (video_row(), ImuError("imu_constant", "flat"), {-1: "imu_constant"}),
        (no_video(), ImuError("imu_constant", "flat"), {-1: "video_empty"}),
        (video_row(duration_s=0.4), signal((0, 4)), {-1: "video_too_short"}),
        (video_row(duration_s=0.4), signal((0, 5)), {-1: "video_too_short", 0: "no_video"}),
        (video_row(duration_s=2, reason="video_truncated"), signal((0, 4)), {-1: "video_truncated"}),
        (video_row(duration_s=5), signal((1, 5)), {-1: "imu_starts_late", 0: "imu_starts_late"}),
        (video_row(duration_s=5), signal((0, 2), (3, 5)), {-1: "imu_gap", 0: "imu_gap"}),
        (
            video_row(duration_s=5),
            signal((1000.0, 1007.0)),
            {-1: "no_overlap", 0: "imu_starts_late", 200: "no_video"},
        ),
        (video_row(duration_s=5), signal((-1000.0, -900.0)), {-1: "no_overlap", 0: "imu_ends_early"}),
    ],
)
def test_every_window_has_its_reason(
    tmp_path: Path, video: dict[str, Any], imu: ImuSignal | ImuError, expected: dict[int, str]
) -> None:
    clips = pair(tmp_path, video, imu)
    assert reasons(clips) == expected
    assert clips["window"].is_monotonic_increasing
    whole_imu = clips["reason"].isin(["", "no_video", "video_gap"])
    assert ((clips["first_sample"] >= 0) == (whole_imu & (clips["window"] >= 0))).all()
    assert ((clips["n_frames"] == CLIP_FRAMES) == (clips["first_frame"] >= 0)).all()


def test_details_say_what_is_wrong(tmp_path: Path) -> None:
    clips = pair(tmp_path, no_video(), ImuError("imu_constant", "flat"))
    assert clips["detail"].tolist() == ["a.mp4 is empty; flat"]
    assert clips["clip"].tolist() == [""]
    assert (
        "IMU from 1000.00 to 1007.00 s" in pair(tmp_path, video_row(), signal((1000.0, 1007.0)))["detail"][0]
    )


def test_every_reason_raised_is_in_the_list() -> None:
    raised = set()
    for path in Path(comodo.__file__).parent.rglob("*.py"):
        raised |= set(
            re.findall(r'(?:Error\(|reason(?:, detail)? = )"((?:imu|video)_\w+)"', path.read_text())
        )
    assert len(raised) > 10
    assert raised <= set(REASONS)
