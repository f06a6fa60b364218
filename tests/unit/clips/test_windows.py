"""Windows of a video, and the frames of a clip."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comodo.clips.windows import frame_indices, video_windows


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
