"""Ego-Exo4D: `takes/<take>/` with the video and the IMU of Aria glasses, and split files `take<TAB>label`.

The video is `frame_aligned_videos/downscaled/448/<camera>_214-1.mp4`, the IMU `<camera>_noimagestreams.vrs`;
`takes.json` lists the camera of each take. https://docs.ego-exo4d-data.org/data/takes/

IMU times are on the clock of the glasses. The time of the video's first frame on it is in
`captures/<capture>/timesync.csv`; where that is missing, the first record of the RGB stream gives it, and where there
is none either (`noimagestreams`), the start of the IMU does: video and IMU were cut to the take. So it does in an
IMU-only dataset.
"""

from __future__ import annotations

import csv
import json
import os
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from comodo.config import DatasetSettings
from comodo.errors import ImuError, LayoutError
from comodo.layouts.imu_csv import LONGEST_LINE
from comodo.layouts.processed import SUFFIX, clock_files, imu_path, read_processed_imu, video_path
from comodo.layouts.split_files import check_root, read_split_files, read_text, required_splits, split_folder
from comodo.layouts.types import ImuSamples, Recording
from comodo.notes import note
from comodo.storage.regular import open_text

RGB_STREAM = "214-1"
VIDEOS = Path("frame_aligned_videos", "downscaled", "448")
VRS_NAME = "{camera}_noimagestreams.vrs"


class _Take(NamedTuple):
    """What `takes.json` says about a take."""

    folder: str  # relative to the root
    camera: str  # of the glasses: aria01, …
    capture: str = ""
    first_row: int = -1  # of the take in the capture's timesync.csv, −1 where unknown


class EgoExo4D:
    """Reader of the Ego-Exo4D layout."""

    def __init__(self, name: str, settings: DatasetSettings) -> None:
        self.key = f"datasets.{name}"
        self.settings = settings
        self.root = Path(settings.root)

    def recordings(self) -> list[Recording]:
        """List the takes of the split files. Raises `LayoutError`."""
        check_root(self.settings, f"{self.key}.root")
        needed = required_splits(self.settings)
        rows = read_split_files(split_folder(self.settings), f"{self.key}.splits", needed)
        return [self._recording(*row) for row in rows]

    def _recording(self, name: str, label: str, split: str) -> Recording:
        take = self._takes.get(name) or _find_take(self.root, name)
        folder = self.root / take.folder
        video = folder / VIDEOS / f"{take.camera}_{RGB_STREAM}.mp4"
        return Recording(
            id=name,
            split=split,
            label=label,
            video=video_path(video, self.root, name) if self.settings.video else None,
            imu=imu_path(folder / VRS_NAME.format(camera=take.camera), self.root, name),
            group=name.rpartition("_")[0],  # takes are numbered within their session
        )

    @cached_property
    def _takes(self) -> dict[str, _Take]:
        return _read_takes(self.root / "takes.json", f"{self.key}.root")

    def clock_files(self, recording: Recording) -> list[Path]:
        """Name the times of a processed array, or what places an Aria recording on the clock of its video."""
        if recording.imu.suffix == SUFFIX or recording.video is None:
            return clock_files(recording)
        take = self._takes.get(recording.id)
        timesync = [self._timesync(take)] if take is not None and take.capture else []
        return [self.root / "takes.json", *timesync]

    def _timesync(self, take: _Take) -> Path:
        return self.root / "captures" / take.capture / "timesync.csv"

    def read_imu(self, recording: Recording) -> list[ImuSamples]:
        """Read the IMU of a take, times counted from the first frame of its video. Raises `ImuError`."""
        if recording.imu.suffix == SUFFIX:
            samples = read_processed_imu(recording.imu)
            start = samples.accel_t[0]
            samples.accel_t = samples.gyro_t = samples.accel_t - start
            return [samples]
        from comodo.layouts.aria import read_vrs

        values, first_frame_ns, second = read_vrs(recording.imu)
        notes = []
        if second:
            notes.append(note("imu_second", "the first IMU has no samples: the second one is used"))
        start_ns = values[0, 0] if recording.video is None else self._video_start_ns(recording.id)
        if start_ns is None:
            start_ns = first_frame_ns
        if start_ns is None:
            start_ns = values[0, 0]
            text = "the time of the first frame is unknown: taken to be that of the first IMU sample"
            notes.append(note("imu_start_unknown", text))
        time = (values[0] - start_ns) / 1e9
        origin = float(start_ns) / 1e9
        samples = ImuSamples(time, values[1:4], time, values[4:], notes, origin_s=origin)
        return [samples]

    def _video_start_ns(self, name: str) -> float | None:
        """Time of the video's first frame on the clock of the glasses by `timesync.csv`; None where that is missing."""
        take = self._takes.get(name)
        if take is None or not take.capture or take.first_row < 0:
            return None
        try:
            with open_text(self._timesync(take), newline="") as file:
                names = next(csv.reader([file.readline(LONGEST_LINE)]))
                row = next(csv.reader(islice(file, take.first_row, None)))
            time = float(row[names.index(f"{take.camera}_{RGB_STREAM}_capture_timestamp_ns")])
        except (FileNotFoundError, NotADirectoryError, ValueError, IndexError, StopIteration, csv.Error):
            return None
        except OSError as error:
            raise ImuError("imu_unreadable", f"{self._timesync(take)} cannot be read: {error}") from None
        return time if time > 0 else None  # neither NaN nor a placeholder


def _find_take(root: Path, name: str) -> _Take:
    """Return a take that is not in `takes.json`: its camera is in the names of its files."""
    folder = os.path.join("takes", name)
    found = sorted((root / folder).glob(VRS_NAME.format(camera="aria*")))
    found += sorted((root / folder / VIDEOS).glob(f"aria*_{RGB_STREAM}.mp4"))
    return _Take(folder, found[0].name.partition("_")[0] if found else "aria01")


def _read_takes(path: Path, key: str) -> dict[str, _Take]:
    """Takes by name from `takes.json`; empty where there is no such file. Raises `LayoutError`."""
    if not os.path.exists(path):
        return {}

    def keep(item: dict[str, Any]) -> Any:
        # Called for every object of a file of a hundred MB, innermost first: what is left of an object within a take is
        # the name of its capture or the path of its RGB video.
        if "take_name" in item:
            paths = (item.get("vrs_relative_path"), item.get("frame_aligned_videos"))
            camera = next((os.path.basename(p) for p in paths if isinstance(p, str)), "aria01").partition(
                "_"
            )[0]
            # The documentation's own example starts one row after `timesync_start_idx`.
            row = item.get("timesync_start_idx")
            first_row = row + 1 if isinstance(row, int) else -1
            name, folder, capture = (item.get(key) for key in ("take_name", "root_dir", "capture"))
            folder = folder if isinstance(folder, str) and folder else os.path.join("takes", str(name))
            return str(name), _Take(folder, camera, capture if isinstance(capture, str) else "", first_row)
        if "capture_name" in item:
            return item["capture_name"]
        if item.get("stream_id") == RGB_STREAM:
            return item.get("relative_path")
        return next(
            (value for value in item.values() if isinstance(value, str) and RGB_STREAM in value), None
        )

    try:
        takes = dict(json.loads(read_text(path, key), object_hook=keep))
        if not all(isinstance(take, _Take) for take in takes.values()):
            raise TypeError("an entry is no take")
        return takes
    except (ValueError, TypeError, RecursionError) as error:
        if isinstance(error, LayoutError):
            raise
        raise LayoutError(
            f"{path} is not the takes.json of Ego-Exo4D ({error}): fetch it again, or see config key {key}"
        ) from None
