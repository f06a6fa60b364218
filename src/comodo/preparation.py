"""The preparation stages of one shard, from raw files to pairs, and the quality report of the whole dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pandas as pd
from tqdm import tqdm

from comodo.artefacts import read_table
from comodo.clips import pair_clips
from comodo.config import SPLITS, DatasetSettings
from comodo.imu import preprocess, read_notes, write_imu_shard
from comodo.layouts import Recording, open_layout, shard_of
from comodo.video import TABLE_COLUMNS, extract_recordings

WINDOW_COLUMNS: Final = ["recording", "split", "label", "window", "start_s", "end_s", "reason", "detail"]


class QualityError(ValueError):
    """Too much of a dataset was lost to go on."""


def index_recordings(recordings: Sequence[Recording], shards: int) -> pd.DataFrame:
    """What was asked for: recording, split, label, group, video ("": IMU only), imu, start_s, end_s, shard.

    Opens no media.
    """
    rows = [
        (
            r.id,
            r.split,
            r.label,
            r.group,
            str(r.video or ""),
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
    if settings.video is None:
        raise ValueError("an IMU-only dataset (`video: null`) has no video to extract")
    folder.mkdir(parents=True)
    rows = extract_recordings(recordings, folder, settings.video, settings.clip_s, threads)
    progress = tqdm(rows, total=len(recordings), unit="recording", desc="extracting")
    return pd.DataFrame(list(progress), columns=list(TABLE_COLUMNS))


def preprocess_shard(
    dataset: str, settings: DatasetSettings, recordings: Sequence[Recording], target: Path
) -> None:
    """Resample the IMU of a shard into one HDF5 file."""
    progress = tqdm(recordings, unit="recording", desc="resampling")
    write_imu_shard(target, preprocess(open_layout(dataset, settings), progress, settings))


def pair_shard(
    recordings: Sequence[Recording], shard: int, video: Path | None, imu: Path, settings: DatasetSettings
) -> pd.DataFrame:
    """Pair the clips and windows of a shard; `video` (the video table) is None for an IMU-only dataset.

    Returns:
        The table of `pair_clips` with column `shard`; every recording has a row with window -1, which says why it
        has no pair, or (reason "") what looks odd about it.
    """
    table = pd.DataFrame(columns=list(TABLE_COLUMNS)) if video is None else read_table(video)
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
    return windows[_kept(windows) & (windows["n_frames"] > 0)]


def _kept(windows: pd.DataFrame) -> pd.Series[bool]:
    return (windows["window"] >= 0) & (windows["reason"] == "")


def report_quality(recordings: pd.DataFrame, windows: pd.DataFrame) -> pd.DataFrame:
    """The quality report: one row per indexed recording, then one per dropped window.

    Args:
        recordings: the index.
        windows: all shards' window tables, dropped ones included (`pair_clips`).

    Returns:
        Columns recording, split, label, window (-1: the recording as a whole), start_s, end_s, reason ("" is kept),
        detail, and pairs, the number of a recording's pairs; in an IMU-only dataset windows, the number of its windows.
    """
    unknown = set(windows["recording"]) - set(recordings["recording"])
    unseen = set(recordings["recording"]) - set(windows["recording"])
    if unknown or unseen:
        raise QualityError(f"indexed and prepared recordings differ: {sorted(unknown | unseen)[:5]} …")
    kept = windows[_kept(windows)]
    count = "windows" if len(kept) > len(pairs_of(windows)) else "pairs"
    whole = windows[windows["window"] < 0].set_index("recording")
    own = recordings[["recording", "split", "label"]].assign(window=-1)
    own[count] = own["recording"].map(kept.groupby("recording").size()).fillna(0).astype(int)
    own["reason"] = own["recording"].map(whole["reason"]).fillna("")
    own["detail"] = own["recording"].map(whole["detail"]).fillna("")
    dropped = windows[(windows["window"] >= 0) & (windows["reason"] != "")]
    return pd.concat([own, dropped[WINDOW_COLUMNS].assign(**{count: 0})], ignore_index=True)[
        [*WINDOW_COLUMNS, count]
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

    In an IMU-only dataset val may lack classes: no anchors are taken from it.

    Raises:
        QualityError: with the summary and the key that would allow it.
    """
    recordings = quality[quality["window"] < 0]
    imu_only = "windows" in quality
    what = "window" if imu_only else "clip"
    bad = float((recordings["reason"] != "").mean())
    summary = summarise_quality(quality)
    where = f"see results/{dataset}/quality.csv\n{summary}"
    if bad > max_bad_fraction:
        raise QualityError(
            f"{bad:.0%} of the recordings of {dataset} yield no {what}, "
            f"more than datasets.{dataset}.max_bad_fraction = {max_bad_fraction:.0%} allows: {where}"
        )
    kept = recordings[recordings["reason"] == ""]
    for split in [split for split in SPLITS if split in set(recordings["split"])]:
        lost = sorted(set(recordings["label"]) - set(kept.loc[kept["split"] == split, "label"]))
        if set(lost) == set(recordings["label"]):
            raise QualityError(f"no {what} of {dataset} is left in split {split}: {where}")
        if lost and (split == "train" or (split == "val" and not imu_only)):
            raise QualityError(
                f"no {what} of {dataset} is left in split {split} for label {', '.join(lost)}: {where}"
            )


def merge_clips(recordings: pd.DataFrame, windows: pd.DataFrame) -> pd.DataFrame:
    """The clip table of a dataset: every window with whole IMU, in the order of the index, then by time.

    Column `paired` tells the pairs (train, anchors) from IMU windows without video, which only an SVM sees.
    """
    order = {recording: place for place, recording in enumerate(recordings["recording"])}
    usable = windows[windows["reason"].isin(["", "no_video"]) & (windows["window"] >= 0)]
    place = usable["recording"].map(order)
    clips = usable.assign(place=place, paired=_kept(usable) & (usable["n_frames"] > 0)).sort_values(
        ["place", "window"], kind="stable"
    )
    return clips.drop(columns=["place", "reason", "detail"], errors="ignore").reset_index(drop=True)
