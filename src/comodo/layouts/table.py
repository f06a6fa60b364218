"""Anyone's own recordings: a csv with one row per recording.

Columns `recording, split, label, video, imu` and, where wanted, `group, start_s, end_s` and `offset_s` or
`video_start`. Paths are relative to the dataset's `root`. An empty `imu` means that the camera file holds the IMU (see
`camera`); else it is a csv whose columns, units and clock the config key `imu.csv` describes. With `start_s` and
`end_s` (seconds of the video file) several recordings can be cut out of one file.

The clock of an IMU csv counts from the video's first frame. If it does not, `offset_s` is its reading at that frame, in
s, or `video_start` the time of day of that frame for a clock in epoch time (see `video_clock`).

An IMU-only dataset (`video: null`) needs no `video`: time starts at the first sample of the IMU file.
"""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from comodo.config import SPLITS, DatasetSettings
from comodo.errors import ImuError, LayoutError
from comodo.layouts.imu_csv import read_imu_csv
from comodo.layouts.split_files import LARGEST_LIST, check_root, check_splits, read_text, required_splits
from comodo.layouts.types import SIDECARS, STANDARD_GRAVITY, ImuSamples, Recording
from comodo.layouts.video_clock import CREATION_TIME, clock_hint, creation_time, epoch_seconds
from comodo.notes import note

COLUMNS = ("recording", "split", "label", "video", "imu")
TIME_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
LATEST_S = 1e7  # of a cut: no recording is four months long
MARGIN_S = 0.1  # of IMU around a recording that is cut out of a longer file
ROUNDING_S = 1e-6  # tolerance for a sample at the margin's edge


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
        offset = self._offset(cells, where)
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
            offset_s=offset,
        )

    def _offset(self, cells: dict[str, str], where: str) -> float | None:
        """The reading of the IMU's clock at the first video frame, s; None: the video's creation time."""
        offset, start = cells.get("offset_s", ""), cells.get("video_start", "")
        if not (offset or start):
            return 0.0
        if offset and start:
            raise LayoutError(
                f"{where}: give offset_s or video_start, not both (config key {self.key}.table)"
            )
        if not self.settings.video:
            raise LayoutError(
                f"{where}: {'offset_s' if offset else 'video_start'} places IMU on the clock of a video, but "
                f"{self.key}.video is null: leave it empty"
            )
        if start == CREATION_TIME:
            return None
        try:
            value = float(offset) if offset else epoch_seconds(start)
        except ValueError as error:
            what = f"offset_s {offset!r} is not a number of seconds" if offset else f"video_start: {error}"
            raise LayoutError(f"{where}: {what} (config key {self.key}.table)") from None
        if not math.isfinite(value):
            raise LayoutError(f"{where}: offset_s {offset!r} is not finite (config key {self.key}.table)")
        return value

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
        """Refuse footage that is in two splits under two names."""
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

    @cached_property
    def _listed(self) -> set[Path]:
        """The videos of the table."""
        return {recording.video for recording in self.recordings() if recording.video is not None}

    def clock_files(self, recording: Recording) -> list[Path]:
        """Name nothing: a csv or camera file holds its own clock."""
        return []

    def read_imu(self, recording: Recording) -> list[ImuSamples]:
        """Read the IMU of a recording from its csv or camera file, cut out with a small margin. Raises `ImuError`."""
        from comodo.layouts.camera import next_chapter, read_camera

        camera = recording.imu == recording.video or recording.imu.suffix.lower() in SIDECARS
        samples = read_camera(recording.imu) if camera else self._read_csv(recording.imu)
        if camera and (chapter := next_chapter(recording.imu)) and chapter not in self._listed:
            text = f"the next chapter {chapter.name} lies beside it and is not in the table"
            samples.notes.append(note("imu_chapter", text))
        offset = recording.offset_s
        if offset is None:
            assert recording.video is not None  # ensured by `_offset`
            offset = creation_time(recording.video)
            samples.notes.append(note("imu_created", f"placed by the video's creation time, {offset:.0f} s"))
        if offset:
            shared = samples.gyro_t is samples.accel_t
            samples.accel_t = samples.accel_t - offset
            samples.gyro_t = samples.accel_t if shared else samples.gyro_t - offset
        if recording.start_s == 0 and recording.end_s is None:
            return [samples]
        return [_cut(samples, recording.start_s, _end(recording))]

    def _read_csv(self, path: Path) -> ImuSamples:
        import numpy as np

        columns = self.settings.imu.csv
        assert columns is not None  # ensured by `check_imu_described`
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
    undescribed = [r.imu for r in recordings if r.imu != r.video and r.imu.suffix.lower() not in SIDECARS]
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
    if not accel.any() and (samples.accel_t == samples.accel_t).any():
        first, last = samples.accel_t[samples.accel_t == samples.accel_t][[0, -1]]
        raise ImuError(
            "no_overlap",
            f"IMU from {first:.2f} to {last:.2f} s, the cut from {start:.2f} to {end:.2f} s{clock_hint(first)}",
        )
    return ImuSamples(
        accel_t[accel], samples.accel[:, accel], gyro_t[gyro], samples.gyro[:, gyro], samples.notes
    )
