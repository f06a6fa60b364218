"""Two devices whose rows alternate in one file: their samples cannot be separated, so the recording is refused."""

from __future__ import annotations

from typing import Final

import numpy as np

from comodo.errors import ImuError
from comodo.recordings.signal import Floats

BLOCK: Final = 100
"""Samples over which the means of odd and even samples are compared."""
FEWEST_BLOCKS: Final = 4
STEADY: Final = 0.9
"""Share of the blocks in which the two means differ along the same axis."""
APART: Final = 0.3
"""Difference of the means of two devices: m/s² where the accelerometer is among the channels, else rad/s."""
STRONG: Final = 0.1
"""The same as a share of the standard deviation of the samples."""
BACKWARD: Final = 0.2
"""Share of rows with an earlier time than the row before above which two clocks may alternate."""
MOST_ROWS: Final = 5000
"""Rows that are tried for two clocks."""


def refuse_two_clocks(time: Floats, step_s: float) -> None:
    """Refuse rows (N,) in file order whose times, s, belong to two clocks that both only go forward.

    Args:
        time: (N,) s, finite.
        step_s: the sampling interval, s: clocks less than three intervals apart are rows out of order.

    Raises:
        ImuError: two clocks alternate.
    """
    time = time[:MOST_ROWS]
    if len(time) < BLOCK or (np.diff(time) < 0).mean() < BACKWARD:
        return
    lanes: list[list[float]] = [[], []]
    for moment in time.tolist():
        fitting = [lane for lane in lanes if not lane or lane[-1] <= moment]
        if not fitting:
            return  # more than two, or no order at all
        max(fitting, key=lambda lane: lane[-1] if lane else -np.inf).append(moment)
    fewer = min(map(len, lanes))
    apart = abs(float(np.median(lanes[0])) - float(np.median(lanes[1]))) if fewer else 0.0
    if fewer >= BACKWARD * len(time) and apart > 3 * step_s:
        raise ImuError(
            "imu_two_devices",
            f"two clocks, {apart:.3g} s apart, alternate from row to row: split the file by device",
        )


def refuse_two_sensors(values: Floats) -> None:
    """Refuse samples (C, N), sorted by time, that alternate between two devices in different places.

    Odd and even samples of one device have the same mean over a second or so.

    Raises:
        ImuError: the means differ, always along the same axis.
    """
    blocks = values.shape[1] // BLOCK
    if blocks < FEWEST_BLOCKS:
        return
    pairs = values[:3, : blocks * BLOCK].reshape(3, blocks, BLOCK // 2, 2)
    # odd samples less the mean of their neighbours: steady motion cancels out
    between = (pairs[:, :, :-1, 0] + pairs[:, :, 1:, 0]) / 2
    apart = (pairs[:, :, :-1, 1] - between).mean(axis=2)  # (3, blocks)
    strength = float(np.sqrt((values[:3].std(axis=1) ** 2).sum()))
    axis = np.linalg.svd(apart, full_matrices=False)[0][:, 0]
    along = np.abs(axis @ apart)  # a hole may swap odd and even
    size = float(np.median(along))
    if size > max(APART, STRONG * strength) and (along > size / 2).mean() >= STEADY:
        raise ImuError(
            "imu_two_devices",
            f"odd and even samples differ by {size:.3g} in their means: do two devices alternate? Split the file",
        )
