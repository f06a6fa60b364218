"""The sync of the recordings of a dataset: the offset and drift of each IMU against its video."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import h5py
import numpy as np
import pandas as pd
from tqdm import tqdm

from comodo.config import DatasetSettings
from comodo.errors import DamageError, ImuError, VideoError
from comodo.layouts.ids import safe_name
from comodo.layouts.opening import open_layout
from comodo.layouts.types import Layout, Recording
from comodo.recordings.image_motion import read_motion
from comodo.recordings.resample import resample
from comodo.recordings.sync import Stretch, Sync, align_sensors, estimate_sync, stretches_of
from comodo.storage.artefacts import open_hdf5, read_table, read_tables
from comodo.storage.files import atomic
from comodo.storage.regular import open_regular
from comodo.text import first_few, for_people

log = logging.getLogger(__name__)

COLUMNS: Final = ("recording", "offset_s", "drift_ppm", "confidence", "reason", "by")
"""Columns of the table: as `Sync`; `reason` also "no_video" and "no_imu"; `by`: reference of the comparison."""
IN_STEP_S: Final = 0.1
"""Offset up to which video and IMU are said to be in step, s: a frame of small video."""
MEANING: Final = {
    "still": "the head does not turn",
    "dark": "the picture shows too little",
    "unclear": "no offset stands out; a camera that stabilises its video hides its own motion",
    "short": "too short",
    "no_video": "no usable video",
    "no_imu": "no usable IMU",
}


def sync_shard(
    dataset: str, recordings: Sequence[Recording], video: Path, imu: Path, settings: DatasetSettings
) -> pd.DataFrame:
    """Return the sync of the recordings of a shard: one row each, with the columns `COLUMNS`.

    The IMU of a csv beside a camera file is compared with the camera's own gyroscope, if it has one and both move
    together; any other with the motion of the picture.

    Args:
        dataset: name of the dataset.
        recordings: of the shard.
        video: the video table, beside the folder of the small videos.
        imu: the IMU shard.
        settings: of the dataset, which has video.
    """
    assert settings.video is not None
    videos = {str(row["recording"]): row for row in read_table(video).to_dict("records")}
    rows = []
    layout = open_layout(dataset, settings)
    with open_hdf5(imu) as shard:
        for recording in tqdm(recordings, unit="recording", desc="comparing"):
            row, group = videos[recording.id], shard[safe_name(recording.id)]
            by = "video"
            if not row["file"] or "data" not in group:
                reason = "no_imu" if row["file"] else "no_video"
                found = Sync(np.nan, np.nan, np.nan, reason)
            elif (gyroscope := camera_sync(recording, layout, settings, group)) is not None:
                by, found = "gyroscope", gyroscope
            else:
                path = video.with_suffix("") / str(row["file"])
                found = recording_sync(path, int(row["n_frames"]), settings.video.fps, group)
            rows.append((recording.id, found.offset_s, found.drift_ppm, found.confidence, found.reason, by))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def camera_sync(
    recording: Recording, layout: Layout, settings: DatasetSettings, imu: h5py.Group
) -> Sync | None:
    """Estimate the sync of a csv beside a camera file from the camera's own gyroscope.

    Args:
        recording: the recording.
        layout: reader of the dataset.
        settings: of the dataset.
        imu: group of the recording in an IMU shard.

    Returns:
        Offset and drift; None where the camera is the sensor, has no gyroscope, or does not move with the sensor.
    """
    if settings.layout != "table" or recording.video is None or recording.imu == recording.video:
        return None
    try:
        components = layout.read_imu(replace(recording, imu=recording.video, gyro=None))
        camera = resample(components, settings.imu.rate_hz, settings.imu.max_gap_s)
    except ImuError:
        return None
    own, other = (data[3:6].astype(np.float64) for data in (camera.data, imu["data"][:]))
    found = align_sensors(own, camera.start_s, other, float(imu.attrs["start_s"]), camera.rate_hz)
    return None if found.reason else found


def recording_sync(video: Path, n_frames: int, fps: float, imu: h5py.Group) -> Sync:
    """Estimate the sync of one recording from its small video and its group in an IMU shard."""
    stretches = []
    for begin, length in stretches_of(n_frames / fps):
        first = round(begin * fps)
        try:
            motion = read_motion(video, first, round(length * fps), fps)
        except VideoError:
            return Sync(np.nan, np.nan, np.nan, "no_video")
        stretches.append(Stretch(first / fps, 1 / fps, motion))
    gyro = imu["data"][3:6].astype(np.float64)
    return estimate_sync(stretches, gyro, float(imu.attrs["start_s"]), float(imu.attrs["rate_hz"]))


def merge_sync(shards: Sequence[Path], target: Path) -> None:
    """Write the sync of a dataset (csv, safe to open in a spreadsheet) and log its summary."""
    table = read_tables(shards)
    log.info("%s", summarise_sync(table))
    with atomic(target) as partial:
        for_people(table).to_csv(partial, index=False, float_format="%.6g")


def read_sync(path: Path) -> pd.DataFrame:
    """Read the csv of `merge_sync`. Raises `DamageError`."""
    try:
        with open_regular(path) as file:
            table = pd.read_csv(file, keep_default_na=False)
        numbers = ["offset_s", "drift_ppm", "confidence"]
        return table.assign(**{name: pd.to_numeric(table[name].replace("", None)) for name in numbers})
    except (ValueError, KeyError) as error:  # pandas' parser errors are ValueErrors
        raise DamageError(path, error) from None


def summarise_sync(table: pd.DataFrame) -> str:
    """Return how many recordings are in step, out of step and unknown, a line each."""
    known = table[table["reason"] == ""]
    late = known[known["offset_s"].abs() > IN_STEP_S].sort_values("offset_s", key=abs, ascending=False)
    lines = [
        f"{len(known) - len(late)} of {len(table)} recordings: video and IMU are in step, within {IN_STEP_S} s"
    ]
    if len(late):
        named = [f"{row.recording} ({row.offset_s:+.2f} s)" for row in late.itertuples()]
        lines.append(f"{len(late)} out of step: {first_few(named)}; `sync: correct` moves their IMU")
    for reason, count in table.loc[table["reason"] != "", "reason"].value_counts().items():
        lines.append(f"{count} unknown: {MEANING[str(reason)]}")
    return "\n".join(lines)


def read_clock_shifts(path: Path) -> dict[str, tuple[float, float]]:
    """Read offset, s, and drift, as a fraction, of the recordings of a shard whose sync is known."""
    table = read_table(path)
    known = table[table["reason"] == ""]
    drift = known["drift_ppm"].fillna(0.0) * 1e-6
    return dict(zip(known["recording"], zip(known["offset_s"], drift, strict=True), strict=True))
