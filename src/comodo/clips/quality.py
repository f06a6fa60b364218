"""The quality report: every recording and every dropped window, with its reason."""

from __future__ import annotations

from typing import Final

import pandas as pd

from comodo.clips.tables import is_kept, pairs_of
from comodo.config import SPLITS
from comodo.errors import QualityError

WINDOW_COLUMNS: Final = ["recording", "split", "label", "window", "start_s", "end_s", "reason", "detail"]


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
    kept = windows[is_kept(windows)]
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
