"""IMU: raw samples onto one clock, windows for the encoders, and the HDF5 shard that keeps the signals.

A signal is float32 (6, T): accel x y z in m/s², gyro x y z in rad/s, on the grid k / rate_hz (k an integer) of the
recording's video time. Where there is no IMU it is NaN.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from comodo.artefacts import CHECKED, create_hdf5, open_hdf5
from comodo.config import DatasetSettings
from comodo.layouts import ImuError, ImuSamples, Layout, Recording, safe_name
from comodo.versions import VERSIONS

CHANNELS = ("accel_x", "accel_y", "accel_z", "gyro_x", "gyro_y", "gyro_z")
LONGEST_HOLE_S = 6 * 3600.0  # samples further than this from the rest bear a wrong timestamp
SPARSEST = 1 / 20  # samples per sample of the grid; beyond some hours, fewer are wrong timestamps far apart
FASTEST_HZ = 20_000.0  # no IMU is sampled faster; a wrong unit of time would cost memory without bound
FILTER_HALF = 16  # half length of the anti-aliasing filter, output samples

Floats = NDArray[np.float64]

__all__ = [
    "CHANNELS",
    "ImuError",
    "ImuSamples",
    "ImuSignal",
    "pad_left",
    "preprocess",
    "read_notes",
    "read_window",
    "resample",
    "resample_reference",
    "write_imu_shard",
]


@dataclass(slots=True)
class ImuSignal:
    """Resampled IMU of one recording."""

    data: NDArray[np.float32]  # (6, T), NaN where there is no IMU
    start_s: float  # time of the first sample, a multiple of 1 / rate_hz
    rate_hz: float
    notes: list[str] = field(default_factory=list)  # what looks odd, for the quality report

    @property
    def first(self) -> int:
        """Number of the first sample on the grid: sample k lies at k / rate_hz seconds."""
        return round(self.start_s * self.rate_hz)


# ---------------------------------------------------------------------------------------------------- by timestamps


def resample(components: Sequence[ImuSamples], rate_hz: float = 200.0, max_gap_s: float = 0.1) -> ImuSignal:
    """Resample raw IMU by its timestamps onto the grid k / rate_hz.

    Samples are sorted by time; those that are not finite are dropped, those with the same time averaged. Every
    stretch without a hole longer than `max_gap_s` is interpolated on its own (cubic, after a low-pass where the rate
    goes down); accel and gyro each on their own time axis. The last sample of a stretch stands for its whole sampling
    interval, the first also for half of the one before (at most `max_gap_s` / 3). The rest of the grid is NaN.

    Raises
    ------
    ImuError
        Nothing usable is left, or a sensor never changes.
    """
    notes = [note for samples in components for note in samples.notes]
    accel: list[_Piece] = []
    gyro: list[_Piece] = []
    for samples in components:
        if samples.accel_t is samples.gyro_t or np.array_equal(
            samples.accel_t, samples.gyro_t, equal_nan=True
        ):
            # one clock: one set of weights for six channels
            both = np.concatenate([samples.accel, samples.gyro])
            for piece in _stretches(samples.accel_t, both, rate_hz, max_gap_s):
                accel.append(_Piece(piece.first, piece.values[:3]))
                gyro.append(_Piece(piece.first, piece.values[3:]))
        else:
            accel += _stretches(samples.accel_t, samples.accel, rate_hz, max_gap_s)
            gyro += _stretches(samples.gyro_t, samples.gyro, rate_hz, max_gap_s)
    for name, pieces in (("accelerometer", accel), ("gyroscope", gyro)):
        if not pieces:
            few = (
                f"no usable {name} samples: all lack a time or a value, stand alone, or are nearer than 50 µs"
            )
            raise ImuError("imu_empty", f"{few} (a wrong unit of time?)")
    _drop_strays(accel, gyro, round(LONGEST_HOLE_S * rate_hz), notes)
    first = min(piece.first for piece in (*accel, *gyro))
    stop = max(piece.stop for piece in (*accel, *gyro))
    _check_span(stop - first, sum(piece.stop - piece.first for piece in accel), rate_hz)
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
    notes += _check(data, valid, components[0].gravity)
    return ImuSignal(
        data=np.ascontiguousarray(data), start_s=(first + begin) / rate_hz, rate_hz=rate_hz, notes=notes
    )


@dataclass(slots=True)
class _Piece:
    """A stretch of one sensor on the grid, starting at sample `first`."""

    first: int
    values: NDArray[np.float32]

    @property
    def stop(self) -> int:
        return self.first + len(self.values[0])


def _stretches(time: Floats, values: Floats, rate_hz: float, max_gap_s: float) -> list[_Piece]:
    """Clean one component of one sensor (C, N) and resample it, hole by hole."""
    usable = np.isfinite(time)
    for row in values:
        usable &= np.isfinite(row)
    if not usable.all():
        time, values = time[usable], values[:, usable]
    if len(time) < 2:
        return []
    step = np.diff(time)
    if (step < 0).any():
        order = np.argsort(time, kind="stable")
        time, values = time[order], values[:, order]
        step = np.diff(time)
    if (step == 0).any():
        starts = np.flatnonzero(np.concatenate([[True], step > 0]))
        values = np.add.reduceat(values, starts, axis=1) / np.diff(np.append(starts, len(time)))
        time = time[starts]
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


def _check_span(length: int, samples: int, rate_hz: float) -> None:
    """Refuse a grid that would be almost empty: its memory must not depend on what a few timestamps say."""
    if length > LONGEST_HOLE_S * rate_hz + samples / SPARSEST:
        hours = length / rate_hz / 3600
        raise ImuError("imu_clock", f"timestamps spread {samples} samples over {hours:.0f} hours")


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
    notes.append(
        f"{1 - sizes.max() / sizes.sum():.1%} of the samples lie hours away from the rest and were left out"
    )


def _check(data: NDArray[np.float32], valid: NDArray[np.bool_], at_rest: float) -> list[str]:
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


# ----------------------------------------------------------------------------------------------- the published rule


def resample_reference(components: Sequence[ImuSamples], rate_hz: float = 200.0) -> ImuSignal:
    """Resample as published: by the mean rate, then forget the timestamps; sample 0 stands for t = 0.

    The rate is `int(1 / mean(dt))` of the samples in file order, or the nominal one where there is no clock; resampling
    is a windowed sinc (Hann, 6 zero crossings, roll-off 0.99); what is NaN then becomes 0. Raises `ImuError` where
    timestamps give no rate.
    """
    sensors = []
    for times, values in (
        ([c.accel_t for c in components], [c.accel for c in components]),
        ([c.gyro_t for c in components], [c.gyro for c in components]),
    ):
        step = np.diff(np.concatenate(times)) if times else np.zeros(0)
        mean = float(step[np.isfinite(step)].mean()) if np.isfinite(step).any() else 0.0
        if not 1 / FASTEST_HZ < mean <= 1:
            raise ImuError("imu_clock", f"a mean sampling interval of {mean:g} s gives no rate")
        rate = components[0].rate_hz or int(1 / mean)
        samples = sum(map(len, times))
        _check_span(round(samples / rate * rate_hz), samples, rate_hz)
        sensors.append(_windowed_sinc(np.concatenate(values, axis=1), rate, round(rate_hz)))
    length = min(sensor.shape[1] for sensor in sensors)
    data = np.nan_to_num(np.concatenate([sensor[:, :length] for sensor in sensors])).astype(np.float32)
    notes = [note for samples in components for note in samples.notes]
    notes += _check(data, np.ones(length, dtype=bool), components[0].gravity)
    return ImuSignal(data=data, start_s=0.0, rate_hz=rate_hz, notes=notes)


def _windowed_sinc(values: Floats, rate: int, new_rate: int, zeros: int = 6, rolloff: float = 0.99) -> Floats:
    """Band-limited interpolation of (C, N) from `rate` to `new_rate` Hz with zeros beyond the ends.

    Smith, "Digital Audio Resampling": one Hann-windowed sinc kernel per output phase.
    """
    from scipy.signal import upfirdn

    shared = math.gcd(rate, new_rate)
    down, up = rate // shared, new_rate // shared
    if down == up:
        return values
    cutoff = min(down, up) * rolloff
    width = math.ceil(zeros * down / cutoff)
    length = math.ceil(values.shape[1] * up / down)
    shift = (
        1 - 2 * width
    ) % down  # puts the first output on a multiple of `down`, so that no other is computed
    padded = np.pad(values, ((0, 0), (shift + width, width + down)))
    taps = np.arange(-width, width + down) / down
    out = np.zeros((len(values), length))
    for phase in range(up):
        place = np.clip((taps - phase / up) * cutoff, -zeros, zeros)
        kernel = np.sinc(place) * np.cos(place * math.pi / zeros / 2) ** 2 * cutoff / down
        frames = len(range(phase, length, up))
        begin = (len(kernel) - 1 + shift) // down
        out[:, phase::up] = upfirdn(kernel[::-1], padded, up=1, down=down, axis=1)[:, begin : begin + frames]
    return out


# --------------------------------------------------------------------------------------------- windows for encoders


def pad_left(
    windows: Sequence[NDArray[np.float32]], min_length: int = 512
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Left-pad windows (C, T_i) with zeros to the longest, at least `min_length`.

    Returns float32 (B, C, L) and the mask (B, L): 1 where there is a sample.
    """
    length = max(min_length, *(window.shape[1] for window in windows))
    batch = np.zeros((len(windows), windows[0].shape[0], length), dtype=np.float32)
    mask = np.zeros((len(windows), length), dtype=np.float32)
    for i, window in enumerate(windows):
        batch[i, :, length - window.shape[1] :] = window
        mask[i, length - window.shape[1] :] = 1
    return batch, mask


# ------------------------------------------------------------------------------------------------------- the shard


def preprocess(
    layout: Layout, recordings: Iterable[Recording], settings: DatasetSettings
) -> Iterator[tuple[Recording, ImuSignal | ImuError]]:
    """Read and resample one recording after the other, as `settings` say; what cannot be used comes as its error."""
    for recording in recordings:
        try:
            components = layout.read_imu(recording)
            if settings.alignment == "reference":
                yield recording, resample_reference(components, settings.imu.rate_hz)
            else:
                yield recording, resample(components, settings.imu.rate_hz, settings.imu.max_gap_s)
        except ImuError as error:
            yield recording, error


def write_imu_shard(path: Path, signals: Iterable[tuple[Recording, ImuSignal | ImuError]]) -> None:
    """Write signals to an HDF5 file as they come, one recording in memory at a time.

    One group per recording, named `safe_name(id)`, with attributes `id`, `start_s`, `rate_hz`, `notes` (JSON list),
    `reason` and `detail` ("" where usable). Datasets: `data` float32 (6, T) and `valid` int64 (n, 2), the ranges
    [begin, end) of samples that are not NaN; both are absent where the recording was dropped.
    """
    with create_hdf5(path) as file:
        file.attrs["version"] = VERSIONS["preprocess_imu"]
        for recording, signal in signals:
            group = file.create_group(safe_name(recording.id))
            group.attrs["id"] = recording.id
            error = signal if isinstance(signal, ImuError) else None
            group.attrs["reason"] = error.reason if error else ""
            group.attrs["detail"] = str(error) if error else ""
            if isinstance(signal, ImuSignal):
                group.attrs["start_s"] = signal.start_s
                group.attrs["rate_hz"] = signal.rate_hz
                group.attrs["notes"] = json.dumps(signal.notes, ensure_ascii=False)
                length = signal.data.shape[1]
                runs = _runs(np.isfinite(signal.data[0]))
                group.create_dataset("data", data=signal.data, chunks=(6, min(length, 4096)), **CHECKED)
                group.create_dataset("valid", data=runs, chunks=runs.shape, **CHECKED)


def read_window(file: h5py.File, recording_id: str, start: int, stop: int) -> NDArray[np.float32]:
    """Read samples [start, stop) of a recording's array from an open shard: float32 (6, stop − start)."""
    window: NDArray[np.float32] = file[safe_name(recording_id)]["data"][:, start:stop]
    return window


def read_notes(path: Path) -> dict[str, list[str]]:
    """Read what looked odd about the recordings of a shard: id → notes; recordings without notes are left out."""
    with open_hdf5(path) as file:
        notes = {group.attrs["id"]: json.loads(group.attrs.get("notes", "[]")) for group in file.values()}
    return {recording: found for recording, found in notes.items() if found}


def _runs(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Ranges [begin, end) where `flags` hold, (n, 2)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return edges.reshape(-1, 2).astype(np.int64)
