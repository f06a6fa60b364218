"""IMU of one file, outside any dataset: for `comodo embed` and the Python API."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from comodo.config import DatasetSettings
from comodo.config.faults import fault_line
from comodo.errors import ConfigError, ImuError
from comodo.layouts.ego4d import TIME
from comodo.layouts.imu_csv import LONGEST_LINE
from comodo.layouts.opening import open_layout
from comodo.layouts.types import Recording
from comodo.recordings.imu_shard import preprocess
from comodo.recordings.signal import ImuSignal
from comodo.storage.regular import open_text

LayoutName = Literal["ego4d", "egoexo4d", "uestc", "table"]


def read_imu(
    path: str | os.PathLike[str],
    columns: Mapping[str, Any] | None = None,
    *,
    layout: LayoutName | None = None,
    gyro: str | os.PathLike[str] | None = None,
    rate_hz: float = 200.0,
    max_gap_s: float = 0.1,
) -> ImuSignal:
    """Read the IMU of a file and resample it to one clock, as the workflow does for an IMU-only dataset.

    Args:
        path: a csv file, a camera file (GoPro, Insta360, Sony), an Aria recording (.vrs), or processed arrays
            (.npy).
        columns: columns, units and clock of a csv file by the config's keys `datasets.<name>.imu.csv`: `time`,
            `time_unit` or `rate_hz`, `accel`, `accel_unit`, `gyro`, `gyro_unit`. None: the csv has Ego4D's columns.
        layout: the dataset whose format the file has, where the suffix does not show it: "uestc".
        gyro: the gyroscope's csv, where `path` holds the accelerometer alone; on the same clock.
        rate_hz: sampling rate of the result; that of the student's training.
        max_gap_s: longer holes stay NaN; shorter ones are interpolated.

    Returns:
        `data` float32 (6, T): accel x y z in m/s², gyro x y z in rad/s; `start_s`, `rate_hz`, and `notes` on what looks
        odd.

    Raises:
        ConfigError: for columns that are not described, or wrongly.
        ImuError: when the file is missing, or its IMU cannot be used.

    Example:
        >>> signal = read_imu("walk.csv", {"time": "t", "time_unit": "ms", "accel_unit": "g", "gyro_unit": "deg/s"})
        >>> signal.data.shape
        (6, 12000)
    """
    other = None if gyro is None else Path(gyro)
    settings = file_settings(
        Path(path), columns, layout=layout, gyro=other, rate_hz=rate_hz, max_gap_s=max_gap_s
    )
    return read_signal(Path(path), settings, other)


def read_signal(path: Path, settings: DatasetSettings, gyro: Path | None = None) -> ImuSignal:
    """Read the IMU of a file by the settings of an IMU-only dataset. Raises `ImuError`."""
    camera = settings.layout == "table" and settings.imu.csv is None  # a camera file holds video and IMU
    recording = Recording(
        id=str(path), split="", label="", video=path if camera else None, imu=path, gyro=gyro
    )
    ((_, signal),) = preprocess(open_layout(path.name, settings), [recording], settings)
    if isinstance(signal, ImuError):
        raise signal
    return signal


def file_settings(
    path: Path,
    columns: Mapping[str, Any] | None = None,
    *,
    layout: LayoutName | None = None,
    gyro: Path | None = None,
    clip_s: float | None = 5.0,
    rate_hz: float = 200.0,
    max_gap_s: float = 0.1,
) -> DatasetSettings:
    """Return the settings of an IMU-only dataset of one file. Raises `ConfigError`; arguments as in `read_imu`."""
    if columns is not None and path.suffix.lower() != ".csv":
        raise ConfigError(f"{path}: columns are described, but it is no csv file")
    if gyro is not None and columns is None:
        raise ConfigError(f"{gyro}: describe the columns of {path} and {gyro}")
    layout = layout or _layout_of(path, described=columns is not None)
    imu: dict[str, Any] = {"rate_hz": rate_hz, "max_gap_s": max_gap_s}
    raw = {"layout": layout, "root": str(path.parent), "clip_s": clip_s, "video": None, "imu": imu}
    if layout == "table":
        raw["table"], imu["csv"] = str(path), columns
    try:
        made = DatasetSettings.model_validate(raw)
        if (
            (csv := made.imu.csv)
            and gyro is None
            and (both := [name for name in csv.accel if name in csv.gyro])
        ):
            raise ConfigError(f"{path}: imu.csv: column {', '.join(both)} is named for accel and for gyro")
        return made
    except ValidationError as error:
        place = ("datasets", "file")  # where a config has these keys
        lines = [fault_line({**fault, "loc": (*place, *fault["loc"])}) for fault in error.errors()]
        faults = "; ".join(
            line.removeprefix("datasets.file.").removeprefix("datasets.file: ") for line in lines
        )
        raise ConfigError(f"{path}: {faults}") from None


def _layout_of(path: Path, described: bool) -> LayoutName:
    """Which layout reads a file: by its suffix, a csv by its columns."""
    if path.suffix.lower() == ".vrs":
        return "egoexo4d"
    if path.suffix.lower() == ".npy":
        return "ego4d"  # processed arrays, which the layouts of published datasets share
    if path.suffix.lower() != ".csv" or described:
        return "table"  # a camera file, or a csv by its description
    try:
        with open_text(path) as file:
            header = file.readline(LONGEST_LINE)
    except FileNotFoundError:
        raise ImuError("imu_missing_file", f"{path} does not exist") from None
    except (OSError, ValueError) as error:
        raise ImuError("imu_unreadable", f"{path} cannot be read: {error}") from None
    if TIME in header:
        return "ego4d"
    raise ConfigError(
        f"{path}: the header lacks Ego4D's column {TIME!r}: describe the columns, or name the layout "
        f"(uestc); found: {header.strip()[:200]}"
    )
