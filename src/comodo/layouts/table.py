"""Anyone's own recordings: a csv with one row per recording.

Columns `recording, split, label, video, imu` and, where wanted, `group, start_s, end_s`. Paths are relative to the
dataset's `root`. An empty `imu` means that the camera file holds the IMU (GoPro, Insta360, Sony: read by
telemetry-parser); else it is a csv whose columns, units and clock the config key `imu.csv` describes. With `start_s`
and `end_s` (seconds of the video file) several recordings can be cut out of one file.

An IMU-only dataset (`video: null`) needs no `video`: time starts at the first sample of the IMU file.
"""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from comodo.config import SPLITS, DatasetSettings
from comodo.errors import ImuError, LayoutError
from comodo.layouts.imu_csv import read_imu_csv
from comodo.layouts.reader_packages import require_reader
from comodo.layouts.sample_tables import find_overclaim
from comodo.layouts.split_files import LARGEST_LIST, check_root, check_splits, read_text, required_splits
from comodo.layouts.types import STANDARD_GRAVITY, ImuSamples, Recording
from comodo.storage.regular import open_regular

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COLUMNS = ("recording", "split", "label", "video", "imu")
TIME_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
LATEST_S = 1e7  # of a cut: no recording is four months long
MARGIN_S = 0.1  # of IMU around a recording that is cut out of a longer file
ROUNDING_S = 1e-6  # a sample at the margin's edge is taken wherever it lies in the file


class Table:
    """Reader of the table layout."""

    def __init__(self, name: str, settings: DatasetSettings) -> None:
        self.key = f"datasets.{name}"
        self.settings = settings

    def recordings(self) -> list[Recording]:
        """List the rows of the table. Raises `LayoutError`."""
        root = check_root(self.settings, f"{self.key}.root")
        path = Path(self.settings.table or "")
        text = read_text(path, f"{self.key}.table", LARGEST_LIST)
        try:
            recordings = self._read(csv.DictReader(io.StringIO(text, newline="")), root, path)
        except csv.Error as error:
            raise LayoutError(f"{path} is no csv ({error}): see config key {self.key}.table") from None
        rows = [(r.id, r.label, r.split) for r in recordings]
        check_splits(rows, path, f"{self.key}.table", required_splits(self.settings))
        self._check_cuts(recordings, path)
        return recordings

    def _read(self, reader: csv.DictReader[str], root: Path, path: Path) -> list[Recording]:
        names = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = names
        needed = [column for column in COLUMNS if column != "video" or self.settings.video]
        missing = [column for column in needed if column not in names]
        if missing:
            hint = "; it is separated by ';', not ','" if any(";" in name for name in names) else ""
            where = f"{path} (config key {self.key}.table)"
            raise LayoutError(
                f"{where}: no column {', '.join(missing)}{hint}; needed are {', '.join(needed)}"
            )
        return [self._recording(row, root, f"{path}:{reader.line_num}") for row in reader]

    def _recording(self, row: dict[str, str | None], root: Path, where: str) -> Recording:
        cells = {
            name: (value or "").strip()
            for name, value in row.items()
            if isinstance(value, str) or value is None
        }
        media = "video" if self.settings.video or cells.get("video") else "imu"
        for column in ("recording", "split", "label", media):
            if not cells[column]:
                raise LayoutError(f"{where}: the cell {column!r} is empty (config key {self.key}.table)")
        if cells["split"] not in SPLITS:
            raise LayoutError(
                f"{where}: split {cells['split']!r} is none of {', '.join(SPLITS)} ({self.key}.table)"
            )
        start, end = (self._seconds(cells.get(column, ""), column, where) for column in ("start_s", "end_s"))
        if end is not None and end <= (start or 0.0):
            raise LayoutError(
                f"{where}: end_s {end:g} is not after start_s {start or 0:g} (config key {self.key}.table)"
            )
        video = root / cells["video"] if self.settings.video or not cells["imu"] else None
        return Recording(
            id=cells["recording"],
            split=cells["split"],
            label=cells["label"],
            video=video,
            imu=video if video and not cells["imu"] else root / cells["imu"],
            group=cells.get("group", ""),
            start_s=start or 0.0,
            end_s=end,
        )

    def _seconds(self, cell: str, column: str, where: str) -> float | None:
        if not cell:
            return None
        try:
            value = float(cell)
        except ValueError:
            value = math.nan
        if not 0 <= value <= LATEST_S:
            raise LayoutError(
                f"{where}: {column} {cell!r} is not a number of seconds ≥ 0 and ≤ {LATEST_S:.0f} "
                f"(config key {self.key}.table)"
            )
        return value

    def _check_cuts(self, recordings: list[Recording], path: Path) -> None:
        """Refuse footage that lies in two splits under two names."""
        by_file = defaultdict(list)
        for recording in recordings:
            by_file[recording.video or recording.imu].append(recording)
        for file, cuts in by_file.items():
            cuts.sort(key=lambda cut: cut.start_s)
            # Against the cut that reaches furthest so far, one per split.
            furthest: dict[str, Recording] = {}
            for cut in cuts:
                for split, other in furthest.items():
                    if split != cut.split and _end(other) > cut.start_s:
                        raise LayoutError(
                            f"{path} (config key {self.key}.table): {other.id!r} in {split} and {cut.id!r} in "
                            f"{cut.split} share footage of {file}: correct start_s and end_s, or use one split"
                        )
                if cut.split not in furthest or _end(cut) > _end(furthest[cut.split]):
                    furthest[cut.split] = cut

    def clock_files(self, recording: Recording) -> list[Path]:
        """Name nothing: a csv or camera file holds its own clock."""
        return []

    def read_imu(self, recording: Recording) -> list[ImuSamples]:
        """Read the IMU of a recording from its csv or camera file, cut out with a small margin. Raises `ImuError`."""
        samples = (
            _read_camera(recording.imu) if recording.imu == recording.video else self._read_csv(recording.imu)
        )
        if recording.start_s == 0 and recording.end_s is None:
            return [samples]
        return [_cut(samples, recording.start_s, _end(recording))]

    def _read_csv(self, path: Path) -> ImuSamples:
        import numpy as np

        columns = self.settings.imu.csv
        assert columns is not None  # check_imu_described has seen to it
        clock = () if columns.time is None else (columns.time,)
        table = read_imu_csv(path, (*clock, *columns.accel, *columns.gyro))
        origin = 0.0
        if columns.time is None:
            time = np.arange(len(table)) / (columns.rate_hz or 1.0)
        else:
            time = table[columns.time].to_numpy()
            if self.settings.video is None:
                begin = np.min(time, where=np.isfinite(time), initial=np.inf)
                time = time - begin
                origin = float(begin) * TIME_UNITS[columns.time_unit]
            time = time * TIME_UNITS[columns.time_unit]
        accel = table[list(columns.accel)].to_numpy().T * (
            STANDARD_GRAVITY if columns.accel_unit == "g" else 1.0
        )
        gyro = table[list(columns.gyro)].to_numpy().T * (
            math.pi / 180 if columns.gyro_unit == "deg/s" else 1.0
        )
        return ImuSamples(accel_t=time, accel=accel, gyro_t=time, gyro=gyro, origin_s=origin)


def check_imu_described(name: str, settings: DatasetSettings, recordings: Sequence[Recording]) -> None:
    """Refuse csv files whose columns the config does not describe. Raises `LayoutError`.

    Apart from `recordings()`, as most jobs of the workflow list recordings without knowing of `imu`.
    """
    undescribed = [r.imu for r in recordings if r.imu != r.video]
    if settings.layout == "table" and settings.imu.csv is None and undescribed:
        key = f"datasets.{name}.imu.csv"
        raise LayoutError(f"{undescribed[0]} is a csv: describe its columns in config key {key}")


def _end(recording: Recording) -> float:
    return math.inf if recording.end_s is None else recording.end_s


def _cut(samples: ImuSamples, start: float, end: float) -> ImuSamples:
    """Keep [start, end) with a margin, which interpolation at the ends needs, and count time from `start`."""
    accel_t, gyro_t = samples.accel_t - start, samples.gyro_t - start
    margin = MARGIN_S + ROUNDING_S
    accel, gyro = ((time >= -margin) & (time < end - start + margin) for time in (accel_t, gyro_t))
    return ImuSamples(accel_t[accel], samples.accel[:, accel], gyro_t[gyro], samples.gyro[:, gyro])


def _read_camera(path: Path) -> ImuSamples:
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
