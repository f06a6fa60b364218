"""Rows of the table of recordings (layout `table`), checked cell by cell."""

from __future__ import annotations

import csv
import io
import math
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from comodo.config import PREDICT, SPLITS, DatasetSettings
from comodo.errors import LayoutError
from comodo.layouts.split_files import LARGEST_LIST, read_text
from comodo.layouts.types import Recording
from comodo.layouts.video_clock import CREATION_TIME, epoch_seconds

COLUMNS = ("recording", "split", "label", "video", "imu")
UNDIVIDED = "train"  # split of all recordings of a table without the column `split`
LATEST_S = 1e7  # of a cut: no recording is four months long


class TableRows:
    """Reader of the rows of a table; `key` is the config key of its dataset, `root` the folder of its files."""

    def __init__(self, key: str, settings: DatasetSettings, root: Path) -> None:
        self.key, self.settings, self.root = key, settings, root
        self.path = Path(settings.table or "")
        self.divided = True  # the rows have splits, and no folds divide them; known after `read`

    def read(self) -> list[Recording]:
        """Return a recording for each row. Raises `LayoutError`."""
        text = read_text(self.path, f"{self.key}.table", LARGEST_LIST)
        try:
            return self._read(csv.DictReader(io.StringIO(text, newline="")), self.root, self.path)
        except csv.Error as error:
            raise LayoutError(f"{self.path} is no csv ({error}): see config key {self.key}.table") from None

    def _read(self, reader: csv.DictReader[str], root: Path, path: Path) -> list[Recording]:
        names = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = names
        spared = {"video": not self.settings.video, "label": self.settings.segments is not None}
        spared["imu"] = {"accel", "gyro"} <= set(names)
        folds = self.settings.folds
        group = [folds.by] if folds is not None and folds.by is not None else []
        needed = [*(column for column in COLUMNS if not spared.get(column)), *group]
        self.divided = "split" in names and folds is None
        missing = [column for column in needed if column not in {*names, "split"}]  # split: `check_divided`
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
        cells.setdefault("split", UNDIVIDED)
        if self.settings.folds is not None:
            cells["split"] = cells["split"] or UNDIVIDED
        if cells["split"] and cells["split"] not in (known := (*SPLITS, PREDICT)):
            raise LayoutError(
                f"{where}: split {cells['split']!r} is none of {', '.join(known)} ({self.key}.table)"
            )
        predict = cells["split"] == PREDICT
        imu, gyro = self._sensors(cells, where)
        media = "video" if cells.get("video") or (self.settings.video and not predict) else "imu"
        filled = cells | {"imu": imu, "label": cells.get("label") or self.settings.segments}
        for column in ("recording", "split", *([] if predict else ["label"]), media):
            if not filled.get(column):
                raise LayoutError(f"{where}: the cell {column!r} is empty (config key {self.key}.table)")
        start, end = (self._seconds(cells.get(column, ""), column, where) for column in ("start_s", "end_s"))
        if end is not None and end <= (start or 0.0):
            raise LayoutError(
                f"{where}: end_s {end:g} is not after start_s {start or 0:g} (config key {self.key}.table)"
            )
        offset = self._offset(cells, where)
        used = cells.get("video") and (self.settings.video or not imu)
        files = self._chapters(cells["video"], root, where) if used else []
        video = files[0] if files else None
        return Recording(
            id=cells["recording"],
            split=cells["split"],
            label=cells.get("label", ""),
            video=video,
            imu=video if video and not imu else root / imu,
            group=cells.get((self.settings.folds and self.settings.folds.by) or "group", ""),
            start_s=start or 0.0,
            end_s=end,
            offset_s=offset,
            chapters=tuple(files[1:]),
            gyro=root / gyro if gyro else None,
        )

    def _sensors(self, cells: dict[str, str], where: str) -> tuple[str, str]:
        """The cell that names the IMU or the accelerometer's file, and the one that names the gyroscope's or ""."""
        imu, accel, gyro = (cells.get(column, "") for column in ("imu", "accel", "gyro"))
        if bool(accel) != bool(gyro) or (imu and accel):
            raise LayoutError(
                f"{where}: name the IMU file in the cell 'imu', or one file for each sensor in 'accel' and 'gyro' "
                f"(config key {self.key}.table)"
            )
        return accel or imu, gyro

    def _chapters(self, cell: str, root: Path, where: str) -> list[Path]:
        """The files of a cell `video`; a name may hold a semicolon."""
        names = [name.strip() for name in cell.split(";")]
        if len(names) == 1 or os.path.exists(root / cell):
            return [root / cell]
        if not all(names) or len(set(names)) < len(names):
            raise LayoutError(
                f"{where}: the cell 'video' is {cell!r}: name each chapter once, separated by semicolons "
                f"(config key {self.key}.table)"
            )
        return [root / name for name in names]

    def _offset(self, cells: dict[str, str], where: str) -> float | None:
        """The reading of the IMU's clock at the first video frame, s; None: the video's creation time."""
        offset, start = cells.get("offset_s", ""), cells.get("video_start", "")
        if not (offset or start):
            return 0.0
        if offset and start:
            raise LayoutError(
                f"{where}: give offset_s or video_start, not both (config key {self.key}.table)"
            )
        if not self.settings.video or not cells.get("video"):
            why = "the row names none" if self.settings.video else f"{self.key}.video is null"
            raise LayoutError(
                f"{where}: {'offset_s' if offset else 'video_start'} places IMU on the clock of a video, but {why}: "
                "leave it empty"
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


def check_cuts(recordings: Sequence[Recording], path: Path, key: str) -> None:
    """Refuse footage that is in two splits under two names; that of `predict` may be in others."""
    by_file = defaultdict(list)
    for recording in recordings:
        if recording.split != PREDICT:
            by_file[recording.video or recording.imu, *recording.chapters].append(recording)
    _check_chapters(by_file, path, key)
    for (file, *_), cuts in by_file.items():
        cuts.sort(key=lambda cut: cut.start_s)
        # Against the cut that reaches furthest so far, one per split.
        furthest: dict[str, Recording] = {}
        for cut in cuts:
            for split, other in furthest.items():
                if split != cut.split and end_of(other) > cut.start_s:
                    raise LayoutError(
                        f"{path} (config key {key}.table): {other.id!r} in {split} and {cut.id!r} in "
                        f"{cut.split} share footage of {file}: correct start_s and end_s, or use one split"
                    )
            if cut.split not in furthest or end_of(cut) > end_of(furthest[cut.split]):
                furthest[cut.split] = cut


def _check_chapters(by_file: dict[tuple[Path, ...], list[Recording]], path: Path, key: str) -> None:
    """Refuse files of two splits that are chapters in only one of them: where they lie, only the media tell."""
    rows: dict[Path, tuple[tuple[Path, ...], Recording]] = {}
    for files, recordings in by_file.items():
        for file in files:
            for recording in recordings:
                known, other = rows.setdefault(file, (files, recording))
                if known != files and other.split != recording.split:
                    raise LayoutError(
                        f"{path} (config key {key}.table): {other.id!r} in {other.split} and {recording.id!r} "
                        f"in {recording.split} share {file}: name the same chapters in both, or use one split"
                    )


def end_of(recording: Recording) -> float:
    """The end of a recording in its file, s; infinite where the file's end is."""
    return math.inf if recording.end_s is None else recording.end_s
