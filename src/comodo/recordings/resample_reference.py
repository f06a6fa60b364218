"""The published rule of resampling: by the mean rate, timestamps forgotten."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from comodo.errors import ImuError
from comodo.layouts.types import ImuSamples
from comodo.recordings.signal import FASTEST_HZ, Floats, ImuSignal, check_signal, check_span


def resample_reference(components: Sequence[ImuSamples], rate_hz: float = 200.0) -> ImuSignal:
    """Resample as published: by the mean rate, then forget the timestamps; sample 0 is at t = 0.

    The rate is `int(1 / mean(dt))` of the samples in file order, or the nominal one where there is no clock; resampling
    is a windowed sinc (Hann, 6 zero crossings, roll-off 0.99); NaN then becomes 0. Raises `ImuError` where
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
        check_span(round(samples / rate * rate_hz), samples, rate_hz)
        sensors.append(_windowed_sinc(np.concatenate(values, axis=1), rate, round(rate_hz)))
    length = min(sensor.shape[1] for sensor in sensors)
    data = np.nan_to_num(np.concatenate([sensor[:, :length] for sensor in sensors])).astype(np.float32)
    notes = [note for samples in components for note in samples.notes]
    notes += check_signal(data, np.ones(length, dtype=bool), components[0].gravity)
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
