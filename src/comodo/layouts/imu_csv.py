"""Columns of an IMU csv as numbers."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from comodo.errors import ImuError
from comodo.storage.regular import open_regular, open_text
from comodo.text import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

LONGEST_LINE = 1 << 20  # characters of the header of an IMU csv
PREAMBLE = 20  # lines that are searched for a header below other lines


def read_imu_csv(
    path: Path,
    required: Sequence[str],
    optional: Sequence[str] = (),
    header: bool = True,
    texts: Sequence[str] = (),
) -> pd.DataFrame:
    """Read columns of an IMU csv as float64; empty cells, `NULL` and `NaN` become NaN. `texts` are read as text.

    Without a `header` columns are named "0", "1", …, and a first line that is no number is left out. Byte order marks
    and CRLF are fine.

    Raises:
        ImuError: the file or a column is missing, a wanted column's name is repeated, a row is longer than the header,
            a cell is no number, or a required column holds nothing.
    """
    import pyarrow as pa
    from pyarrow import csv as pa_csv

    try:
        with open_text(path, newline="") as file:
            first = file.readline(LONGEST_LINE)
            more = (
                [] if len(first) == LONGEST_LINE else [file.readline(LONGEST_LINE) for _ in range(PREAMBLE)]
            )
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
    missing = [name for name in (*required, *texts) if name not in names]
    if missing:
        fault = f"{path} has no column {', '.join(missing)}{_why_missing(missing, names, [first, *more])}"
        raise ImuError("imu_missing_column", fault)
    if repeated := [name for name in (*required, *optional, *texts) if names.count(name) > 1]:
        text = f"{path}: {', '.join(dict.fromkeys(repeated))} is in the header more than once: rename the columns"
        raise ImuError("imu_repeated_column", f"{text} (found: {_listed(names)})")
    wanted = list(dict.fromkeys(name for name in (*required, *optional, *texts) if name in names))
    try:
        # Six times as fast as pandas, and stricter: files that it refuses (a short line, a bad cell) go to pandas.
        types = {name: pa.string() if name in texts else pa.float64() for name in wanted}
        table: pd.DataFrame = pa_csv.read_csv(
            path,
            read_options=pa_csv.ReadOptions(use_threads=False, column_names=names, skip_rows=skip),
            convert_options=pa_csv.ConvertOptions(include_columns=wanted, column_types=types),
        ).to_pandas()
    except (pa.ArrowException, ValueError) as error:
        if "straddl" in str(
            error
        ):  # the error for a line longer than its blocks of 1 MB, which pandas would read
            raise ImuError("imu_unreadable", f"{path} is no csv of samples: a line does not end") from None
        table = _read_csv_with_pandas(path, names, wanted, skip, texts)
    if table.empty:
        raise ImuError("imu_empty", f"{path} holds no samples")
    for name in required:
        if not table[name].notna().any():
            raise ImuError("imu_empty_column", f"{path}: column {name} holds no number")
    return table


def _why_missing(missing: Sequence[str], names: Sequence[str], lines: Sequence[str]) -> str:
    """Return the end of a message on missing columns: the likely cause, or those that were found."""
    first = lines[0]
    for separator, name in ((";", "';'"), ("\t", "tabs")):
        if first.count(separator) > first.count(","):
            return f"; it is separated by {name}, not ','"
    for number, line in enumerate(lines[1:], start=2):
        if set(missing) <= {cell.strip() for cell in line.split(",")}:
            text = first.strip()[:80]
            return f"; the header is line {number}: delete the lines above it (the first is {text!r})"
    found = f"; found: {_listed(names)}"
    same = {name.lower(): name for name in names}
    if all(name.lower() in same for name in missing):
        pairs = ", ".join(f"{same[name.lower()]!r}" for name in missing)
        return f"{found}; upper and lower case differ: {pairs}"
    return found + did_you_mean(missing[0], names)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)[:200]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell in ("", "NULL")
    return True


def _read_csv_with_pandas(
    path: Path, names: list[str], wanted: list[str], skip: int, texts: Sequence[str]
) -> pd.DataFrame:
    import pandas as pd

    extra = "\0extra"  # no header has this name
    types = {name: "object" if name in texts else "float64" for name in wanted} | {extra: "object"}

    def read(more: list[str]) -> pd.DataFrame:
        with open_regular(path) as file:
            return pd.read_csv(
                file,
                header=None,
                names=[*names, *more],
                skiprows=skip,
                usecols=[*wanted, *more],
                index_col=False,
                dtype=types,
            )

    try:
        try:
            table = read([extra])
        except ValueError as error:
            if "Too many columns" not in str(error):
                raise
            return read([])  # no row is longer than the header
    except pd.errors.EmptyDataError:
        return pd.DataFrame({name: [] for name in wanted}, dtype="float64")
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise ImuError("imu_bad_number", f"{path}: {' '.join(str(error).split())}") from None
    longer = table.pop(extra).notna()
    if longer.any():
        raise ImuError(
            "imu_extra_cells",
            f"{path}: {longer.sum()} of {len(table)} rows have more cells than the header names, the first in line "
            f"{int(longer.to_numpy().argmax()) + 1 + skip}: is a column without a name before them?",
        )
    return table
