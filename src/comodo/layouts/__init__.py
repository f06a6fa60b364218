"""How datasets lie on disk: one module per layout behind the small protocol `Layout`.

A layout lists its recordings from split files alone (Snakemake does this each time it parses the workflow, so nothing
here imports more than the standard library) and reads the raw IMU of one recording at a time.
"""

from __future__ import annotations

import csv
import hashlib
import math
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from comodo.config import SPLITS, DatasetSettings
from comodo.text import inert_line

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


STANDARD_GRAVITY = 9.80665  # m/s² per g
LARGEST_LIST = 64 << 20  # bytes of a split file or table of recordings: half a million of them
LONGEST_LINE = 1 << 20  # characters of the header of an IMU csv
UESTC_LINE = re.compile(r"(?:[^\t]*/)?(?P<class>[^/\t]+)/(?P<name>[^/\t]+) \d+ \d+ \d+")


class LayoutError(ValueError):
    """A dataset that cannot be listed; one line that names the file, the config key and the remedy."""

    def __init__(self, message: str) -> None:
        super().__init__(inert_line(message))


class ImuError(Exception):
    """IMU of one recording that cannot be used; `reason` is a key of `comodo.clips.REASONS`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(inert_line(message))
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Recording:
    """One video with its IMU, one label, one split; of an IMU-only dataset (`video: null`) the IMU alone."""

    id: str
    split: str  # "train", "val" or "test"
    label: str
    video: Path | None  # None in an IMU-only dataset
    imu: Path  # the same as `video` where the camera file holds the IMU
    group: str = ""  # session or subject, "" where unknown
    start_s: float = 0.0  # the part of the file that is this recording
    end_s: float | None = None


@dataclass(slots=True)
class ImuSamples:
    """Raw IMU of one component, in file order and uncleaned (NaN allowed); float64.

    Times are seconds relative to the first frame of the recording's video, or to the first sample where an IMU-only
    dataset has no such clock; NaN where the file has none. Give the same array as `accel_t` and `gyro_t` where the two
    sensors share a clock.
    """

    accel_t: NDArray[np.float64]  # (Na,) s
    accel: NDArray[np.float64]  # (3, Na) m/s²
    gyro_t: NDArray[np.float64]  # (Ng,) s
    gyro: NDArray[np.float64]  # (3, Ng) rad/s
    notes: list[str] = field(default_factory=list)  # what looks odd, for the quality report
    rate_hz: int | None = None  # the nominal rate, where the times are counted from it
    gravity: float = 9.81  # |accel| at rest: 1 where the published scaling leaves it in g


class Layout(Protocol):
    """A reader of raw data."""

    def recordings(self) -> list[Recording]:
        """List all recordings from split files; opens no media. Raises `LayoutError`."""
        ...

    def read_imu(self, recording: Recording) -> list[ImuSamples]:
        """Read the raw IMU of a recording, one entry per component. Raises `ImuError`."""
        ...


def open_layout(name: str, settings: DatasetSettings) -> Layout:
    """Make the reader of the dataset called `name` in the config (`datasets.<name>` stands in error messages)."""
    if settings.layout == "ego4d":
        from comodo.layouts.ego4d import Ego4D

        return Ego4D(name, settings)
    if settings.layout == "egoexo4d":
        from comodo.layouts.egoexo4d import EgoExo4D

        return EgoExo4D(name, settings)
    if settings.layout == "uestc":
        from comodo.layouts.uestc import Uestc

        return Uestc(name, settings)
    from comodo.layouts.table import Table

    return Table(name, settings)


def shard_of(recording_id: str, shards: int) -> int:
    """Which of `shards` jobs handles a recording: the same on every machine and in every process."""
    return int.from_bytes(hashlib.sha256(_bytes(recording_id)).digest()[:8], "big") % shards


def safe_name(recording_id: str) -> str:
    """Turn any id into a file name and HDF5 key: ASCII letters, digits and `_-.%~`, no leading dot, ≤ 200 characters.

    Different ids get different names (on file systems that tell cases apart); long ones end in a digest.
    """
    name = quote(_bytes(recording_id), safe="").replace("~", "%7E") or "%"
    if name.startswith("."):
        name = "%2E" + name[1:]
    if len(name) > 200:
        name = f"{name[:120]}~{hashlib.sha256(_bytes(recording_id)).hexdigest()}"
    return name


def fingerprint(recordings: Iterable[Recording]) -> str:
    """Digest of which raw files the recordings use and of each file's size and mtime: one `stat` per file.

    A missing or unreadable file counts as "missing", so that its later arrival changes the digest. The cut
    (`start_s`, `end_s`) is part of it; label and split are not.
    """
    digest = hashlib.sha256()
    stats: dict[Path, str] = {}
    for recording in recordings:
        files: list[Path | str] = []
        for path in (recording.video, recording.imu):
            if path is not None:
                if path not in stats:
                    stats[path] = _stat(path)
                files += [path, stats[path]]
        fields = (recording.id, *files)
        digest.update(
            repr((*map(str, fields), recording.start_s, recording.end_s)).encode("utf-8", "surrogatepass")
        )
    return digest.hexdigest()


def required_splits(settings: DatasetSettings) -> tuple[str, ...]:
    """Which splits must hold recordings: val gives the anchors of a teacher, which an IMU-only dataset never has."""
    return SPLITS if settings.video is not None else ("train", "test")


def read_split_files(
    folder: Path, key: str = "splits", required: Sequence[str] = SPLITS
) -> list[tuple[str, str, str]]:
    """Read `train.txt`, `val.txt` and `test.txt` as (id, label, split), in file order.

    Lines are `id<TAB>label`, as published for Ego4D and EgoExo4D, or `…/<class>/<name> <count> <count> <number>`, as
    published for UESTC-MMEA-CL: there the id is `<class>/<name>` and the label `<class>`. `key` is the config key named
    in errors; the file of a split that is not `required` may be missing or empty.

    Raises
    ------
    LayoutError
        A file is missing, empty or malformed, or the splits are unsound (see `check_splits`).
    """
    rows = []
    for split in SPLITS:
        path = folder / f"{split}.txt"
        if split not in required and not os.path.exists(path):
            continue
        lines = read_text(path, key, LARGEST_LIST).splitlines()
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            if counted := UESTC_LINE.fullmatch(line.strip()):
                recording_id, label = f"{counted['class']}/{counted['name']}", counted["class"]
            else:
                recording_id, _, label = (part.strip() for part in line.partition("\t"))
            if not recording_id or not label:
                raise LayoutError(f"{path}:{number}: {line[:80]!r} is not `id<TAB>label` (config key {key})")
            rows.append((recording_id, label, split))
    check_splits(rows, folder, key, required)
    return rows


def check_splits(
    rows: Sequence[tuple[str, str, str]], source: Path, key: str, required: Sequence[str] = SPLITS
) -> None:
    """Check (id, label, split) rows; `source` and `key` are the file or folder and the config key to name.

    Raises
    ------
    LayoutError
        A `required` split is empty, an id is listed twice or in two splits, train holds a single class, or val or test
        hold a label that train does not.
    """
    where = f"{source} (config key {key})"
    seen: dict[str, str] = {}
    labels: dict[str, set[str]] = {split: set() for split in SPLITS}
    for recording_id, label, split in rows:
        if recording_id in seen:
            place = (
                f"twice in {split}"
                if seen[recording_id] == split
                else f"in {seen[recording_id]} and in {split}"
            )
            raise LayoutError(f"{where}: recording {recording_id!r} is listed {place}; list it once")
        seen[recording_id] = split
        labels[split].add(label)
    for split in required:
        if not labels[split]:
            needed = f"{', '.join(required[:-1])} and {required[-1]}"
            raise LayoutError(f"{where}: no recording in split {split!r}; each of {needed} needs some")
    if len(labels["train"]) < 2:
        only = next(iter(labels["train"]))
        raise LayoutError(
            f"{where}: train holds a single class, {only!r}; two or more are needed to tell apart"
        )
    for split in SPLITS[1:]:
        unknown = sorted(labels[split] - labels["train"])
        if unknown:
            named = ", ".join(map(repr, unknown[:5])) + (" …" if len(unknown) > 5 else "")
            raise LayoutError(
                f"{where}: {split} holds labels that train does not: {named}; relabel or move them"
            )


def read_text(path: Path, key: str, largest: float = math.inf) -> str:
    """Read a UTF-8 file that the config names, with or without a byte order mark.

    Raises `LayoutError`, also where it has more than `largest` bytes.
    """
    try:
        if (size := path.stat().st_size) > largest:
            raise LayoutError(f"{path} has {size >> 20} MB, too much for a list: see config key {key}")
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise LayoutError(f"{path} does not exist: put the file there or correct config key {key}") from None
    except LayoutError:
        raise
    except (OSError, ValueError) as error:
        raise LayoutError(f"{path} cannot be read ({error}): see config key {key}") from None


def check_root(settings: DatasetSettings, key: str) -> Path:
    """Return the folder of raw data. Raises `LayoutError` where there is none."""
    root = Path(settings.root)
    if not os.path.isdir(root):
        raise LayoutError(f"{root} is not a folder: unpack the raw data there or correct config key {key}")
    return root


def split_folder(settings: DatasetSettings) -> Path:
    """Folder of the split files: the config key `splits`, else `<root>/splits`."""
    return Path(settings.splits) if settings.splits else Path(settings.root) / "splits"


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
        with path.open(encoding="utf-8-sig", newline="") as file:
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
        return pd.read_csv(
            path, header=None, names=names, skiprows=skip, usecols=wanted, index_col=False, dtype="float64"
        )
    except pd.errors.EmptyDataError:
        return pd.DataFrame({name: [] for name in wanted}, dtype="float64")
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise ImuError("imu_bad_number", f"{path}: {' '.join(str(error).split())}") from None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _stat(path: Path) -> str:
    try:
        stat = os.stat(path)
    except (OSError, ValueError):  # ValueError: a null byte in the id
        return "missing"
    return f"{stat.st_size} {stat.st_mtime_ns}"
