"""The candidates of a shard, with what looks odd about its recordings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from comodo.clips.pairing import pair_clips, row_of
from comodo.config import DatasetSettings
from comodo.layouts.types import Recording
from comodo.notes import note
from comodo.recordings.imu_shard import read_notes
from comodo.recordings.small_video import TABLE_COLUMNS
from comodo.recordings.sync_table import read_clock_shifts
from comodo.storage.artefacts import read_table


def pair_shard(
    recordings: Sequence[Recording],
    shard: int,
    video: Path | None,
    imu: Path,
    settings: DatasetSettings,
    sync: Path | None = None,
) -> pd.DataFrame:
    """Return the candidates of a shard, with what looks odd about its recordings.

    Args:
        recordings: of the shard.
        shard: its number.
        video: the video table; None for an IMU-only dataset.
        imu: the IMU shard.
        settings: of the dataset.
        sync: the sync of the shard, by which the IMU is moved; None: it is taken as it is.

    Returns:
        The table of `pair_clips` with column `shard`. Every recording has a row with window -1; its detail says why it
        has no pair, and then its notes.
    """
    table = pd.DataFrame(columns=list(TABLE_COLUMNS)) if video is None else read_table(video)
    shifts = {} if sync is None else read_clock_shifts(sync)
    candidates = pair_clips(recordings, table, imu, settings, shifts)
    odd = read_notes(imu)
    for recording, (offset, drift) in shifts.items():
        text = f"moved by {-offset:+.3f} s" + (f" and {-1e6 * drift:+.0f} ppm" if drift else "")
        odd.setdefault(recording, []).append(note("imu_synced", text))
    partly = table[(table["reason"] != "") & (table["file"] != "")]
    for recording, reason, detail in partly[["recording", "reason", "detail"]].itertuples(
        index=False, name=None
    ):
        odd.setdefault(recording, []).append(f"{reason}: {detail}")
    whole_rows = candidates["window"] < 0
    dropped = set(candidates.loc[whole_rows, "recording"])
    candidates.loc[whole_rows, "detail"] = [
        "; ".join(
            [*([detail] if detail else []), *(text for text in odd.get(recording, []) if text != detail)]
        )
        for recording, detail in candidates.loc[whole_rows, ["recording", "detail"]].itertuples(
            index=False, name=None
        )
    ]
    whole = [
        row_of(recording, -1, detail="; ".join(odd.get(recording.id, [])))
        for recording in recordings
        if recording.id not in dropped
    ]
    rows = pd.DataFrame(whole, columns=candidates.columns).astype(candidates.dtypes)
    return pd.concat([rows, candidates], ignore_index=True).assign(shard=shard)
