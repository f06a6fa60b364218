"""A resampled IMU signal, and what is implausible about one.

A signal is float32 (6, T): accel x y z in m/s², gyro x y z in rad/s, on the grid k / rate_hz (k an integer) of the
recording's video time. Where there is no IMU it is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from comodo.errors import ImuError

CHANNELS = ("accel_x", "accel_y", "accel_z", "gyro_x", "gyro_y", "gyro_z")
LONGEST_HOLE_S = 6 * 3600.0  # samples further than this from the rest bear a wrong timestamp
SPARSEST = 1 / 20  # samples per sample of the grid; beyond some hours, fewer are wrong timestamps far apart
FASTEST_HZ = 20_000.0  # no IMU is sampled faster; a wrong unit of time would cost memory without bound
Floats = NDArray[np.float64]


@dataclass(slots=True)
class ImuSignal:
    """Resampled IMU of one recording.

    Attributes:
        data: (6, T) float32, accel x y z in m/s², gyro x y z in rad/s; NaN in gaps.
        start_s: time of the first sample, a multiple of 1 / rate_hz, s.
        rate_hz: sampling rate, Hz.
        notes: what looks odd, such as a wrong unit.
    """

    data: NDArray[np.float32]
    start_s: float
    rate_hz: float
    notes: list[str] = field(default_factory=list)

    @property
    def first(self) -> int:
        """Number of the first sample on the grid: sample k lies at k / rate_hz seconds."""
        return round(self.start_s * self.rate_hz)

    @property
    def runs(self) -> NDArray[np.int64]:
        """Ranges [begin, end) of samples without holes, (n, 2)."""
        flags = np.isfinite(self.data[0])
        edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
        return edges.reshape(-1, 2).astype(np.int64)


def check_span(length: int, samples: int, rate_hz: float) -> None:
    """Refuse a grid that would be almost empty: its memory must not depend on what a few timestamps say."""
    if length > LONGEST_HOLE_S * rate_hz + samples / SPARSEST:
        hours = length / rate_hz / 3600
        raise ImuError("imu_clock", f"timestamps spread {samples} samples over {hours:.0f} hours")


def check_signal(data: NDArray[np.float32], valid: NDArray[np.bool_], at_rest: float) -> list[str]:
    """Say what is implausible about a signal; a sensor that never changes is an error.

    `at_rest` is what |accel| should be at rest: its median over a recording lies near that, but for runners.
    """
    values = data if valid.all() else data[:, valid]
    flat = values.min(axis=1) == values.max(axis=1)
    for name, axes in (("accelerometer", flat[:3]), ("gyroscope", flat[3:])):
        if axes.all():
            raise ImuError("imu_constant", f"the {name} never changes")
    notes = [f"{name} never changes" for name, is_flat in zip(CHANNELS, flat, strict=True) if is_flat]
    for a, b in ((0, 1), (0, 2), (1, 2), (3, 4), (3, 5), (4, 5)):
        if not flat[a] and np.array_equal(values[a], values[b]):
            notes.append(f"{CHANNELS[a]} and {CHANNELS[b]} are identical")
    gravity = float(np.sqrt(np.median(np.einsum("ct,ct->t", values[:3], values[:3], dtype=np.float32))))
    if not 0.75 * at_rest < gravity < 1.25 * at_rest:
        notes.append(f"median |accel| is {gravity:.3g}, far from {at_rest:g}: wrong unit or scale?")
    return notes
