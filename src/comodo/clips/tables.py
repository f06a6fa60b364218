"""The three tables of a dataset's windows: one schema, three names (files below results/<dataset>/).

| table | file | rows |
|---|---|---|
| candidates | `clips/<shard>.parquet` | every candidate window of a shard, with the reason why it is dropped or "" |
| windows | `clips.parquet` | every window that is used; one without a video clip is not `paired` |
| pairs | none: the rows of an embedding store | every window with its video clip |

Among the candidates of a shard, each recording has one row more, with window -1: the recording as a whole.
"""

from __future__ import annotations

from typing import Final, Literal

import pandas as pd

COLUMNS: Final = {
    "clip": "object",  # id, unique in a dataset; "" for a recording as a whole
    "recording": "object",
    "split": "object",
    "label": "object",
    "window": "int64",  # number within the recording; -1: the recording as a whole
    "start_s": "float64",  # from the first frame of the video; IMU only: from the first sample
    "end_s": "float64",
    "first_sample": "int64",  # of the recording's array in its IMU shard; -1: the IMU is not whole
    "last_sample": "int64",  # excluded
    "first_frame": "int64",  # of the small video; -1: the video does not fill the window
    "n_frames": "int64",
    "reason": "object",  # a key of REASONS; candidates only
    "detail": "object",  # candidates only
}
"""Columns of all three tables with their dtypes, but for `shard` and, of windows and pairs, `paired`."""


def is_kept(candidates: pd.DataFrame) -> pd.Series[bool]:
    """Return which rows (N,) are windows without a reason against them."""
    return (candidates["window"] >= 0) & (candidates["reason"] == "")


def kept_pairs(candidates: pd.DataFrame) -> pd.DataFrame:
    """Return the candidates that are pairs, which a teacher encodes."""
    return candidates[is_kept(candidates) & (candidates["n_frames"] > 0)]


def merge_candidates(
    recordings: pd.DataFrame, candidates: pd.DataFrame, windows: Literal["paired", "imu"] = "imu"
) -> pd.DataFrame:
    """Return the windows of a dataset, in the order of its index, then by time.

    Args:
        recordings: the index.
        candidates: of all shards.
        windows: "imu" also takes windows that the video does not cover (reason `no_video`).

    Returns:
        The columns of the candidates less reason and detail, and `paired`: whether the window has its video clip. One
        without serves supervised training and the SVM alone.
    """
    order = {recording: place for place, recording in enumerate(recordings["recording"])}
    reasons = ["", "no_video"] if windows == "imu" else [""]
    usable = candidates[candidates["reason"].isin(reasons) & (candidates["window"] >= 0)]
    place = usable["recording"].map(order)
    merged = usable.assign(place=place, paired=is_kept(usable) & (usable["n_frames"] > 0)).sort_values(
        ["place", "window"], kind="stable"
    )
    return merged.drop(columns=["place", "reason", "detail"], errors="ignore").reset_index(drop=True)


def pairs_of(windows: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs of the windows of a dataset: the rows of its embedding stores, in their order."""
    return windows[windows["paired"]].reset_index(drop=True)


def fold_of(windows: pd.DataFrame) -> int | None:
    """Return the number of the fold that windows have the splits of (column `fold`); None for a fixed split."""
    return int(windows["fold"].iloc[0]) if "fold" in windows and len(windows) else None
