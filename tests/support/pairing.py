"""Pair one recording, given the row of its video and its resampled IMU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from comodo.clips.pairing import pair_clips
from comodo.config import DatasetSettings
from comodo.errors import ImuError
from comodo.recordings.imu_shard import write_imu_shard
from comodo.recordings.signal import ImuSignal
from comodo.recordings.small_video import TABLE_COLUMNS
from tests.support.imu import recording

RATE, CLIP_S = 200, 5.0  # of the IMU, Hz; of a clip, s


def config(**changes: Any) -> DatasetSettings:
    """Settings of a dataset with clips of `CLIP_S`, changed as said."""
    return DatasetSettings.model_validate({"layout": "ego4d", "root": "x", "clip_s": CLIP_S} | changes)


def video_row(name: str = "a", duration_s: float = 30.0, **changes: Any) -> dict[str, Any]:
    """A row of the video table: 10 frames per second, whole."""
    row = {
        "recording": name,
        "file": f"{name}.mp4",
        "n_frames": round(duration_s * 10),
        "duration_s": duration_s,
    }
    return row | {"frozen": "[]", "reason": "", "detail": ""} | changes


def no_video(name: str = "a") -> dict[str, Any]:
    """A row of the video table that says there is no usable video."""
    return video_row(name, 0.0, file="", reason="video_empty", detail="a.mp4 is empty")


def signal(*runs: tuple[float, float]) -> ImuSignal:
    """IMU that is there in [begin, end) seconds, each sample telling its number on the grid."""
    edges = [(round(begin * RATE), round(end * RATE)) for begin, end in runs]
    first, stop = edges[0][0], edges[-1][1]
    data = np.full((6, stop - first), np.nan, dtype=np.float32)
    for begin, end in edges:
        data[:, begin - first : end - first] = np.arange(begin, end)
    return ImuSignal(data, first / RATE, RATE)


def pair(
    folder: Path, video: dict[str, Any], imu: ImuSignal | ImuError, settings: DatasetSettings | None = None
) -> pd.DataFrame:
    """Pair a recording; its shard is left in `folder`."""
    write_imu_shard(folder / "imu.h5", [(recording(), imu)])
    table = pd.DataFrame([video], columns=list(TABLE_COLUMNS))
    return pair_clips([recording()], table, folder / "imu.h5", settings or config())


def reasons(clips: pd.DataFrame) -> dict[int, str]:
    """The reason of each window; window -1 is the recording."""
    return dict(zip(clips["window"], clips["reason"], strict=True))
