"""Samples that share a timestamp, or arrive in bursts, spread over the time until the next ones."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from comodo.errors import ImuError
from comodo.notes import note
from comodo.recordings.overlaps import Stretch
from comodo.recordings.signal import Floats

BURST: Final = 0.25
"""Share of the mean step below which a step lies within a burst, if many are."""
BURSTS: Final = 0.4
"""Share of such steps above which samples come in bursts: half of them for bursts of two."""
FEWEST_PAUSES: Final = 5
"""Between bursts; fewer are holes."""
LONGEST_PAUSE_S: Final = 1.0
"""Between bursts; longer steps are holes and do not count for the mean step."""
COARSEST_S: Final = 2.0
"""Interval of the timestamps above which the times of the samples are unknown."""
LATE: Final = 1.5
"""Times the usual interval above which a packet is followed by a hole."""
SAME_ROWS: Final = 0.9
"""Share of the repeated timestamps with equal rows above which these are duplicates, not packets."""


def spread_packets(stretch: Stretch, output_s: float, notes: list[str]) -> tuple[Stretch, float]:
    """Give every sample a time of its own.

    Samples of one timestamp are spread evenly until the next one, and those of the last over the usual interval. A
    short first packet ends where the second begins. Equal rows of one timestamp are used once.

    Args:
        stretch: sorted by time, with repeated times.
        output_s: the sampling interval of the result; shorter packets need no note.
        notes: a note on each repair is appended.

    Returns:
        The stretch with strictly increasing times, and the share of its samples that had the time of the one before.

    Raises:
        ImuError: all samples have one timestamp, or timestamps are more than 2 s apart.
    """
    time, values = stretch.time, stretch.values
    step = np.diff(time)
    repeated = float((step == 0).mean()) if len(step) else 0.0
    if repeated:
        time, values = _drop_duplicates(time, values, notes)
        step = np.diff(time)
    near = step == 0
    usual = step[step <= LONGEST_PAUSE_S]
    pauses = int((usual >= BURST * usual.mean()).sum()) if len(usual) else 0
    if FEWEST_PAUSES <= pauses < (1 - BURSTS) * len(usual):
        near |= step < BURST * usual.mean()  # packets whose samples have almost the same time
    if not near.any():
        return Stretch(time, values, stretch.row), repeated
    begins = np.concatenate([[0], np.flatnonzero(~near) + 1])
    spread, interval = _spread(time, begins)
    if interval > COARSEST_S:
        raise ImuError(
            "imu_clock",
            f"timestamps are {interval:.3g} s apart, with several samples each: export them with more digits",
        )
    if interval > LATE * output_s:
        sizes = np.diff(np.append(begins, len(time)))
        several = sizes[sizes > 1]
        notes.append(
            note(
                "imu_packets",
                f"{np.median(several):.0f} samples share a timestamp, {interval:.3g} s before the next one: spread "
                f"evenly ({several.sum() / len(time):.0%} of the samples; off by up to {interval:.3g} s)",
            )
        )
    return Stretch(spread, values, stretch.row), repeated


def _drop_duplicates(time: Floats, values: Floats, notes: list[str]) -> tuple[Floats, Floats]:
    """Leave out rows that equal the one before, if that is what repeated times mean."""
    same_time = np.diff(time) == 0
    same_row = same_time & (values[:, 1:] == values[:, :-1]).all(axis=0)
    # One row of several samples at rest may equal the next; a file written twice has only equal ones.
    if same_row.sum() < SAME_ROWS * same_time.sum():
        return time, values
    notes.append(note("imu_duplicates", f"{same_row.sum()} rows are in the file more than once"))
    keep = np.concatenate([[True], ~same_row])
    return time[keep], values[:, keep]


def _spread(time: Floats, begins: NDArray[np.int64]) -> tuple[Floats, float]:
    """Return times (N,) of samples in packets that begin at rows `begins`, and the usual interval of packets, s."""
    if len(begins) == 1:
        raise ImuError(
            "imu_clock",
            f"all {len(time)} samples have one timestamp ({time[0]:.6g} s): was it rounded, by a spreadsheet?",
        )
    sizes = np.diff(np.append(begins, len(time)))
    stamps = time[begins]
    intervals = np.diff(stamps)
    usual = float(np.median(np.repeat(intervals / sizes[:-1], sizes[:-1])))  # between two samples
    step = np.append(intervals / sizes[:-1], usual)
    step = np.where(step > LATE * usual, usual, step)
    within = np.arange(len(time)) - np.repeat(begins, sizes)
    spread = np.repeat(stamps, sizes) + within * np.repeat(step, sizes)
    if sizes[0] < sizes[1] and intervals[0] > LATE * usual * sizes[0]:
        spread[: sizes[0]] = stamps[1] - usual * np.arange(sizes[0], 0, -1)
    several = sizes[:-1] > 1
    return spread, float(np.median(intervals[several])) if several.any() else 0.0
