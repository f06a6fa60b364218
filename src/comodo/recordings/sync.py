"""Whether the IMU is in step with the video: the offset and drift of its clock, from rotation that both show.

The motion of the picture is regressed on the gyroscope at every offset within `WIDEST_S`. A long recording is looked at
in several stretches: where their best offsets lie on a line, it gives offset and drift. In a short one the best offset
must explain almost all of the motion, and no other one may come near. Video that is stabilised in the camera, a head at
rest and a dark scene leave the offset unknown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
WIDEST_S: Final = 5.0
"""Largest offset that is looked for, s."""
COARSE_S: Final = 0.04  # step of the first search
FINE_S: Final = 0.005  # step of the second one, around the best of the first
NEIGHBOURS_S: Final = 0.5
"""Offsets this near to the best one are not its rivals: motion is smooth."""
LEAST_EXPLAINED: Final = 0.8
"""Share of the picture's motion in a single stretch that the gyroscope explains at the right offset, at least."""
LEAST_MARGIN: Final = 0.2
"""By which the best offset of a single stretch explains more than any rival, at least."""
STEP_S: Final = 0.1  # interval over which two gyroscopes are compared
FEWEST: Final = 40
"""Intervals between frames that an estimate needs."""
STILL: Final = 0.02
"""Rotation rate, rad/s (standard deviation), below which the IMU is at rest."""
AGREEING: Final = 3
"""Stretches that agree need not be clear each: at random two of them would agree once in a hundred times."""
MOST: Final = 0.7
"""Share of the stretches that must agree."""
LEAST_AGREED: Final = 0.1
"""Median of `LEAST_MARGIN` of stretches that agree, at least."""
STRAYS_S: Final = 0.06
"""Distance from the line through the offsets of all stretches up to which they agree."""
LONG_S: Final = 30.0
SHORT_S: Final = 10.0
MOST_STRETCHES: Final = 12
"""Of `LONG_S`, or of `SHORT_S` where a recording is short."""
DRIFT_FROM_S: Final = 120.0
"""Time between the first and the last stretch below which no drift is estimated."""
FASTEST_PPM: Final = 1000.0
"""Drift of a clock that is believed; crystals differ by 200 ppm at most."""


@dataclass(frozen=True, slots=True)
class Sync:
    """The clock of the IMU against that of the video.

    At video time t it reads `offset_s` + (1 + `drift_ppm` / 1e6) · t.

    Attributes:
        offset_s: reading at the first video frame, s, as the column `offset_s` of a table; NaN where unknown.
        drift_ppm: parts per million; NaN for a recording too short for it.
        confidence: share of the picture's motion that the gyroscope explains there, less that at the best rival offset;
            the median of the stretches.
        reason: why the offset is unknown: "still", "dark", "unclear", "short"; "" where it is known.
    """

    offset_s: float
    drift_ppm: float
    confidence: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Motion of the picture during a stretch of a recording.

    Attributes:
        begin_s: video time of its first frame, s.
        step_s: time between frames, s.
        motion: (K, N) in any unit; NaN where it is unknown.
    """

    begin_s: float
    step_s: float
    motion: Floats


class Angles:
    """The running integral of a sensor on a uniform grid: differences are means over any interval."""

    def __init__(self, samples: Floats, start_s: float, rate_hz: float) -> None:
        """Take samples (C, N), NaN in holes, of which the first is at `start_s`."""
        self.start_s, self.rate = start_s, rate_hz
        lost = np.isnan(samples).any(axis=0)
        whole = np.where(lost, 0.0, samples)
        self.integral = (
            np.concatenate([np.zeros((len(samples), 1)), np.cumsum(whole, axis=1)], axis=1) / rate_hz
        )
        self.lost = np.concatenate([[0.0], np.cumsum(lost)])

    def between(self, edges: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the integral (C, …, N) over each interval between successive times (…, N + 1), and whether the samples
        cover it (…, N).
        """
        place = (edges - self.start_s) * self.rate
        grid = np.arange(self.integral.shape[1])
        at = np.array([np.interp(place, grid, each) for each in self.integral])
        lost = np.interp(place, grid, self.lost)
        inside = (place[..., :-1] >= 0) & (place[..., 1:] <= grid[-1]) & (np.diff(lost) < 1e-9)
        return np.diff(at), inside


def estimate_sync(stretches: Sequence[Stretch], gyro: Floats, start_s: float, rate_hz: float) -> Sync:
    """Estimate offset and drift of the IMU's clock.

    Args:
        stretches: motion of the picture, from the video's first frame on.
        gyro: (3, N) rad/s on a uniform grid, NaN in holes.
        start_s: time of its first sample on the IMU's clock, where that is supposed to be in step with the video, s.
        rate_hz: of the grid.
    """
    if np.isnan(gyro).all() or np.nanstd(gyro, axis=1).max() < STILL:
        return Sync(math.nan, math.nan, math.nan, "still")
    angles = Angles(gyro, start_s, rate_hz)
    found = [_offset_of(stretch, angles) for stretch in stretches]
    return _line(found)


def align_sensors(gyro: Floats, start_s: float, other: Floats, other_start_s: float, rate_hz: float) -> Sync:
    """Estimate offset and drift of another sensor's clock, by the rates of rotation of two sensors that move together.

    Args:
        gyro: (3, N) rad/s of the camera, on a uniform grid.
        start_s: time of its first sample, s.
        other: (3, M) rad/s of the other sensor, on a grid of the same rate; its axes may be any.
        other_start_s: time of its first sample on its own clock, s.
        rate_hz: of both grids.
    """
    rates = [np.linalg.norm(each, axis=0)[None] for each in (gyro, other)]
    if min(np.nanstd(rate) for rate in rates) < STILL:
        return Sync(math.nan, math.nan, math.nan, "still")
    ours = Angles(rates[0], start_s, rate_hz)
    stretches = []
    for begin, length in stretches_of(gyro.shape[1] / rate_hz):
        edges: Floats = start_s + begin + np.arange(int(length / STEP_S) + 1, dtype=np.float64) * STEP_S
        motion, inside = ours.between(edges)
        stretches.append(Stretch(start_s + begin, STEP_S, np.where(inside, motion, np.nan)))
    theirs = Angles(rates[1], other_start_s, rate_hz)
    return _line([_offset_of(stretch, theirs) for stretch in stretches])


@dataclass(frozen=True, slots=True)
class _Found:
    """The offset of one stretch."""

    middle_s: float
    offset_s: float
    explained: float
    margin: float
    reason: str = ""


def _offset_of(stretch: Stretch, angles: Angles) -> _Found:
    known = np.asarray(np.isfinite(stretch.motion).all(axis=0))
    edges = stretch.begin_s + stretch.step_s * np.arange(stretch.motion.shape[1] + 1)
    middle = float(edges.mean())
    if stretch.motion.shape[1] < FEWEST:
        return _Found(middle, math.nan, math.nan, math.nan, "short")
    if known.sum() < max(FEWEST, known.size / 2):
        return _Found(middle, math.nan, math.nan, math.nan, "dark")
    motion = np.where(known, stretch.motion, 0.0)
    offsets = np.arange(-WIDEST_S, WIDEST_S + COARSE_S / 2, COARSE_S)
    explained = _explained(motion, known, angles, edges, offsets)
    if np.isnan(explained).all():
        return _Found(middle, math.nan, math.nan, math.nan, "short")
    best = offsets[np.nanargmax(explained)]
    rivals = explained[np.abs(offsets - best) > NEIGHBOURS_S]
    rival = float(np.nanmax(rivals)) if np.isfinite(rivals).any() else 0.0
    near = best + np.arange(-2 * COARSE_S, 2 * COARSE_S + FINE_S / 2, FINE_S)
    fine = _explained(motion, known, angles, edges, near)
    top = int(np.nanargmax(fine))
    clear = fine[top] >= LEAST_EXPLAINED and fine[top] - rival >= LEAST_MARGIN
    offset, margin = float(near[top]), float(fine[top]) - rival
    return _Found(middle, offset, float(fine[top]), margin, "" if clear else "unclear")


def _explained(
    motion: Floats, known: NDArray[np.bool_], angles: Angles, edges: Floats, offsets: Floats
) -> Floats:
    """Share of the motion (K, N) that a linear function of the sensor explains, by offset (L,).

    NaN where the sensor covers too little.
    """
    turned, inside = angles.between(edges + offsets[:, None])  # (C, L, N), (L, N)
    use = (known & inside).astype(np.float64)
    count = use.sum(axis=1)
    enough = count >= max(FEWEST, known.sum() / 2)
    count = np.maximum(count, 1.0)
    felt = turned * use
    felt = (felt - felt.sum(axis=2, keepdims=True) / count[:, None] * use).transpose(1, 0, 2)  # (L, C, N)
    seen = motion[None] * use[:, None]  # (L, K, N)
    seen -= seen.sum(axis=2, keepdims=True) / count[:, None, None] * use[:, None]
    total = (seen**2).sum(axis=(1, 2))
    covariance = felt @ felt.transpose(0, 2, 1)
    # A little damping, in case an axis is at rest.
    damping = 1e-9 * np.trace(covariance, axis1=1, axis2=2) + 1e-18
    covariance += np.eye(covariance.shape[1]) * damping[:, None, None]
    shared = felt @ seen.transpose(0, 2, 1)  # (L, C, K)
    weights = np.linalg.solve(covariance, shared)
    share = (weights * shared).sum(axis=(1, 2)) / np.where(total > 0, total, 1.0)
    return np.where(enough, share, np.nan)


def _line(found: Sequence[_Found]) -> Sync:
    """The line through the offsets of the stretches; unknown unless it is clear, or many of them agree."""
    usable = [each for each in found if each.reason in ("", "unclear")]
    if not usable:
        reasons = [each.reason for each in found]
        most = max(set(reasons), key=reasons.count) if reasons else "short"
        return Sync(math.nan, math.nan, math.nan, most)
    time = np.array([each.middle_s for each in usable])
    offset = np.array([each.offset_s for each in usable])
    margin = np.array([each.margin for each in usable])
    drift, i, j = 0.0, *np.triu_indices(len(time), 1)
    long_enough = len(usable) >= AGREEING and time[-1] - time[0] >= DRIFT_FROM_S
    if long_enough:  # the median of the slopes between all pairs (Theil and Sen)
        drift = float(np.median((offset[j] - offset[i]) / (time[j] - time[i])))
    near = np.abs(offset - drift * time - np.median(offset - drift * time)) <= STRAYS_S
    unknown = Sync(math.nan, math.nan, float(np.median(margin)), "unclear")
    agree = near.sum() >= max(AGREEING, MOST * len(usable)) and np.median(margin[near]) >= LEAST_AGREED
    alone = len(usable) < AGREEING and near.all() and not any(each.reason for each in usable)
    if not (agree or alone) or abs(drift) > FASTEST_PPM * 1e-6:
        return unknown
    confidence = float(np.median(margin[near]))
    if not long_enough:
        return Sync(float(np.median(offset[near])), math.nan, confidence)
    slope, start = np.polyfit(time[near], offset[near], 1, w=margin[near])
    return Sync(float(start), float(slope) * 1e6, confidence)


def stretches_of(duration_s: float) -> list[tuple[float, float]]:
    """Return begin and length, s, of the stretches of a recording that are looked at, spread evenly over it."""
    for length in (LONG_S, SHORT_S):
        if duration_s >= AGREEING * length:
            count = min(MOST_STRETCHES, int(duration_s // length))
            return [(float(begin), length) for begin in np.linspace(0.0, duration_s - length, count)]
    return [(0.0, duration_s)]
