"""The preparation stages of one shard, from raw files to pairs, and the quality report of the whole dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pandas as pd
from tqdm import tqdm

from comodo.clips import pair_clips
from comodo.config import SPLITS, DatasetSettings
from comodo.files import atomic
from comodo.imu import preprocess, read_notes, write_imu_shard
from comodo.layouts import Recording, open_layout, shard_of
from comodo.video import TABLE_COLUMNS, extract_recordings

WINDOW_COLUMNS: Final = ["recording", "split", "label", "window", "start_s", "end_s", "reason", "detail"]


class QualityError(ValueError):
    """Too much of a dataset was lost to go on."""


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a parquet table whole or not at all."""
    with atomic(path) as partial:
        table.to_parquet(partial, index=False)


def index_recordings(recordings: Sequence[Recording], shards: int) -> pd.DataFrame:
    """What was asked for: recording, split, label, group, video, imu, start_s, end_s, shard; opens no media."""
    rows = [
        (
            r.id,
            r.split,
            r.label,
            r.group,
            str(r.video),
            str(r.imu),
            r.start_s,
            r.end_s,
            shard_of(r.id, shards),
        )
        for r in recordings
    ]
    columns = ["recording", "split", "label", "group", "video", "imu", "start_s", "end_s", "shard"]
    return pd.DataFrame(rows, columns=columns).astype({"end_s": "float64"})


def extract_shard(
    recordings: Sequence[Recording], folder: Path, settings: DatasetSettings, threads: int
) -> pd.DataFrame:
    """Extract the small video of a shard into a new folder; returns the video table, one row per recording."""
    folder.mkdir(parents=True)
    rows = extract_recordings(recordings, folder, settings, threads)
    progress = tqdm(rows, total=len(recordings), unit="recording", desc="extracting")
    return pd.DataFrame(list(progress), columns=list(TABLE_COLUMNS))


def preprocess_shard(
    dataset: str, settings: DatasetSettings, recordings: Sequence[Recording], target: Path
) -> None:
    """Resample the IMU of a shard into one HDF5 file."""
    progress = tqdm(recordings, unit="recording", desc="resampling")
    write_imu_shard(target, preprocess(open_layout(dataset, settings), progress, settings))


def pair_shard(
    recordings: Sequence[Recording], shard: int, video: Path, imu: Path, settings: DatasetSettings
) -> pd.DataFrame:
    """Pair the clips and windows of a shard.

    Returns:
        The table of `pair_clips` with column `shard`; every recording has a row with window -1, which says why it
        has no pair, or (reason "") what looks odd about it.
    """
    table = pd.read_parquet(video)
    windows = pair_clips(recordings, table, imu, settings)
    odd = read_notes(imu)
    partly = table[(table["reason"] != "") & (table["file"] != "")]
    for recording, reason, detail in partly[["recording", "reason", "detail"]].itertuples(
        index=False, name=None
    ):
        odd.setdefault(recording, []).append(f"{reason}: {detail}")
    told = set(windows.loc[windows["window"] < 0, "recording"])
    nothing = dict.fromkeys(("window", "first_sample", "last_sample", "first_frame"), -1)
    whole = [
        {
            "recording": r.id,
            "split": r.split,
            "label": r.label,
            "detail": "; ".join(odd.get(r.id, [])),
            "clip": "",
        }
        | {"start_s": 0.0, "end_s": 0.0, "n_frames": 0, "reason": "", **nothing}
        for r in recordings
        if r.id not in told
    ]
    rows = pd.DataFrame(whole, columns=windows.columns).astype(windows.dtypes)
    return pd.concat([rows, windows], ignore_index=True).assign(shard=shard)


def pairs_of(windows: pd.DataFrame) -> pd.DataFrame:
    """The pairs of a window table: what a teacher encodes."""
    return windows[(windows["window"] >= 0) & (windows["reason"] == "")]


def report_quality(recordings: pd.DataFrame, windows: pd.DataFrame) -> pd.DataFrame:
    """The quality report: one row per indexed recording, then one per dropped window.

    Args:
        recordings: the index.
        windows: all shards' window tables, dropped ones included (`pair_clips`).

    Returns:
        Columns recording, split, label, window (-1: the recording as a whole), start_s, end_s, reason ("" is kept),
        detail, and pairs, the number of a recording's pairs.
    """
    unknown = set(windows["recording"]) - set(recordings["recording"])
    unseen = set(recordings["recording"]) - set(windows["recording"])
    if unknown or unseen:
        raise QualityError(f"indexed and prepared recordings differ: {sorted(unknown | unseen)[:5]} …")
    pairs = pairs_of(windows).groupby("recording").size()
    whole = windows[windows["window"] < 0].set_index("recording")
    own = recordings[["recording", "split", "label"]].assign(window=-1)
    own["pairs"] = own["recording"].map(pairs).fillna(0).astype(int)
    own["reason"] = own["recording"].map(whole["reason"]).fillna("")
    own["detail"] = own["recording"].map(whole["detail"]).fillna("")
    dropped = windows[(windows["window"] >= 0) & (windows["reason"] != "")]
    return pd.concat([own, dropped[WINDOW_COLUMNS].assign(pairs=0)], ignore_index=True)[
        [*WINDOW_COLUMNS, "pairs"]
    ]


def summarise_quality(quality: pd.DataFrame) -> str:
    """Counts of recordings and windows by reason and split, as a text table."""
    rows = quality.assign(
        what=quality["window"].ge(0).map({True: "window", False: "recording"}),
        reason=quality["reason"].replace("", "kept"),
    )
    counts = pd.crosstab([rows["what"], rows["reason"]], rows["split"])
    return counts.reindex(columns=[split for split in SPLITS if split in counts]).to_string()


def check_quality(quality: pd.DataFrame, max_bad_fraction: float, dataset: str) -> None:
    """Refuse a dataset that lost too much, or a split or class that lost everything.

    Raises:
        QualityError: with the summary and the key that would allow it.
    """
    recordings = quality[quality["window"] < 0]
    bad = float((recordings["pairs"] == 0).mean())
    summary = summarise_quality(quality)
    where = f"see results/{dataset}/quality.csv\n{summary}"
    if bad > max_bad_fraction:
        raise QualityError(
            f"{bad:.0%} of the recordings of {dataset} yield no clip, "
            f"more than datasets.{dataset}.max_bad_fraction = {max_bad_fraction:.0%} allows: {where}"
        )
    kept = recordings[recordings["pairs"] > 0]
    for split in SPLITS:
        lost = sorted(set(recordings["label"]) - set(kept.loc[kept["split"] == split, "label"]))
        if set(lost) == set(recordings["label"]):
            raise QualityError(f"no clip of {dataset} is left in split {split}: {where}")
        if lost and split != "test":
            raise QualityError(
                f"no clip of {dataset} is left in split {split} for label {', '.join(lost)}: {where}"
            )


def merge_clips(recordings: pd.DataFrame, windows: pd.DataFrame) -> pd.DataFrame:
    """The clip table of a dataset: every window with whole IMU, in the order of the index, then by time.

    Column `paired` tells the pairs (train, anchors) from IMU windows without video, which only an SVM sees.
    """
    order = {recording: place for place, recording in enumerate(recordings["recording"])}
    usable = windows[windows["reason"].isin(["", "no_video"]) & (windows["window"] >= 0)]
    place = usable["recording"].map(order)
    clips = usable.assign(place=place, paired=usable["reason"] == "").sort_values(
        ["place", "window"], kind="stable"
    )
    return clips.drop(columns=["place", "reason", "detail"], errors="ignore").reset_index(drop=True)


def read_tables(paths: Sequence[Path]) -> pd.DataFrame:
    """Several parquet tables as one."""
    return pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True)
