"""The tables of clips: every candidate window, the usable ones, and the pairs among them."""

from __future__ import annotations

import pandas as pd

COLUMNS = {
    "clip": "object",
    "recording": "object",
    "split": "object",
    "label": "object",
    "window": "int64",
    "start_s": "float64",
    "end_s": "float64",
    "first_sample": "int64",
    "last_sample": "int64",
    "first_frame": "int64",
    "n_frames": "int64",
    "reason": "object",
    "detail": "object",
}


def pairs_of(windows: pd.DataFrame) -> pd.DataFrame:
    """The pairs of a window table: what a teacher encodes."""
    return windows[is_kept(windows) & (windows["n_frames"] > 0)]


def is_kept(windows: pd.DataFrame) -> pd.Series[bool]:
    """Which rows are windows that nothing speaks against."""
    return (windows["window"] >= 0) & (windows["reason"] == "")


def merge_clips(recordings: pd.DataFrame, windows: pd.DataFrame) -> pd.DataFrame:
    """The clip table of a dataset: every window with whole IMU, in the order of the index, then by time.

    Column `paired` tells the pairs (train, anchors) from IMU windows without video, which only an SVM sees.
    """
    order = {recording: place for place, recording in enumerate(recordings["recording"])}
    usable = windows[windows["reason"].isin(["", "no_video"]) & (windows["window"] >= 0)]
    place = usable["recording"].map(order)
    clips = usable.assign(place=place, paired=is_kept(usable) & (usable["n_frames"] > 0)).sort_values(
        ["place", "window"], kind="stable"
    )
    return clips.drop(columns=["place", "reason", "detail"], errors="ignore").reset_index(drop=True)
