"""The index of a dataset: all listed recordings, readable or not."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from comodo.config import DatasetSettings
from comodo.layouts.ids import shard_of
from comodo.layouts.types import Recording
from comodo.recordings.leaks import find_leaks
from comodo.recordings.raw_files import recordings_of
from comodo.storage.artefacts import read_table, write_table

log = logging.getLogger(__name__)


def index_recordings(recordings: Sequence[Recording], shards: int) -> pd.DataFrame:
    """Return the index: recording, split, label, group, video, imu, start_s, end_s, shard.

    `video` is "" for IMU only; chapters are separated by semicolons. Opens no media.
    """
    rows = [
        (
            r.id,
            r.split,
            r.label,
            r.group,
            ";".join(map(str, (r.video, *r.chapters))) if r.video else "",
            str(r.imu),
            r.start_s,
            r.end_s,
            shard_of(r.id, shards),
        )
        for r in recordings
    ]
    columns = ["recording", "split", "label", "group", "video", "imu", "start_s", "end_s", "shard"]
    return pd.DataFrame(rows, columns=columns).astype({"end_s": "float64"})


def write_index(dataset: str, settings: DatasetSettings, target: Path) -> None:
    """Write the index of a dataset (parquet) and log what its test split shares with train and val.

    Args:
        dataset: its name in the config.
        settings: of the dataset.
        target: the parquet file to write.
    """
    recordings = recordings_of(dataset, settings)
    write_table(index_recordings(recordings, settings.shards), target)
    leaks = find_leaks((r.id, r.split, r.group) for r in recordings)
    log.log(logging.WARNING if leaks else logging.INFO, "%s: %s", dataset, leaks)


def read_groups(index: Path) -> dict[str, str]:
    """Return the group of each recording from an index; "" where unknown."""
    table = read_table(index)
    return dict(zip(table["recording"].tolist(), table["group"].tolist(), strict=True))
