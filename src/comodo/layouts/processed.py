"""Data that the published scripts have processed already; every layout of a published dataset takes them as well.

`processed_video/<id>.mp4`, and `processed_imu/<id>.npy`: accel x y z, gyro x y z at 200 Hz, (6, T), with its times in
`<id>_timestamps.npy`, (T,). Gaps are filled there and cannot be detected, so raw files come first where both
exist.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from comodo.errors import ImuError
from comodo.layouts.types import ImuSamples, Recording
from comodo.storage.regular import check_regular

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE_HZ = 200
SUFFIX = ".npy"


def video_path(raw: Path, root: Path, recording_id: str) -> Path:
    """The raw video, unless only the processed one exists."""
    return _raw_or(raw, root / "processed_video" / f"{recording_id}.mp4")


def imu_path(raw: Path, root: Path, recording_id: str) -> Path:
    """The raw IMU, unless only the processed one exists."""
    return _raw_or(raw, root / "processed_imu" / f"{recording_id}{SUFFIX}")


def _raw_or(raw: Path, processed: Path) -> Path:
    return processed if not os.path.exists(raw) and os.path.exists(processed) else raw


def times_path(path: Path) -> Path:
    """Return the file with the times of a processed array."""
    return path.with_name(f"{path.stem}_timestamps{SUFFIX}")


def clock_files(recording: Recording) -> list[Path]:
    """Return the times of a recording whose IMU is a processed array; nothing for a raw one."""
    return [times_path(recording.imu)] if recording.imu.suffix == SUFFIX else []


def read_processed_imu(path: Path) -> ImuSamples:
    """Read a processed array and its times. Raises `ImuError`.

    The published scripts wrote milliseconds for one dataset and nanoseconds for another: the step, 5 ms, shows which.
    """
    import numpy as np

    signal = _load(path)
    time_path = times_path(path)
    time = _load(time_path).reshape(-1)
    if signal.ndim != 2 or signal.shape[0] != 6:
        raise ImuError("imu_unreadable", f"{path} has shape {signal.shape}, not (6, T)")
    if signal.shape[1] != len(time):
        raise ImuError(
            "imu_unreadable", f"{path} holds {signal.shape[1]} samples, {time_path} {len(time)} times"
        )
    step = float(np.median(np.diff(time))) if len(time) > 1 else 0.0
    if not (0 < step < np.inf):
        raise ImuError("imu_clock", f"{time_path}: a sampling interval of {step:g} gives no rate")
    time = time / 1000.0 ** round(np.log(step * RATE_HZ) / np.log(1000))
    return ImuSamples(accel_t=time, accel=signal[:3], gyro_t=time, gyro=signal[3:], rate_hz=RATE_HZ)


def _load(path: Path) -> NDArray[Any]:
    import numpy as np

    try:
        check_regular(path)
        # mapped: the header may claim more than the file holds, and memory would be allocated for it
        return np.array(np.load(path, mmap_mode="r", allow_pickle=False), dtype=np.float64)
    except FileNotFoundError:
        raise ImuError("imu_missing_file", f"{path} does not exist") from None
    except Exception as error:  # numpy parses the header as Python: tokens, syntax, numbers can be wrong
        raise ImuError(
            "imu_unreadable", f"{path} is not an array of numbers that can be read: {error}"
        ) from None
