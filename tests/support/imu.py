"""Smooth IMU whose value at any time is known, and a recording to put it into."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comodo.layouts.types import ImuSamples, Recording

Floats = NDArray[np.float64]


def wave(time: Floats) -> Floats:
    """Six smooth channels (6, N), with gravity on z."""
    tones = np.array([0.7, 1.1, 1.9, 2.3, 3.1, 4.2])[:, None]
    return np.sin(2 * np.pi * tones * time + tones) + np.array([0, 0, 9.81, 0, 0, 0])[:, None]


def samples(time: Floats, gyro_time: Floats | None = None) -> ImuSamples:
    """The wave at given times, s; the gyroscope's are its own where given."""
    gyro_time = time if gyro_time is None else gyro_time
    return ImuSamples(time, wave(time)[:3], gyro_time, wave(gyro_time)[3:])


def recording(name: str = "a") -> Recording:
    """A recording of files that need not exist."""
    return Recording(name, "train", "walk", Path("a.mp4"), Path("a.csv"))
