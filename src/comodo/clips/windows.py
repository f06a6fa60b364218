"""Windows of a recording: those of its video, the frames of a clip, and where its IMU is whole.

Window i covers [i · step_s, i · step_s + clip_s) seconds, counted from the first frame of the recording. The step is
clip_s where windows do not overlap.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from comodo.text import first_few

EPSILON_S = 1e-6  # durations are sums of floats: 14.9999999 is 15


def video_windows(
    duration_s: float,
    clip_s: float = 5.0,
    rule: Literal["full", "reference"] = "full",
    step_s: float | None = None,
) -> list[tuple[float, float]]:
    """Windows (start_s, end_s) of a video: every full one, or all but the last full one as published.

    `step_s` is the time from one window to the next; default: `clip_s`.

    Raises `ValueError` for another rule or a length that is not positive.
    """
    if rule not in ("full", "reference"):
        raise ValueError(f"windows: {rule!r} is neither 'full' nor 'reference'")
    if not clip_s > 0:
        raise ValueError(f"clip_s must be positive, not {clip_s}")
    if not math.isfinite(duration_s):
        raise ValueError(f"duration_s must be finite, not {duration_s}")
    step = clip_s if step_s is None else step_s
    count = max(0, math.floor((duration_s - clip_s + EPSILON_S) / step) + 1)
    if rule == "reference":
        count -= 1
    return [window_time(i, clip_s, step_s) for i in range(count)]


def window_time(i: int, clip_s: float, step_s: float | None = None) -> tuple[float, float]:
    """Return start and end of window i, s."""
    if step_s is None or step_s == clip_s:
        return i * clip_s, (i + 1) * clip_s
    return i * step_s, i * step_s + clip_s


def frame_indices(n_available: int, n_frames: int) -> list[int]:
    """Spread `n_frames` over a clip of `n_available` frames: floor(linspace(0, n_available − 1, n_frames)).

    Frames repeat where the clip has fewer. Raises `ValueError` for a clip without frames.
    """
    if n_available < 1:
        raise ValueError("a clip without frames")
    return [int(i) for i in np.floor(np.linspace(0, n_available - 1, n_frames))]


class ImuWindow(NamedTuple):
    """A window of a recording without video."""

    number: int
    time_s: tuple[float, float]
    samples: tuple[int, int]  # range in the recording's array; (-1, -1) where the window is not whole
    reason: str  # a key of REASONS; "" for a whole window


class ImuCoverage:
    """The stretches of a recording with whole IMU, in grid numbers: sample k is at k / rate seconds.

    Args:
        runs: (n, 2) int64, ranges [begin, end) without holes in the recording's array.
        start_s: time of the array's first sample, s.
        rate_hz: sampling rate of the grid.
        clip_s: length of a window, s; None: the whole recording is one window.
        step_s: from one window to the next, s; default: `clip_s`.
        shift: offset, s, and drift of the IMU's clock: at time t of the windows it reads offset + (1 + drift) · t.
    """

    def __init__(
        self,
        runs: NDArray[np.int64],
        start_s: float,
        rate_hz: float,
        clip_s: float | None,
        step_s: float | None = None,
        shift: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        self.rate = rate_hz
        self.first = round(start_s * rate_hz)  # grid number of the array's sample 0
        self.runs = [(int(begin) + self.first, int(end) + self.first) for begin, end in runs]
        self.whole: list[int] = []  # windows that lie in one run
        self.shift = shift
        self.per_window = math.inf  # samples
        self.per_step = math.inf
        if clip_s is None:
            return
        self.per_window = clip_s * rate_hz
        self.per_step = self.per_window if step_s is None else step_s * rate_hz
        for begin, end in self.runs:
            first, last = (self._time(edge) * self.rate / self.per_step for edge in (begin, end))
            touched = range(max(0, math.floor(first)), math.ceil(last) + (shift != (0.0, 0.0)))
            self.whole += [i for i in touched if begin <= self._edges(i)[0] and self._edges(i)[1] <= end]

    @classmethod
    def of_group(
        cls,
        group: h5py.Group,
        clip_s: float | None,
        step_s: float | None = None,
        shift: tuple[float, float] = (0.0, 0.0),
    ) -> ImuCoverage:
        """Return that of a recording in an IMU shard; a dropped recording has no runs."""
        if "valid" not in group:
            return cls(np.empty((0, 2), dtype=np.int64), 0.0, 1.0, clip_s, step_s, shift)
        start_s, rate_hz = (float(group.attrs[name]) for name in ("start_s", "rate_hz"))
        return cls(group["valid"][:], start_s, rate_hz, clip_s, step_s, shift)

    def _edges(self, i: int) -> tuple[int, int]:
        offset, drift = self.shift
        first = round(i * self.per_step * (1 + drift) + offset * self.rate)
        return first, first + round(self.per_window)  # every window has the same number of samples

    def _time(self, edge: int) -> float:
        """When, on the clock of the windows, a sample of the grid is taken, s."""
        offset, drift = self.shift
        return (edge / self.rate - offset) / (1 + drift)

    def between(self, cut_s: float | None) -> Iterator[tuple[int, int, int]]:
        """Windows (i, begin, end) from the first sample to the last, holes or not; none before 0 or after a cut."""
        if not self.runs:
            return
        begin, end = max(0, self.runs[0][0]), self.runs[-1][1]
        if cut_s is not None:
            end = min(end, round(cut_s * self.rate))
        if math.isinf(self.per_window):
            if begin < end:
                yield 0, begin, end
            return
        for i in range(math.floor(begin / self.per_step), math.ceil(end / self.per_step)):
            first, stop = self._edges(i)
            if begin <= first and stop <= end:
                yield i, first, stop

    def imu_only(self, clip_s: float | None, cut_s: float | None = None) -> list[ImuWindow]:
        """Return the windows of a recording without video, as `between` lists them, each with its reason or ""."""
        windows = []
        for i, begin, end in self.between(cut_s):
            step_s = self.per_step / self.rate if self.per_step != self.per_window else None
            time_s = (
                (begin / self.rate, end / self.rate) if clip_s is None else window_time(i, clip_s, step_s)
            )
            windows.append(ImuWindow(i, time_s, *self.samples(begin, end)))
        return windows

    def why_none(self, candidates: Sequence[ImuWindow]) -> tuple[str, str]:
        """Return the reason, with its detail, why no window of `imu_only` is whole."""
        if candidates:
            return "imu_gap", self.hole(candidates[0].number)
        if not self.runs:
            return "imu_empty", "no sample is finite"
        first, last = self.runs[0][0] / self.rate, self.runs[-1][1] / self.rate
        return "imu_too_short", f"IMU from {first:.2f} to {last:.2f} s"

    def window(self, i: int) -> tuple[tuple[int, int], str]:
        """Sample range of window i in the recording's array and "", or (−1, −1) and why the window is not whole."""
        return self.samples(*self._edges(i))

    def samples(self, begin: int, end: int) -> tuple[tuple[int, int], str]:
        """The same for any range [begin, end) of the grid."""
        if any(run[0] <= begin and end <= run[1] for run in self.runs):
            return (begin - self.first, end - self.first), ""
        if begin < self.runs[0][0]:
            return (-1, -1), "imu_starts_late"
        return (-1, -1), "imu_ends_early" if end > self.runs[-1][1] else "imu_gap"

    def hole(self, i: int) -> str:
        """Say where the IMU is missing inside window i."""
        begin, end = self._edges(i) if math.isfinite(self.per_window) else (self.runs[0][0], self.runs[-1][1])
        edges = [begin, *(edge for run in self.runs for edge in run if begin < edge < end), end]
        inside = any(start <= begin < stop for start, stop in self.runs)
        gaps = list(pairwise(edges))[1 if inside else 0 :: 2]
        return "no IMU from " + first_few(
            [f"{a / self.rate:.2f} to {b / self.rate:.2f} s ({(b - a) / self.rate:.2f} s)" for a, b in gaps]
        )

    def overlaps(self, duration_s: float) -> bool:
        """Whether any sample lies inside the video."""
        return any(self._time(begin) < duration_s and self._time(end) > 0 for begin, end in self.runs)
