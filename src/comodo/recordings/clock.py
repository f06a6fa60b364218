"""The clock of a sensor as a whole: repaired with a note, or refused.

In file order: missing times are interpolated, a counter that wraps is unwrapped, a restart begins a new stretch, rows
out of order are sorted, and samples of one timestamp are spread. No time is left that two samples claim.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from comodo.layouts.types import ImuSamples
from comodo.notes import note
from comodo.recordings.interleaved import refuse_two_clocks, refuse_two_sensors
from comodo.recordings.overlaps import Stretch, resolve, split_at_restarts
from comodo.recordings.packets import spread_packets
from comodo.recordings.signal import Clock, Floats, some
from comodo.recordings.stuck import cut_stuck

WRAPS: Final = tuple(2.0**bits * unit for bits in (8, 16, 24, 32) for unit in (1e-9, 1e-6, 1e-3, 1.0))
"""Periods of counters in ns, µs, ms and s; in s."""
MISSING_RATE: Final = (0.5, 1.5)
"""Rows without a time are interpolated where the interval between them is so many times the usual one."""
MANY_LOST: Final = 0.1
"""Share of rows without a time, and without neighbours that give one, above which there is a note."""

NAMES: Final = {"imu": "", "accel": "accelerometer: ", "gyro": "gyroscope: "}


@dataclass(slots=True)
class Sensor:
    """Samples of one sensor, or of both where they share a clock, on a clock that was judged as a whole.

    Attributes:
        name: "imu" (six channels), "accel" or "gyro" (three).
        stretches: without overlaps; times within each strictly increasing.
        clock: its measured properties.
    """

    name: str
    stretches: list[Stretch]
    clock: Clock


def judge_clocks(
    components: Sequence[ImuSamples], rate_hz: float, max_gap_s: float, notes: list[str]
) -> list[Sensor]:
    """Return the samples of a recording on repaired clocks: of both sensors at once, or of each for itself.

    They go together where every row of every component has both; else each sensor keeps its own rows and rate.

    Args:
        components: the raw IMU.
        rate_hz: sampling rate of the result; repairs below its interval need no note.
        max_gap_s: see `resample`.
        notes: a note on each repair is appended.

    Raises:
        ImuError: the samples cannot be ordered in time.
    """
    tables = [table for samples in components for table in _rows(samples)]
    if all(name == "imu" for name, _, _ in tables):
        names = ["imu"]
    else:
        names = ["accel", "gyro"]
        tables = [part for table in tables for part in _apart(*table)]
    return [
        _judge(
            name, [(time, values) for own, time, values in tables if own == name], rate_hz, max_gap_s, notes
        )
        for name in names
    ]


Rows = tuple[str, Floats, Floats]  # "imu", "accel" or "gyro"; time (N,); values (C, N)


def _rows(samples: ImuSamples) -> list[Rows]:
    """The rows of a component: together where the sensors share their times and lack values in the same rows."""
    accel, gyro = np.isfinite(samples.accel).all(axis=0), np.isfinite(samples.gyro).all(axis=0)
    same = samples.accel_t is samples.gyro_t or np.array_equal(
        samples.accel_t, samples.gyro_t, equal_nan=True
    )
    if same and np.array_equal(accel, gyro):
        return [("imu", samples.accel_t, np.concatenate([samples.accel, samples.gyro]))]
    return [("accel", samples.accel_t, samples.accel), ("gyro", samples.gyro_t, samples.gyro)]


def _apart(name: str, time: Floats, values: Floats) -> list[Rows]:
    return (
        [(name, time, values)] if name != "imu" else [("accel", time, values[:3]), ("gyro", time, values[3:])]
    )


def _judge(
    name: str, parts: Sequence[tuple[Floats, Floats]], rate_hz: float, max_gap_s: float, notes: list[str]
) -> Sensor:
    stretches: list[Stretch] = []
    own: list[str] = []
    rows = missing = backward = 0
    steps = []
    for time, values in parts:
        present = np.isfinite(values)
        ours = present.any(axis=0) if len(values) else np.zeros(0, dtype=bool)
        rows += int(ours.sum())
        known = np.isfinite(time)
        missing += int((ours & ~(known & present.all(axis=0))).sum())
        if not known.all():
            time = _fill(time, known, max_gap_s, own)
            if (lost := int((ours & np.isnan(time)).sum())) > MANY_LOST * len(time):
                own.append(note("imu_no_times", f"{lost} of {len(time)} rows have no time and are left out"))
        usable = np.isfinite(time) & present.all(axis=0)
        if not usable.all():
            time, values = time[usable], values[:, usable]
        if len(time) < 2:
            continue
        time, back = _unwrap(time, own)
        backward += back
        step = _usual_step(time)
        steps.append(step)
        if back:
            refuse_two_clocks(time, step)
        stretches += split_at_restarts(time, values, step)
        if back and len(stretches) == 1 and not stretches[0].shared:
            own.append(
                note(
                    "imu_unordered",
                    f"{back} of {len(time)} rows are earlier than the row before: sorted by time",
                )
            )
    if len(stretches) > 1 or any(stretch.shared for stretch in stretches):
        stretches = resolve(stretches, float(np.median(steps)), own)
    repeated = 0.0
    out: list[Stretch] = []
    for stretch in stretches:
        spread, share = spread_packets(stretch, 1 / rate_hz, own)
        repeated += share * len(stretch.time)
        out += cut_stuck(
            spread,
            max_gap_s,
            None if name == "gyro" else slice(0, 3),
            None if name == "accel" else slice(-3, None),
            own,
        )
    if name != "gyro":
        for stretch in out:
            refuse_two_sensors(stretch.values)
    notes += [_named(NAMES[name], text) for text in dict.fromkeys(own)]
    used = max(1, sum(len(stretch.time) for stretch in stretches))
    rate, jitter = _rate(out)
    share = max(1, rows)
    return Sensor(name, out, Clock(rate, jitter, repeated / used, backward / share, missing / share))


def _named(sensor: str, text: str) -> str:
    kind, _, detail = text.partition(": ")
    return f"{kind}: {sensor}{detail}"


def _fill(time: Floats, known: NDArray[np.bool_], max_gap_s: float, notes: list[str]) -> Floats:
    """Interpolate missing times (N,) in short gaps, where about one usual interval is left for each row."""
    rows = np.flatnonzero(known)
    if len(rows) < 2:
        return time
    between, interval = np.diff(rows), np.diff(time[rows])
    forward = interval > 0
    if not forward.any():
        return time
    per_row = interval / between
    direct = forward & (between == 1)
    usual = float(np.median(per_row[direct if direct.any() else forward]))
    fits = (between > 1) & (interval <= max_gap_s)
    fits &= (MISSING_RATE[0] * usual <= per_row) & (per_row <= MISSING_RATE[1] * usual)
    if not fits.any():
        return time
    time = time.copy()
    begins = np.repeat(rows[:-1][fits], between[fits] - 1)
    ends = np.cumsum(between[fits] - 1)
    place = np.arange(len(begins)) - np.repeat(ends - (between[fits] - 1), between[fits] - 1) + 1
    time[begins + place] = time[begins] + place * np.repeat(per_row[fits], between[fits] - 1)
    most = int(between[fits].max()) - 1  # rows in a row without a time
    first, last = int(rows[0]), int(rows[-1])
    if first <= most:
        time[:first] = time[first] - usual * np.arange(first, 0, -1)
    if len(time) - 1 - last <= most:
        time[last + 1 :] = time[last] + usual * np.arange(1, len(time) - last)
    filled = int(np.isfinite(time).sum() - known.sum())
    notes.append(note("imu_no_times", f"{filled} of {len(time)} rows have no time: interpolated"))
    return time


def _unwrap(time: Floats, notes: list[str]) -> tuple[Floats, int]:
    """Return times (N,) with the wraps of a counter undone, and how often they still step back."""
    step = np.diff(time)
    back = np.flatnonzero(step < 0)
    if not len(back):
        return time, 0
    usual = _usual_step(time)
    period = float((-step[back]).max()) + usual
    span = float(time.max() - time.min())
    for wrap in WRAPS:
        if abs(period - wrap) <= 2 * usual and span <= wrap * (1 + 1e-9) and 4 * usual < wrap:
            wraps = back[-step[back] > wrap / 2]
            turns = np.zeros(len(time))
            turns[wraps + 1] = wrap
            notes.append(
                note("imu_wrap", f"the clock wraps every {wrap:.9g} s, {len(wraps)} times: unwrapped")
            )
            unwrapped: Floats = time + np.cumsum(turns)
            return unwrapped, len(back) - len(wraps)
    return time, len(back)


def _usual_step(time: Floats) -> float:
    """The median step forward in file order, of rows in order; else that of the sorted times. 1 s for one time."""
    step = np.diff(time)
    if (step < 0).mean() > 0.1:
        step = np.diff(np.sort(time))
    step = some(step[step > 0])
    return float(np.median(step)) if len(step) else 1.0


def _rate(stretches: Sequence[Stretch]) -> tuple[float, float]:
    """Sampling rate by the median step, Hz, and jitter: half the central 68 % of the steps, by their median."""
    steps = [np.diff(stretch.time) for stretch in stretches if len(stretch.time) > 1]
    if not steps:
        return 0.0, 0.0
    low, middle, high = np.percentile(some(np.concatenate(steps)), (16, 50, 84))
    return 1 / float(middle), float(high - low) / 2 / float(middle)
