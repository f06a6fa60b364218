"""Stretches in which a sensor repeats one sample or gives only zeros, as opposed to a sensor at rest."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from comodo.notes import note
from comodo.recordings.overlaps import Stretch
from comodo.recordings.signal import Floats, runs_of
from comodo.text import first_few

QUIET_RAD_S: Final = 0.1
"""|gyro| of a sensor at rest, its bias included."""
QUIET_GRAVITY: Final = 0.05
"""Share by which |accel| of a sensor at rest may differ from its median."""
NOISY: Final = 0.2
"""Share of equal neighbours at rest below which a sensor has noise, so that no long stretch repeats one sample."""


def cut_stuck(
    stretch: Stretch, max_gap_s: float, accel: slice | None, gyro: slice | None, notes: list[str]
) -> list[Stretch]:
    """Cut a stretch where all its channels repeat one sample for longer than `max_gap_s`.

    A coarse sensor at rest repeats samples as well. Such a stretch is kept where it is at rest and the sensor shows no
    noise at other times of rest.

    Args:
        stretch: strictly increasing times.
        max_gap_s: shorter repetitions are kept.
        accel: the channels of the accelerometer, m/s²; None where it is not among them.
        gyro: the channels of the gyroscope, rad/s; None likewise.
        notes: a note on the cuts is appended.
    """
    time, values = stretch.time, stretch.values
    if len(time) < 3:
        return [stretch]
    same = values[0, 1:] == values[0, :-1]
    if same.any():
        for row in values[1:]:
            same &= row[1:] == row[:-1]
    runs = runs_of(same)  # samples begin … end are equal
    runs = runs[time[runs[:, 1]] - time[runs[:, 0]] > max_gap_s]
    if not len(runs):
        return [stretch]
    quiet, at_rest = _quiet(values, accel, gyro)
    outside = quiet[1:] & quiet[:-1]
    for begin, end in runs:
        outside[begin:end] = False
    # enough other moments of rest to estimate the noise
    noisy = outside.sum() > 20 and same[outside].mean() < NOISY
    zero = (values[:, runs[:, 0]] == 0).all(axis=0).tolist()
    stuck = [
        (int(begin) - int(is_zero), int(end))
        for (begin, end), is_zero in zip(runs, zero, strict=True)
        if noisy or not quiet[begin] or (is_zero and at_rest > 1.0)
    ]
    if not stuck or sum(end - begin + 1 for begin, end in stuck) >= len(time) - 1:
        return [stretch]  # nothing else: `check_signal` refuses a sensor that never changes
    name = "accelerometer and gyroscope" if accel and gyro else "accelerometer" if accel else "gyroscope"
    text = first_few([f"{time[max(begin, 0)]:.2f} to {time[end]:.2f} s" for begin, end in stuck])
    notes.append(note("imu_stuck", f"{name}: all channels repeat one sample from {text} (a hole)"))
    return _without(stretch, stuck)


def _quiet(values: Floats, accel: slice | None, gyro: slice | None) -> tuple[NDArray[np.bool_], float]:
    """Which samples (N,) may be at rest, and the median |accel|; 9.81 where the accelerometer is not among them."""
    quiet = np.ones(values.shape[1], dtype=bool)
    at_rest = 9.81
    if accel is not None:
        size = np.sqrt(np.einsum("ct,ct->t", values[accel], values[accel]))
        at_rest = float(np.median(size))
        quiet &= np.abs(size - at_rest) <= QUIET_GRAVITY * max(at_rest, 1.0)
    if gyro is not None:
        quiet &= np.einsum("ct,ct->t", values[gyro], values[gyro]) < QUIET_RAD_S**2
    return quiet, at_rest


def _without(stretch: Stretch, runs: list[tuple[int, int]]) -> list[Stretch]:
    """Leave out samples begin + 1 … end of each run: the first of repeated samples was measured."""
    parts = []
    start = 0
    for begin, end in [*runs, (len(stretch.time), len(stretch.time))]:
        stop = min(begin + 1, len(stretch.time))
        if stop > start:
            parts.append(Stretch(stretch.time[start:stop], stretch.values[:, start:stop], stretch.row))
        start = end + 1
    return parts
