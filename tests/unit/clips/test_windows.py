"""Windows of a video, and the frames of a clip."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comodo.clips.windows import ImuCoverage, frame_indices, video_windows


def test_reference_windows_are_the_published_ones(golden: Path) -> None:
    cases = json.loads((golden / "clip_windows.json").read_text())
    assert len(cases) > 20
    for case in cases:
        found = video_windows(case["video_duration_s"], case["clip_s"], "reference")
        assert found == [tuple(window) for window in case["windows"]], case["video_duration_s"]


@pytest.mark.parametrize(
    ("duration_s", "count"),
    [(0, 0), (4.99, 0), (5.0, 1), (9.99, 1), (15.0, 3), (15 - 1e-9, 3), (14.99, 2), (0.1 * 150, 3), (-1, 0)],
)
def test_full_windows(duration_s: float, count: int) -> None:
    assert video_windows(duration_s) == [(5.0 * i, 5.0 * i + 5.0) for i in range(count)]


def test_windows_refuse_nonsense() -> None:
    with pytest.raises(ValueError, match="neither 'full' nor 'reference'"):
        video_windows(5.0, rule="all")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="clip_s"):
        video_windows(5.0, 0.0)
    with pytest.raises(ValueError, match="finite"):
        video_windows(math.nan)


@settings(deadline=None)
@given(st.floats(0, 3600), st.floats(0.5, 60))
def test_windows_tile_the_video(duration_s: float, clip_s: float) -> None:
    windows = video_windows(duration_s, clip_s)
    assert all(end == pytest.approx(start + clip_s) for start, end in windows)
    assert all(later[0] == earlier[1] for earlier, later in itertools.pairwise(windows))
    last = windows[-1][1] if windows else 0.0
    assert last <= duration_s + 1e-5
    assert duration_s < last + clip_s


def test_frame_indices_are_the_published_ones(golden: Path) -> None:
    for case in json.loads((golden / "frame_indices.json").read_text()):
        found = frame_indices(case["frames_in_clip"], case["num_frames"])
        assert found == case["indices"]
        assert all(type(i) is int for i in found)


def test_frame_indices_of_short_clips() -> None:
    assert frame_indices(1, 4) == [0, 0, 0, 0]
    assert frame_indices(7, 1) == [0]
    with pytest.raises(ValueError, match="without frames"):
        frame_indices(0, 8)


def coverage(*runs: tuple[int, int], start_s: float = 0.0, clip_s: float | None = 2.0) -> ImuCoverage:
    """Of an array at 10 Hz."""
    return ImuCoverage(np.array(runs, dtype=np.int64).reshape(-1, 2), start_s, 10.0, clip_s)


def test_whole_windows_lie_in_one_run() -> None:
    covered = coverage((0, 45), (50, 100))
    assert covered.whole == [0, 1, 3, 4]
    assert [covered.window(i) for i in (0, 1)] == [((0, 20), ""), ((20, 40), "")]
    assert covered.window(2) == ((-1, -1), "imu_gap")
    assert covered.window(5) == ((-1, -1), "imu_ends_early")


def test_an_array_that_starts_late_or_early() -> None:
    late = coverage((0, 60), start_s=3.0)
    assert late.window(1) == ((-1, -1), "imu_starts_late")
    assert late.window(2) == ((10, 30), "")  # of the array, which starts at sample 30 of the grid
    early = coverage((0, 60), start_s=-1.0)
    assert early.whole == [0, 1]
    assert early.window(0) == ((10, 30), "")


def test_windows_without_video() -> None:
    covered = coverage((0, 45), (50, 85))
    assert [(w.number, w.samples, w.reason) for w in covered.imu_only(2.0)] == [
        (0, (0, 20), ""), (1, (20, 40), ""), (2, (-1, -1), "imu_gap"), (3, (60, 80), ""),
    ]  # fmt: skip
    assert [w.number for w in covered.imu_only(2.0, cut_s=4.5)] == [0, 1]
    (whole,) = coverage((5, 45), clip_s=None).imu_only(None)
    assert (whole.samples, whole.time_s) == ((5, 45), (0.5, 4.5))


def test_why_there_is_no_window() -> None:
    assert coverage().why_none([])[0] == "imu_empty"
    assert coverage((0, 15)).why_none([]) == ("imu_too_short", "IMU from 0.00 to 1.50 s")
    covered = coverage((0, 15), (18, 25))
    assert covered.why_none(covered.imu_only(2.0)) == (
        "imu_gap",
        "no IMU from 1.50 to 1.80 s (0.30 s)",
    )


@settings(deadline=None)
@given(st.lists(st.integers(1, 60), min_size=2, max_size=8), st.floats(0.3, 4), st.integers(-40, 40))
def test_a_whole_window_holds_no_hole(lengths: list[int], clip_s: float, start: int) -> None:
    """Runs and holes of these lengths, one after the other."""
    edges = np.cumsum([0, *lengths])
    runs = [(int(a), int(b)) for a, b in itertools.pairwise(edges)][::2]
    present = {sample for begin, end in runs for sample in range(begin, end)}
    covered = coverage(*runs, start_s=start / 10, clip_s=clip_s)
    for i in covered.whole:
        (begin, end), reason = covered.window(i)
        assert reason == ""
        assert set(range(begin, end)) <= present
        assert end - begin == round(clip_s * 10)
    kept = {w.number for w in covered.imu_only(clip_s) if not w.reason}
    assert kept == set(covered.whole)


def test_overlapping_windows() -> None:
    assert video_windows(11.0, 5.0, step_s=2.5) == [(0.0, 5.0), (2.5, 7.5), (5.0, 10.0)]
    assert video_windows(4.9, 5.0, step_s=2.5) == []
    found = ImuCoverage(np.array([[0, 55], [60, 120]]), 0.0, 10.0, 2.0, 0.5)
    assert found.whole == [*range(0, 8), *range(12, 21)]
    assert found.window(3) == ((15, 35), "")
    assert found.window(8) == ((-1, -1), "imu_gap")
    assert [window.time_s for window in found.imu_only(2.0)][:2] == [(0.0, 2.0), (0.5, 2.5)]
    assert len(found.imu_only(2.0)) == 21


@given(st.floats(0.5, 30), st.sampled_from([0.5, 1.0, 2.0, 2.5]), st.sampled_from([0.5, 1.0]))
def test_overlapping_windows_lie_in_the_video(duration_s: float, clip_s: float, share: float) -> None:
    step_s = clip_s * share
    windows = video_windows(duration_s, clip_s, step_s=step_s)
    assert all(start >= 0 and end <= duration_s + 1e-5 for start, end in windows)
    assert duration_s < len(windows) * step_s + clip_s + 1e-5
