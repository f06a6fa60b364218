"""Raw IMU samples onto one clock, by their timestamps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comodo.errors import ImuError
from comodo.layouts.types import ImuSamples
from comodo.notes import note
from comodo.recordings.clock import judge_clocks
from comodo.recordings.overlaps import Stretch
from comodo.recordings.signal import FASTEST_HZ, LONGEST_HOLE_S, Floats, ImuSignal, check_signal, check_span

FILTER_HALF = 16  # half length of the anti-aliasing filter, output samples


def resample(components: Sequence[ImuSamples], rate_hz: float = 200.0, max_gap_s: float = 0.1) -> ImuSignal:
    """Resample raw IMU by its timestamps onto the grid k / rate_hz.

    The clock of each sensor is judged and repaired as a whole (`comodo.recordings.clock`). Every stretch without a hole
    longer than `max_gap_s` is interpolated on its own (cubic, after a low-pass where the rate goes down); accel and
    gyro each on their own time axis. The last sample of a stretch counts for its whole sampling interval, the first
    also for half of the one before (at most `max_gap_s` / 3). The rest of the grid is NaN.

    Args:
        components: the raw IMU in file order.
        rate_hz: sampling rate of the result, Hz.
        max_gap_s: longer holes stay NaN, s.

    Raises:
        ImuError: nothing usable is left, the samples have no order in time, or a sensor never changes. Its `notes` are
            those that were made until then.
    """
    notes = [note for samples in components for note in samples.notes]
    try:
        return _resample(components, rate_hz, max_gap_s, notes)
    except ImuError as error:
        error.notes = notes
        raise


def _resample(
    components: Sequence[ImuSamples], rate_hz: float, max_gap_s: float, notes: list[str]
) -> ImuSignal:
    accel: list[_Piece] = []
    gyro: list[_Piece] = []
    sensors = judge_clocks(components, rate_hz, max_gap_s, notes)
    for sensor in sensors:
        for stretch in sensor.stretches:
            for piece in _pieces(stretch.time, stretch.values, rate_hz, max_gap_s):
                if sensor.name == "imu":  # one clock: one set of weights for six channels
                    accel.append(_Piece(piece.first, piece.values[:3]))
                    gyro.append(_Piece(piece.first, piece.values[3:]))
                else:
                    (accel if sensor.name == "accel" else gyro).append(piece)
    for name, pieces in (("accelerometer", accel), ("gyroscope", gyro)):
        if not pieces:
            raise ImuError("imu_empty", _why_empty(name, components, max_gap_s))
    _drop_strays(accel, gyro, round(LONGEST_HOLE_S * rate_hz), notes)
    first = min(piece.first for piece in (*accel, *gyro))
    stop = max(piece.stop for piece in (*accel, *gyro))
    check_span(stop - first, sum(piece.stop - piece.first for piece in accel), rate_hz)
    data = np.full((6, stop - first), np.nan, dtype=np.float32)
    for rows, pieces in ((data[:3], accel), (data[3:], gyro)):
        for piece in pieces:
            rows[:, piece.first - first : piece.stop - first] = piece.values
    valid = np.isfinite(data[0]) & np.isfinite(data[3])
    if not valid.any():
        raise ImuError("imu_empty", "accelerometer and gyroscope never run at the same time")
    begin, end = int(valid.argmax()), len(valid) - int(valid[::-1].argmax())
    data, valid = data[:, begin:end], valid[begin:end]
    if not valid.all():
        data[:, ~valid] = np.nan
    notes += check_signal(data, valid, components[0].gravity)
    return ImuSignal(
        data=np.ascontiguousarray(data),
        start_s=(first + begin) / rate_hz,
        rate_hz=rate_hz,
        notes=notes,
        origin_s=components[0].origin_s,
        clocks=(sensors[0].clock, sensors[-1].clock),
    )


def _why_empty(name: str, components: Sequence[ImuSamples], max_gap_s: float) -> str:
    """Say why a sensor has no stretch of samples."""
    times = [c.accel_t if name == "accelerometer" else c.gyro_t for c in components]
    values = [c.accel if name == "accelerometer" else c.gyro for c in components]
    time = np.concatenate([np.empty(0), *times])
    whole = np.isfinite(np.concatenate([np.empty((3, 0)), *values], axis=1)).all(axis=0)
    text = f"no usable {name} samples"
    if not len(time):
        return f"{text}: the recording has none, or its cut holds none"
    if not whole.any():
        return f"{text}: no row has all three values"
    if not np.isfinite(time[whole]).any():
        return f"{text}: no row with values has a time"
    step = np.diff(np.sort(time[whole & np.isfinite(time)]))
    if not len(step):
        return f"{text}: there is only one"
    wrong = "a wrong unit of time?"
    if np.median(step) > max_gap_s:
        return f"{text}: they are {np.median(step):.3g} s apart, more than max_gap_s = {max_gap_s:g}; {wrong}"
    if np.median(step) < 1 / FASTEST_HZ:
        return f"{text}: they are {np.median(step):.3g} s apart, faster than {FASTEST_HZ:.0f} Hz; {wrong}"
    return f"{text}: no two of them are within max_gap_s = {max_gap_s:g} of each other"


def resample_stretches(
    stretches: Sequence[Stretch], rate_hz: float, max_gap_s: float
) -> tuple[int, NDArray[np.float32]]:
    """Resample stretches of one sensor onto the grid k / rate_hz, without a judgement of their clock.

    Args:
        stretches: samples (C, N) at strictly increasing times.
        rate_hz: sampling rate of the result, Hz.
        max_gap_s: longer holes stay NaN, s.

    Returns:
        The number k of the first sample, and samples (C, T); T is 0 if nothing is left.
    """
    pieces = [
        piece for stretch in stretches for piece in _pieces(stretch.time, stretch.values, rate_hz, max_gap_s)
    ]
    if not pieces:
        return 0, np.empty((len(stretches[0].values) if stretches else 0, 0), dtype=np.float32)
    first, stop = min(piece.first for piece in pieces), max(piece.stop for piece in pieces)
    data = np.full((len(pieces[0].values), stop - first), np.nan, dtype=np.float32)
    for piece in pieces:
        data[:, piece.first - first : piece.stop - first] = piece.values
    return first, data


@dataclass(slots=True)
class _Piece:
    """A stretch of one sensor on the grid, starting at sample `first`."""

    first: int
    values: NDArray[np.float32]

    @property
    def stop(self) -> int:
        return self.first + len(self.values[0])


def _pieces(time: Floats, values: Floats, rate_hz: float, max_gap_s: float) -> list[_Piece]:
    """Resample (C, N) at strictly increasing times, hole by hole."""
    if len(time) < 2:
        return []
    step = np.diff(time)
    cuts = np.flatnonzero(step > max_gap_s) + 1
    pieces = []
    for begin, end in zip([0, *cuts], [*cuts, len(time)], strict=True):
        # a lone sample says nothing about the time around it
        if end - begin > 1 and time[end - 1] - time[begin] > (end - begin - 1) / FASTEST_HZ:
            piece = _stretch(time[begin:end], values[:, begin:end], rate_hz, max_gap_s / 3)
            if piece.values.shape[1]:
                pieces.append(piece)
    return pieces


def _stretch(time: Floats, values: Floats, rate_hz: float, longest_hold_s: float) -> _Piece:
    """Resample samples without holes. A low-pass runs at a multiple of the rate, where the rate goes down."""
    step = np.diff(time)
    interval = float(np.median(step))
    mean = (time[-1] - time[0]) / len(step)
    # Bursts (many samples at once, then none) have a tiny median interval: don't believe more than 4 × the mean rate.
    factor = max(1, math.ceil(1 / (max(interval, mean / 4) * rate_hz) - 0.05))
    hold = min(interval, longest_hold_s) - 1e-6
    first = math.ceil((time[0] - hold / 2) * rate_hz)
    last = math.floor((time[-1] + hold) * rate_hz)
    if factor == 1:
        grid = np.arange(first, last + 1) / rate_hz
        return _Piece(first, _cubic(time, step, values, grid))
    from scipy.signal import firwin, upfirdn  # a second to import, and only needed here

    half = FILTER_HALF * factor
    grid = np.arange(first * factor - half, last * factor + half + 1) / (rate_hz * factor)
    # pass 0.7, stop 1.0 of the new Nyquist rate
    kernel = firwin(2 * half + 1, 0.85 / factor, window=("kaiser", 8.0))
    dense = _cubic(time, step, values, grid)
    filtered = upfirdn(kernel, dense, up=1, down=factor, axis=1)
    return _Piece(first, filtered[:, 2 * FILTER_HALF : 2 * FILTER_HALF + last - first + 1].astype(np.float32))


def _cubic(time: Floats, step: Floats, values: Floats, grid: Floats) -> NDArray[np.float32]:
    """Interpolate (C, N) at `grid`: a cubic through the neighbours with slopes from three samples each.

    Linear in the outermost intervals, and where neighbouring intervals differ much: through samples bunched together a
    cubic amplifies their noise. Beyond the ends the end value holds. The weights depend on the times alone, so they
    serve all channels.
    """
    n = len(time)
    grid = np.clip(grid, time[0], time[-1])
    left = np.clip(np.searchsorted(time, grid, side="right") - 1, 0, n - 2)
    before, after = np.maximum(left - 1, 0), np.minimum(left + 2, n - 1)
    h = step[left]
    u = (grid - time[left]) / h
    h_before, h_after = step[before], step[np.minimum(left + 1, n - 2)]
    inner = (left > 0) & (left < n - 2)
    inner &= np.maximum(np.maximum(h_before, h_after), h) < 4 * np.minimum(np.minimum(h_before, h_after), h)
    # Hermite basis of the slopes at both ends, times h: slope = parabola through three samples.
    rise = np.where(inner, u * (1 - u) ** 2, 0.0)
    fall = np.where(inner, -(u**2) * (1 - u), 0.0)
    r, s = h / h_before, h / h_after
    far_left = -rise * r * r / (1 + r)
    far_right = fall * s * s / (1 + s)
    at_right = np.where(inner, u * u * (3 - 2 * u), u)
    at_left = 1 - at_right
    at_left += rise * (r - 1) - fall / (1 + s)
    at_right += rise / (1 + r) + fall * (1 - s)
    out = np.empty((len(values), len(grid)), dtype=np.float32)
    for row, target in zip(np.ascontiguousarray(values), out, strict=True):
        target[:] = (
            far_left * row[before] + at_left * row[left] + at_right * row[left + 1] + far_right * row[after]
        )
    return out


def _drop_strays(accel: list[_Piece], gyro: list[_Piece], longest: int, notes: list[str]) -> None:
    """Keep the pieces around the longest one; a timestamp hours away is an artefact and would only cost memory."""
    pieces = sorted((*accel, *gyro), key=lambda piece: piece.first)
    group, stop = 0, pieces[0].stop
    groups = []
    for piece in pieces:
        group += piece.first - stop > longest
        stop = max(stop, piece.stop)
        groups.append(group)
    sizes = np.bincount(groups, weights=[piece.values.shape[1] for piece in pieces])
    if len(sizes) == 1:
        return
    kept = {id(piece) for piece, number in zip(pieces, groups, strict=True) if number == sizes.argmax()}
    for sensor in (accel, gyro):
        sensor[:] = [piece for piece in sensor if id(piece) in kept]
    if not (accel and gyro):
        raise ImuError("imu_empty", "accelerometer and gyroscope never run at the same time")
    share = 1 - sizes.max() / sizes.sum()
    notes.append(note("imu_strays", f"{share:.1%} of the samples lie hours away from the rest: left out"))
