"""Anyone's own recordings: a csv with one row per recording.

Columns `recording, split, label, video, imu` and, where wanted, `group, start_s, end_s` and `offset_s` or
`video_start`. Paths are relative to the dataset's `root`. An empty `imu` means that the camera file holds the IMU (see
`camera`); else it is a csv whose columns, units and clock the config key `imu.csv` describes. Where each sensor has a
csv of its own, columns `accel` and `gyro` name them in place of `imu`. With `start_s` and `end_s` (seconds of the
video) several recordings can be cut out of one file; the config key `segments` names a csv of such cuts with their
labels. A cell `video` of several files, separated by semicolons, names the chapters of one recording.

The clock of an IMU csv counts from the video's first frame. If it does not, `offset_s` is its reading at that frame, in
s, or `video_start` the time of day of that frame for a clock in epoch time (see `video_clock`).

Rows of the split `predict` are recordings to classify: they need no label, and no video beside an IMU file.

An IMU-only dataset (`video: null`) needs no `video`: time starts at the first sample of the IMU file.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from comodo.config import DatasetSettings
from comodo.errors import ImuError, LayoutError
from comodo.layouts.described_csv import read_described
from comodo.layouts.segments import into_segments, read_segments
from comodo.layouts.split_files import check_root, check_splits, required_splits
from comodo.layouts.table_rows import UNDIVIDED, TableRows, check_cuts, end_of
from comodo.layouts.types import SIDECARS, ImuSamples, Recording
from comodo.layouts.video_clock import clock_hint, creation_time
from comodo.notes import note

MARGIN_S = 0.1  # of IMU around a recording that is cut out of a longer file
ROUNDING_S = 1e-6  # tolerance for a sample at the margin's edge


class Table:
    """Reader of the table layout."""

    def __init__(self, name: str, settings: DatasetSettings) -> None:
        self.key = f"datasets.{name}"
        self.settings = settings

    def recordings(self) -> list[Recording]:
        """List the rows of the table, or their segments. Raises `LayoutError`."""
        path = Path(self.settings.table or "")
        table = self._table()
        recordings = table.read()
        if self.settings.segments is not None:
            source = Path(self.settings.segments)
            recordings = into_segments(
                recordings, read_segments(source, f"{self.key}.segments"), source, self.key
            )
        rows = [(r.id, r.label, r.split) for r in recordings]
        # without splits, the dataset needs folds: `check_divided`
        required = required_splits(self.settings) if table.divided else (UNDIVIDED,)
        check_splits(rows, path, f"{self.key}.table", required)
        check_cuts(recordings, path, self.key)
        return recordings

    def rows(self) -> list[Recording]:
        """List the rows of the table without cutting them into segments. Raises `LayoutError`."""
        return self._table().read()

    def _table(self) -> TableRows:
        root = check_root(self.settings, f"{self.key}.root")
        return TableRows(self.key, self.settings, root)

    @cached_property
    def _listed(self) -> set[Path]:
        """The files of the table."""
        return {path for recording in self.rows() for path in recording.files}

    def clock_files(self, recording: Recording) -> list[Path]:
        """Name the gyroscope's file, where it is another one; a csv or camera file holds its own clock."""
        return [] if recording.gyro is None else [recording.gyro]

    def read_imu(self, recording: Recording) -> list[ImuSamples]:
        """Read the IMU of a recording from its csv or camera file, cut out with a small margin. Raises `ImuError`."""
        from comodo.layouts.camera import read_camera
        from comodo.layouts.chapters import join_chapters, next_chapter

        camera = recording.imu == recording.video or recording.imu.suffix.lower() in SIDECARS
        files = (recording.imu, *recording.chapters) if recording.imu == recording.video else (recording.imu,)
        if camera:
            samples = join_chapters(files, [read_camera(path) for path in files])
        else:
            columns = self.settings.imu.csv
            assert columns is not None  # ensured by `check_imu_described`
            samples = read_described(recording.imu, recording.gyro, columns, self.settings.video is None)
        if camera and (chapter := next_chapter(files[-1])) and chapter not in self._listed:
            text = f"the next chapter {chapter.name} lies beside it and is not in the table"
            samples.notes.append(note("imu_chapter", text))
        offset = recording.offset_s
        if offset is None:
            assert recording.video is not None  # ensured by `TableRows`
            offset = creation_time(recording.video)
            samples.notes.append(note("imu_created", f"placed by the video's creation time, {offset:.0f} s"))
        if offset:
            shared = samples.gyro_t is samples.accel_t
            samples.accel_t = samples.accel_t - offset
            samples.gyro_t = samples.accel_t if shared else samples.gyro_t - offset
        if recording.start_s == 0 and recording.end_s is None:
            return [samples]
        return [_cut(samples, recording.start_s, end_of(recording))]


def check_imu_described(name: str, settings: DatasetSettings, recordings: Sequence[Recording]) -> None:
    """Refuse csv files whose columns the config does not describe. Raises `LayoutError`.

    Apart from `recordings()`, as most jobs of the workflow list recordings without knowing of `imu`.
    """
    if settings.layout != "table":
        return
    key, columns = f"datasets.{name}.imu.csv", settings.imu.csv
    described = [r for r in recordings if r.imu != r.video and r.imu.suffix.lower() not in SIDECARS]
    if columns is None and described:
        raise LayoutError(f"{described[0].imu} is a csv: describe its columns in config key {key}")
    whole = [recording.imu for recording in described if recording.gyro is None]
    if columns is not None and whole and (both := [name for name in columns.accel if name in columns.gyro]):
        raise LayoutError(
            f"{key}: column {', '.join(both)} is named for accel and for gyro, but {whole[0]} holds both sensors: "
            "name different columns, or a file for each sensor (columns accel and gyro of the table)"
        )


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
