"""IMU that a camera wrote into its video file (GoPro, Insta360, Sony), read by telemetry-parser."""

from __future__ import annotations

import math
import struct
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from comodo.errors import ImuError
from comodo.layouts.gpmf import Payloads, read_payloads, sample_times
from comodo.layouts.reader_packages import require_reader
from comodo.layouts.sample_tables import find_overclaim
from comodo.layouts.types import SIDECARS, ImuSamples
from comodo.notes import note
from comodo.storage.regular import check_regular, open_regular

SENSORS: Final = {"accl": "accelerometer", "gyro": "gyroscope"}


def read_camera(path: Path) -> ImuSamples:
    """Read the IMU that a camera wrote into its video file, or a sidecar file (`SIDECARS`).

    Values come from telemetry-parser, and so do times, except in GoPro files: see `gpmf`.

    Raises:
        ImuError: the file cannot be read, holds no IMU, or holds the averages of a time lapse.
    """
    payloads = _read_payloads(path)
    require_reader("telemetry_parser", "telemetry-parser==0.3.0", path, "the IMU of a camera file")
    camera, entries = _parse(path)
    present = {
        name: [i for i, entry in enumerate(entries) if entry.get(name) is not None]
        for name in ("accl", "gyro")
    }
    if missing := [SENSORS[name] for name, rows in present.items() if not rows]:
        raise ImuError(
            "imu_empty_column",
            f"{path} ({camera}) holds no {' and no '.join(missing)} samples{_hint(camera)}",
        )
    values = {
        name: np.array([entries[i][name] for i in rows], dtype=np.float64).T for name, rows in present.items()
    }
    notes: list[str] = []
    if payloads is not None and all(
        payloads.counts[name].sum() == len(rows) for name, rows in present.items()
    ):
        accel_t, gyro_t = (sample_times(payloads, name) for name in ("accl", "gyro"))
        if np.array_equal(accel_t, gyro_t):
            gyro_t = accel_t
    else:
        clock = np.array([entry["timestamp_ms"] for entry in entries], dtype=np.float64) / 1000
        accel_t, gyro_t = (spread_paused(clock[present[name]], clock) for name in ("accl", "gyro"))
        if payloads is not None:
            text = "the samples of its payloads cannot be counted: spread evenly over the file"
            notes.append(note("imu_payloads", text))
    if path.suffix.lower() in SIDECARS:
        notes.append(note("imu_sidecar", f"read from {path.name}, by its own clock"))
    return ImuSamples(accel_t, values["accl"], gyro_t, values["gyro"] * (math.pi / 180), notes)


def _read_payloads(path: Path) -> Payloads | None:
    """The payloads of a GoPro file; None for others."""
    try:
        with open_regular(path) as file:
            if claim := find_overclaim(file):
                raise ImuError("imu_unreadable", f"{path} is no video that can be read: {claim}")
            return read_payloads(file)
    except FileNotFoundError:
        raise ImuError("imu_missing_file", f"{path} does not exist") from None
    except (OSError, ValueError) as error:
        raise ImuError("imu_unreadable", f"{path} cannot be read: {error}") from None
    except (struct.error, IndexError, OverflowError, MemoryError, RecursionError):
        return None  # broken tables: telemetry-parser judges


def _parse(path: Path) -> tuple[str, list[dict[str, Any]]]:
    """The camera, and the samples by telemetry-parser: accel m/s², gyro deg/s.

    It is given a link in an empty folder: beside a video without IMU it would read any file of the same name.
    """
    import telemetry_parser

    check_regular(path)
    suffix = ".mp4" if path.suffix.lower() == ".lrv" else path.suffix  # GoPro's small copy of a video
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder, f"{path.stem[:100]}{suffix}")
        link.symlink_to(path.resolve())
        try:
            parser = telemetry_parser.Parser(str(link))
            camera = " ".join(filter(None, (parser.camera, parser.model)))
            return camera or "an unknown camera", parser.normalized_imu()
        except (
            BaseException
        ) as error:  # the library raises nothing narrower; a panic is not even an Exception
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            text = f"{path} holds no IMU that telemetry-parser can read: {error}"
            raise ImuError("imu_unreadable", text.replace(str(link), str(path))) from None


def _hint(camera: str) -> str:
    if camera.startswith("DJI"):
        return ": DJI writes the camera's orientation into its files, but no accelerometer and no gyroscope"
    if camera.startswith("Insta360"):
        return ": it was recorded without gyro data"
    return ""


def spread_paused(time: NDArray[np.float64], clock: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spread a sensor's times (N,) evenly over a steady `clock` (M,) where the sensor seems to pause again and again.

    Once every two seconds or more often is payloads paired by index; a single pause, or one that the clock shares,
    is a real one.
    """
    if len(time) < 3 or len(time) == len(clock):
        return time
    step, tick = np.diff(time), np.diff(clock)
    pauses = np.count_nonzero(step > 1.5 * np.median(step))
    span = float(clock[-1] - clock[0] + np.median(tick))
    if tick.max() > 1.5 * np.median(tick) or pauses < max(2.0, span / 2):
        return time
    spread: NDArray[np.float64] = clock[0] + np.arange(len(time)) * (span / len(time))
    return spread
