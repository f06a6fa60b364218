"""Ego4D: `full_scale/<id>.mp4`, `imu/<id>.csv`, optionally `ego4d.json`, and split files `id<TAB>label`.

Columns and faults of the csv: https://ego4d-data.org/docs/data/imu/ (times may be NULL, unsorted or absurd; a video may
have several components, some without IMU). Units there are m/s² and rad/s.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from comodo.config import DatasetSettings
from comodo.errors import LayoutError
from comodo.layouts.imu_csv import read_imu_csv
from comodo.layouts.processed import SUFFIX, clock_files, imu_path, read_processed_imu, video_path
from comodo.layouts.split_files import check_root, read_split_files, read_text, required_splits, split_folder
from comodo.layouts.types import ImuSamples, Recording

TIME = "canonical_timestamp_ms"
COMPONENT = "component_idx"
ACCEL = ("accl_x", "accl_y", "accl_z")
GYRO = ("gyro_x", "gyro_y", "gyro_z")


class Ego4D:
    """Reader of the Ego4D layout; the simulator writes it as well."""

    def __init__(self, name: str, settings: DatasetSettings) -> None:
        self.key = f"datasets.{name}"
        self.settings = settings

    def recordings(self) -> list[Recording]:
        """List the recordings of the split files. Raises `LayoutError`."""
        root = check_root(self.settings, f"{self.key}.root")
        needed = required_splits(self.settings)
        rows = read_split_files(split_folder(self.settings), f"{self.key}.splits", needed)
        groups = participants(root / "ego4d.json", f"{self.key}.root")
        return [
            Recording(
                id=uid,
                split=split,
                label=label,
                video=video_path(root / "full_scale" / f"{uid}.mp4", root, uid)
                if self.settings.video
                else None,
                imu=imu_path(root / "imu" / f"{uid}.csv", root, uid),
                group=groups.get(uid, ""),
            )
            for uid, label, split in rows
        ]

    def clock_files(self, recording: Recording) -> list[Path]:
        """Name the times of a processed array; a raw csv holds its own clock."""
        return clock_files(recording)

    def read_imu(self, recording: Recording) -> list[ImuSamples]:
        """Read the csv of a recording, one entry per `component_idx`. Raises `ImuError`."""
        if recording.imu.suffix == SUFFIX:
            return [read_processed_imu(recording.imu)]
        table = read_imu_csv(recording.imu, (TIME, *GYRO, *ACCEL), optional=(COMPONENT,))
        if COMPONENT not in table or table[COMPONENT].nunique(dropna=False) == 1:
            parts = [table]
        else:
            parts = [part for _, part in table.groupby(COMPONENT, dropna=False)]
        components = []
        for part in parts:
            time = part[TIME].to_numpy() / 1000
            accel, gyro = part[list(ACCEL)].to_numpy().T, part[list(GYRO)].to_numpy().T
            components.append(ImuSamples(accel_t=time, accel=accel, gyro_t=time, gyro=gyro))
        return components


def participants(path: Path, key: str) -> dict[str, str]:
    """Participant of each video from `ego4d.json`; empty where there is no such file or it names none."""
    if not os.path.exists(path):
        return {}

    def keep(item: dict[str, Any]) -> Any:
        # Called for every object of a file of hundreds of MB, innermost first: forget all that is not needed.
        if "videos" in item:
            return item["videos"]
        if "fb_participant_id" in item and "video_uid" in item:
            return item["video_uid"], item["fb_participant_id"]
        return None

    try:
        videos = json.loads(read_text(path, key), object_hook=keep)
    except (ValueError, RecursionError) as error:
        if isinstance(error, LayoutError):
            raise
        raise LayoutError(
            f"{path} is not valid JSON ({error}): fetch it again, or see config key {key}"
        ) from None
    pairs = [item for item in videos if isinstance(item, tuple)] if isinstance(videos, list) else []
    return {str(uid): str(participant) for uid, participant in pairs if participant is not None}
