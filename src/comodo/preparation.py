"""The preparation stages of one shard, from raw files to pairs, and the quality report of the whole dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pandas as pd

from comodo.config import SPLITS
from comodo.files import atomic

WINDOW_COLUMNS: Final = ["recording", "split", "label", "window", "start_s", "end_s", "reason", "detail"]


class QualityError(ValueError):
    """Too much of a dataset was lost to go on."""


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a parquet table whole or not at all."""
    with atomic(path) as partial:
        table.to_parquet(partial, index=False)


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
    pairs = windows[windows["reason"] == ""].groupby("recording").size()
    whole = windows[windows["window"] < 0].set_index("recording")
    own = recordings[["recording", "split", "label"]].assign(window=-1)
    own["pairs"] = own["recording"].map(pairs).fillna(0).astype(int)
    own["reason"] = own["recording"].map(whole["reason"]).fillna("")
    own["detail"] = own["recording"].map(whole["detail"]).fillna("")
    own.loc[(own["pairs"] == 0) & (own["reason"] == ""), "reason"] = "no_pairs"
    dropped = windows[(windows["window"] >= 0) & (windows["reason"] != "")]
    return pd.concat([own, dropped[WINDOW_COLUMNS].assign(pairs=0)], ignore_index=True)[[*WINDOW_COLUMNS, "pairs"]]


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
            raise QualityError(f"no clip of {dataset} is left in split {split} for label {', '.join(lost)}: {where}")


def merge_clips(recordings: pd.DataFrame, windows: pd.DataFrame) -> pd.DataFrame:
    """The clip table of a dataset: every window with whole IMU, in the order of the index, then by time.

    Column `paired` tells the pairs (train, anchors) from IMU windows without video, which only an SVM sees.
    """
    order = {recording: place for place, recording in enumerate(recordings["recording"])}
    usable = windows[windows["reason"].isin(["", "no_video"]) & (windows["window"] >= 0)]
    place = usable["recording"].map(order)
    clips = usable.assign(place=place, paired=usable["reason"] == "").sort_values(["place", "window"], kind="stable")
    return clips.drop(columns=["place", "reason", "detail"], errors="ignore").reset_index(drop=True)


def read_tables(paths: Sequence[Path]) -> pd.DataFrame:
    """Several parquet tables as one."""
    return pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True)
