"""IMU that a camera wrote into its video file (GoPro, Insta360, Sony), read by telemetry-parser."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from comodo.errors import ImuError
from comodo.layouts.reader_packages import require_reader
from comodo.layouts.sample_tables import find_overclaim
from comodo.layouts.types import ImuSamples
from comodo.storage.regular import open_regular

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def read_camera(path: Path) -> ImuSamples:
    """Read the IMU that a camera wrote into its video file; accel m/s², gyro deg/s there.

    telemetry-parser spreads a stream's samples evenly over its whole length, which is right: a GoPro sensor runs at a
    constant rate, though one payload of 1.001 s holds 171 samples and the next 216. Where the sensors' rates differ,
    it pairs the samples of each payload by index, so that the slower sensor seems to pause at each payload's end.
    """
    import numpy as np

    try:
        with open_regular(path) as file:
            claim = find_overclaim(file)
    except FileNotFoundError:
        raise ImuError("imu_missing_file", f"{path} does not exist") from None
    except (OSError, ValueError) as error:
        raise ImuError("imu_unreadable", f"{path} cannot be read: {error}") from None
    if claim:
        raise ImuError("imu_unreadable", f"{path} is no video that can be read: {claim}")
    require_reader("telemetry_parser", "telemetry-parser==0.3.0", path, "the IMU of a camera file")
    import telemetry_parser

    try:
        entries = telemetry_parser.Parser(str(path)).normalized_imu()
    except (
        BaseException
    ) as error:  # the library raises nothing narrower; where it panics, not even an Exception
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        raise ImuError(
            "imu_unreadable", f"{path} holds no IMU that telemetry-parser can read: {error}"
        ) from None
    clock = np.array([entry["timestamp_ms"] for entry in entries], dtype=np.float64) / 1000

    def sensor(name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        present = [i for i, entry in enumerate(entries) if entry.get(name) is not None]
        if not present:
            raise ImuError("imu_empty_column", f"{path} holds no {name} samples")
        values = np.array([entries[i][name] for i in present], dtype=np.float64).T
        return spread_paused(clock[present], clock), values

    accel_t, accel = sensor("accl")
    gyro_t, gyro = sensor("gyro")
    return ImuSamples(accel_t=accel_t, accel=accel, gyro_t=gyro_t, gyro=gyro * (math.pi / 180))


def spread_paused(time: NDArray[np.float64], clock: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spread a sensor's times (N,) evenly over a steady `clock` (M,) where the sensor seems to pause again and again.

    Once every two seconds or more often is payloads paired by index; a single pause, or one that the clock shares,
    is a real one.
    """
    import numpy as np

    if len(time) < 3 or len(time) == len(clock):
        return time
    step, tick = np.diff(time), np.diff(clock)
    pauses = np.count_nonzero(step > 1.5 * np.median(step))
    span = float(clock[-1] - clock[0] + np.median(tick))
    if tick.max() > 1.5 * np.median(tick) or pauses < max(2.0, span / 2):
        return time
    spread: NDArray[np.float64] = clock[0] + np.arange(len(time)) * (span / len(time))
    return spread
