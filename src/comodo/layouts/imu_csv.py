"""Columns of an IMU csv as numbers."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from comodo.errors import ImuError
from comodo.storage.regular import open_regular, open_text

if TYPE_CHECKING:
    import pandas as pd

LONGEST_LINE = 1 << 20  # characters of the header of an IMU csv


def read_imu_csv(
    path: Path, required: Sequence[str], optional: Sequence[str] = (), header: bool = True
) -> pd.DataFrame:
    """Read columns of an IMU csv as float64; empty cells, `NULL` and `NaN` become NaN.

    Without a `header` columns are named "0", "1", …, and a first line that is no number is left out. Byte order marks
    and CRLF are fine. Raises `ImuError` where the file or a column is missing, a cell is no number, or a required
    column holds nothing.
    """
    import pyarrow as pa
    from pyarrow import csv as pa_csv

    try:
        with open_text(path, newline="") as file:
            first = file.readline(LONGEST_LINE)
    except FileNotFoundError:
        raise ImuError("imu_missing_file", f"{path} does not exist") from None
    except (OSError, ValueError) as error:
        raise ImuError("imu_unreadable", f"{path} cannot be read: {error}") from None
    if len(first) == LONGEST_LINE:
        raise ImuError("imu_unreadable", f"{path} is no csv of samples: its first line does not end")
    try:
        names = [name.strip() for name in next(csv.reader([first]), [])]
    except csv.Error as error:
        raise ImuError("imu_unreadable", f"{path} is no csv of samples: {error}") from None
    skip = 1
    if not header:
        skip = 0 if names and _is_number(names[0]) else 1
        names = [str(place) for place in range(len(names))]
    if not names:
        raise ImuError("imu_empty", f"{path} is empty")
    missing = [name for name in required if name not in names]
    if missing:
        hint = "; it is separated by ';', not ','" if first.count(";") > first.count(",") else ""
        raise ImuError("imu_missing_column", f"{path} has no column {', '.join(missing)}{hint}")
    wanted = list(dict.fromkeys(name for name in (*required, *optional) if name in names))
    try:
        # Six times as fast as pandas, and stricter: what it refuses (a line cut short, a lone bad cell), pandas judges.
        types = dict.fromkeys(wanted, pa.float64())
        table: pd.DataFrame = pa_csv.read_csv(
            path,
            read_options=pa_csv.ReadOptions(use_threads=False, column_names=names, skip_rows=skip),
            convert_options=pa_csv.ConvertOptions(include_columns=wanted, column_types=types),
        ).to_pandas()
    except (pa.ArrowException, ValueError) as error:
        if "straddl" in str(
            error
        ):  # it says so of a line longer than its blocks of 1 MB, which pandas would take
            raise ImuError("imu_unreadable", f"{path} is no csv of samples: a line does not end") from None
        table = _read_csv_with_pandas(path, names, wanted, skip)
    if table.empty:
        raise ImuError("imu_empty", f"{path} holds no samples")
    for name in required:
        if not table[name].notna().any():
            raise ImuError("imu_empty_column", f"{path}: column {name} holds no number")
    return table


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell in ("", "NULL")
    return True


def _read_csv_with_pandas(path: Path, names: list[str], wanted: list[str], skip: int) -> pd.DataFrame:
    import pandas as pd

    try:
        with open_regular(path) as file:
            return pd.read_csv(
                file,
                header=None,
                names=names,
                skiprows=skip,
                usecols=wanted,
                index_col=False,
                dtype="float64",
            )
    except pd.errors.EmptyDataError:
        return pd.DataFrame({name: [] for name in wanted}, dtype="float64")
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise ImuError("imu_bad_number", f"{path}: {' '.join(str(error).split())}") from None
