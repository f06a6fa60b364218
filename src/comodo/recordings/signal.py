"""A resampled IMU signal, and checks of its plausibility.

A signal is float32 (6, T): accel x y z in m/s², gyro x y z in rad/s, on the grid k / rate_hz (k an integer) of the
recording's video time. Where there is no IMU it is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comodo.errors import ImuError
from comodo.notes import note

CHANNELS = ("accel_x", "accel_y", "accel_z", "gyro_x", "gyro_y", "gyro_z")
LONGEST_HOLE_S = 6 * 3600.0  # samples further than this from the rest have a wrong timestamp
SPARSEST = 1 / 20  # samples per sample of the grid; beyond some hours, fewer are wrong timestamps far apart
USUAL_RAD_S = 20.0  # median |gyro| that no body reaches
FASTEST_RAD_S = (
    70.0  # 4000 deg/s, the range of the fastest common gyroscopes; reached in a thousandth of the samples
)
MEAN_SAMPLES = 400  # over which the mean accelerometer vector is gravity, nearly
FASTEST_HZ = 20_000.0  # no IMU is sampled faster; a wrong unit of time would cost memory without bound
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Clock:
    """Measured properties of a sensor's clock.

    Attributes:
        rate_hz: 1 / the median sampling interval, Hz.
        jitter: half the central 68 % of the sampling intervals, as a share of the median.
        repeated: share of samples with the time of the one before.
        backward: share of rows with an earlier time than the row before, a counter's wraps apart.
        missing: share of rows without a time or without one of the sensor's values.
    """

    rate_hz: float = 0.0
    jitter: float = 0.0
    repeated: float = 0.0
    backward: float = 0.0
    missing: float = 0.0


@dataclass(slots=True)
class ImuSignal:
    """Resampled IMU of one recording.

    Attributes:
        data: (6, T) float32, accel x y z in m/s², gyro x y z in rad/s; NaN in gaps.
        start_s: time of the first sample, a multiple of 1 / rate_hz, s.
        rate_hz: sampling rate, Hz.
        notes: repairs and oddities, such as a wrong unit; each is `kind: detail` (`comodo.notes`).
        origin_s: time 0 on the file's own clock, s; 0 where the two are the same.
        clocks: of accelerometer and gyroscope; none under `alignment: reference`.
    """

    data: NDArray[np.float32]
    start_s: float
    rate_hz: float
    notes: list[str] = field(default_factory=list)
    origin_s: float = 0.0
    clocks: tuple[Clock, Clock] | None = None

    @property
    def first(self) -> int:
        """Number of the first sample on the grid: sample k lies at k / rate_hz seconds."""
        return round(self.start_s * self.rate_hz)

    @property
    def runs(self) -> NDArray[np.int64]:
        """Ranges [begin, end) of samples without holes, (n, 2)."""
        return runs_of(np.isfinite(self.data[0]))


def runs_of(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the ranges [begin, end) in which flags (N,) are true, (n, 2)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return edges.reshape(-1, 2).astype(np.int64)


def some(values: NDArray[Any]) -> NDArray[Any]:
    """Return enough of many samples (…, N) for a quantile, evenly spread: at most some 20,000."""
    return values[..., :: max(1, values.shape[-1] // 20_000)]


def check_span(length: int, samples: int, rate_hz: float) -> None:
    """Refuse a grid that would be almost empty: a few wrong timestamps must not determine its memory."""
    if length > LONGEST_HOLE_S * rate_hz + samples / SPARSEST:
        hours = length / rate_hz / 3600
        raise ImuError("imu_clock", f"timestamps spread {samples} samples over {hours:.0f} hours")


def check_signal(data: NDArray[np.float32], valid: NDArray[np.bool_], at_rest: float) -> list[str]:
    """Return notes on implausible values of a signal (6, T).

    Args:
        data: the signal.
        valid: samples (T,) that are not NaN.
        at_rest: |accel| at rest, in the unit of `data`.

    Raises:
        ImuError: a sensor never changes.
    """
    values = data if valid.all() else data[:, valid]
    flat = values.min(axis=1) == values.max(axis=1)
    for name, axes in (("accelerometer", flat[:3]), ("gyroscope", flat[3:])):
        if axes.all():
            raise ImuError("imu_constant", f"the {name} never changes")
    notes = [
        note("imu_flat_channel", f"{name} never changes")
        for name, is_flat in zip(CHANNELS, flat, strict=True)
        if is_flat
    ]
    if all(_proportional(values[axis], values[axis + 3]) for axis in range(3)):
        notes.append(note("imu_same_sensor", "accelerometer and gyroscope are identical, but for their unit"))
    for a, b in ((0, 1), (0, 2), (1, 2), (3, 4), (3, 5), (4, 5)):
        if not flat[a] and np.array_equal(values[a], values[b]):
            notes.append(note("imu_same_channels", f"{CHANNELS[a]} and {CHANNELS[b]} are identical"))
    return notes + _check_units(values, at_rest)


def _proportional(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    """Whether two channels are equal but for a factor: the units of the sensors may differ."""
    factor = float(np.abs(other).max()) / (float(np.abs(one).max()) or 1.0)
    few = slice(0, 100)  # most channels differ at once
    return all(
        bool(np.allclose(one[part] * factor, other[part], rtol=1e-4, atol=1e-6))
        for part in (few, slice(None))
    )


def _check_units(values: NDArray[np.float32], at_rest: float) -> list[str]:
    notes = []
    size = np.sqrt(np.einsum("ct,ct->t", values[:3], values[:3], dtype=np.float32))
    gravity = float(np.median(size))
    if not 0.75 * at_rest < gravity < 1.25 * at_rest:
        # Strong motion (sport) moves the median of |accel|, but hardly the mean vector of a few seconds.
        blocks = max(1, values.shape[1] // MEAN_SAMPLES)
        parts = np.array_split(values[:3], blocks, axis=1)
        mean = float(np.median([np.linalg.norm(part.mean(axis=1)) for part in parts]))
        if not 0.75 * at_rest < mean < 1.25 * at_rest:
            text = f"median |accel| is {gravity:.3g}, far from {at_rest:g}: wrong unit or scale?"
            notes.append(note("imu_accel_unit", text))
    gyro = some(values[3:])
    turning = np.sqrt(np.einsum("ct,ct->t", gyro, gyro, dtype=np.float32))
    usual, fastest = (float(np.quantile(turning, share)) for share in (0.5, 0.999))
    if at_rest > 1 and (usual > USUAL_RAD_S or fastest > FASTEST_RAD_S):  # the published scaling leaves deg/s
        text = f"|gyro| is {usual:.3g} rad/s in the median and up to {fastest:.3g}: is it in deg/s?"
        notes.append(note("imu_gyro_unit", text))
    return notes
