"""IMU csv files whose columns, units and clock the config describes (`imu.csv`)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Final

from comodo.errors import ImuError
from comodo.layouts.imu_csv import read_imu_csv
from comodo.layouts.types import STANDARD_GRAVITY, ImuSamples

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from comodo.config import ImuCsvColumns

TIME_UNITS: Final = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
ZONE: Final = r"(?:[Zz]|[+-]\d\d(?::?\d\d)?)$"


def read_described(
    path: Path, gyro_path: Path | None, columns: ImuCsvColumns, from_first: bool = False
) -> ImuSamples:
    """Read the IMU of one csv, or of a csv for each sensor on one clock.

    Args:
        path: the csv of both sensors, or of the accelerometer.
        gyro_path: the csv of the gyroscope, where it has one of its own.
        columns: names, units and clock of the columns; the same in both files.
        from_first: count time from the first sample of both; else the times are the files' own.

    Raises:
        ImuError: a file or column is missing or malformed, or a time of day has no zone though a video needs it.
    """
    import numpy as np

    accel_table = _read(path, columns, (*columns.accel, *(columns.gyro if gyro_path is None else ())))
    gyro_table = accel_table if gyro_path is None else _read(gyro_path, columns, columns.gyro)
    accel_t, accel_0 = _times(accel_table, path, columns, from_first)
    gyro_t, gyro_0 = (accel_t, accel_0)
    if gyro_path is not None:
        gyro_t, gyro_0 = _times(gyro_table, gyro_path, columns, from_first)
    origin = min(accel_0, gyro_0)
    if accel_0 > origin:
        accel_t = accel_t + (accel_0 - origin)
    if gyro_0 > origin:
        gyro_t = gyro_t + (gyro_0 - origin)
    accel = accel_table[list(columns.accel)].to_numpy(dtype=np.float64).T
    gyro = gyro_table[list(columns.gyro)].to_numpy(dtype=np.float64).T
    accel_unit, gyro_unit = unit_factors(columns)
    return ImuSamples(
        accel_t=accel_t,
        accel=accel * accel_unit,
        gyro_t=gyro_t,
        gyro=gyro * gyro_unit,
        origin_s=origin,
    )


def unit_factors(columns: ImuCsvColumns) -> tuple[float, float]:
    """Return the factors that turn the accelerometer and gyroscope columns into m/s² and rad/s."""
    return (
        STANDARD_GRAVITY if columns.accel_unit == "g" else 1.0,
        math.pi / 180 if columns.gyro_unit == "deg/s" else 1.0,
    )


def read_labels(path: Path, columns: ImuCsvColumns) -> tuple[NDArray[np.float64], list[str]]:
    """Read the label column of a csv: times (N,) from its first sample, s, and labels, "" where a cell is empty.

    Raises:
        ImuError: see `read_described`; also if `columns` names no label column.
    """
    if columns.label is None:
        raise ImuError(
            "imu_missing_column", f"{path}: name its column of labels in the config key imu.csv.label"
        )
    table = _read(path, columns, (), (columns.label,))
    time, _ = _times(table, path, columns, from_first=True)
    return time, [str(label).strip() for label in table[columns.label].fillna("")]


def _read(
    path: Path, columns: ImuCsvColumns, numbers: tuple[str, ...], texts: tuple[str, ...] = ()
) -> pd.DataFrame:
    """The columns of a file, with that of its clock."""
    if columns.time is not None and columns.time_unit == "iso8601":
        texts = (columns.time, *texts)
    elif columns.time is not None:
        numbers = (columns.time, *numbers)
    return read_imu_csv(path, numbers, texts=texts)


def _times(
    table: pd.DataFrame, path: Path, columns: ImuCsvColumns, from_first: bool
) -> tuple[NDArray[np.float64], float]:
    """Times (N,) of the samples, s, and the time on the file's clock from which they count."""
    import numpy as np

    if columns.time is None:
        return np.arange(len(table)) / (columns.rate_hz or 1.0), 0.0
    if columns.time_unit == "iso8601":
        return _of_day(table[columns.time], path, columns.time, from_first)
    time = table[columns.time].to_numpy(dtype=np.float64)
    unit = TIME_UNITS[columns.time_unit]
    if not from_first:
        return time * unit, 0.0
    begin = float(np.min(time, where=np.isfinite(time), initial=np.inf))
    return (time - begin) * unit, begin * unit


def _of_day(
    cells: pd.Series[str], path: Path, name: str, from_first: bool
) -> tuple[NDArray[np.float64], float]:
    """Times of day in ISO 8601 as seconds since 1970, or since the first of them."""
    import numpy as np
    import pandas as pd

    text = cells.fillna("").str.strip()
    given = text != ""
    if not given.any():
        raise ImuError("imu_empty_column", f"{path}: column {name} holds no time")
    zoned = text[given].str.contains(ZONE, regex=True)
    if not zoned.all() and (zoned.any() or not from_first):
        row = zoned.index[~zoned][0]
        raise ImuError(
            "imu_clock",
            f"{path}: the time {text[row]!r} in column {name} has no time zone: append Z for UTC, or an offset such as "
            "+01:00",
        )
    moments = pd.to_datetime(text.where(given), format="ISO8601", utc=True, errors="coerce")
    if (wrong := given & moments.isna()).any():
        row = int(wrong.to_numpy().argmax())
        raise ImuError(
            "imu_bad_number",
            f"{path}: {text.iloc[row]!r} in column {name}, line {row + 2}, is no ISO 8601 time",
        )
    nanoseconds = moments.to_numpy(dtype="datetime64[ns]").astype(np.int64)
    first = int(nanoseconds[given.to_numpy()].min()) if from_first else 0
    time = np.where(given, (nanoseconds - first) * 1e-9, np.nan)
    return time, first * 1e-9
