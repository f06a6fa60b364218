"""The quality report: every recording and every dropped window, with its reason."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import pandas as pd

from comodo.clips.reasons import REASONS
from comodo.clips.tables import is_kept, kept_pairs, merge_candidates
from comodo.config import SPLITS
from comodo.errors import DamageError, QualityError
from comodo.notes import NOTES, count_notes
from comodo.recordings.accepted import SPARED, too_many_bad
from comodo.recordings.imu_shard import CLOCK, read_clocks
from comodo.storage.artefacts import read_table, read_tables
from comodo.storage.files import atomic
from comodo.storage.regular import open_regular
from comodo.text import for_people

log = logging.getLogger(__name__)

WINDOW_COLUMNS: Final = ["recording", "split", "label", "window", "start_s", "end_s", "reason", "detail"]


def report_quality(
    recordings: pd.DataFrame,
    candidates: pd.DataFrame,
    clocks: Mapping[str, Mapping[str, float]] | None = None,
    score_windows: Literal["paired", "imu"] = "paired",
) -> pd.DataFrame:
    """Return the quality report: one row per indexed recording, then one per dropped window.

    Args:
        recordings: the index.
        candidates: of all shards, dropped ones included (`pair_clips`).
        clocks: of the recordings (`read_clocks`).
        score_windows: see `evaluation.score_windows`.

    Returns:
        Columns recording, split, label, window (-1: the recording as a whole), start_s, end_s, reason ("" is kept),
        detail; pairs, the number of a recording's pairs (in an IMU-only dataset windows, the number of its windows);
        used_for, what these or the dropped window are used for ("all", "scores" or ""); and those of `CLOCK`.
    """
    unknown = set(candidates["recording"]) - set(recordings["recording"])
    unseen = set(recordings["recording"]) - set(candidates["recording"])
    if unknown or unseen:
        raise QualityError(f"indexed and prepared recordings differ: {sorted(unknown | unseen)[:5]} …")
    kept = candidates[is_kept(candidates)]
    count = "windows" if len(kept) > len(kept_pairs(candidates)) else "pairs"
    whole = candidates[candidates["window"] < 0].set_index("recording")
    own = recordings[["recording", "split", "label"]].assign(window=-1)
    own[count] = own["recording"].map(kept.groupby("recording").size()).fillna(0).astype(int)
    own["reason"] = own["recording"].map(whole["reason"]).fillna("")
    own["detail"] = own["recording"].map(whole["detail"]).fillna("")
    dropped = candidates[(candidates["window"] >= 0) & (candidates["reason"] != "")]
    own["used_for"] = own[count].gt(0).map({True: "all", False: ""})
    for name in CLOCK:
        own[name] = [(clocks or {}).get(recording, {}).get(name, math.nan) for recording in own["recording"]]
    scored = dropped["reason"].eq("no_video") & (score_windows == "imu")
    more = dropped[WINDOW_COLUMNS].assign(used_for=scored.map({True: "scores", False: ""}))
    more[count] = 0
    more[list(CLOCK)] = math.nan
    columns = [*WINDOW_COLUMNS, "used_for", *CLOCK, count]
    return pd.concat([own, more], ignore_index=True)[columns]


def count_reasons(quality: pd.DataFrame) -> pd.DataFrame:
    """Return counts of recordings and windows (index: what, reason; "kept" for none) in each split (columns)."""
    rows = quality.assign(
        what=quality["window"].ge(0).map({True: "window", False: "recording"}),
        reason=quality["reason"].replace("", "kept"),
    )
    counts = pd.crosstab([rows["what"], rows["reason"]], rows["split"])
    return counts.reindex(columns=[split for split in SPLITS if split in counts])


def summarise_quality(quality: pd.DataFrame) -> str:
    """Return counts of recordings and windows by reason and split, as a text table."""
    return count_reasons(quality).to_string()


def check_quality(quality: pd.DataFrame, max_bad_fraction: float, dataset: str) -> None:
    """Refuse a dataset that lost too much, or a split or class that lost everything; short segments do not count.

    In an IMU-only dataset val may lack classes: no anchors are taken from it.

    Raises:
        QualityError: with the summary and the key that would allow it.
    """
    recordings = quality[quality["window"] < 0]
    imu_only = "windows" in quality
    what = "window" if imu_only else "clip"
    counted = recordings[recordings["reason"] != SPARED]
    bad = int((counted["reason"] != "").sum())
    summary = summarise_quality(quality)
    where = f"{_most_frequent(recordings)}see results/{dataset}/quality.csv\n{summary}"
    if too_many_bad(bad, len(counted), max_bad_fraction):
        raise QualityError(
            f"{bad / len(counted):.0%} of the recordings of {dataset} yield no {what}, "
            f"more than datasets.{dataset}.max_bad_fraction = {max_bad_fraction:.0%} allows: {where}"
        )
    kept = recordings[recordings["reason"] == ""]
    labels = set(counted["label"])  # a class of short segments alone is left out
    for split in [split for split in SPLITS if split in set(recordings["split"])]:
        lost = sorted(labels - set(kept.loc[kept["split"] == split, "label"]))
        if set(lost) == labels:
            raise QualityError(f"no {what} of {dataset} is left in split {split}: {where}")
        if lost and (split == "train" or (split == "val" and not imu_only)):
            raise QualityError(
                f"no {what} of {dataset} is left in split {split} for label {', '.join(lost)}: {where}"
            )


def summarise_notes(quality: pd.DataFrame) -> str:
    """Return how many recordings have notes of each kind, a line per kind; "" for no notes."""
    counts = count_notes(quality.loc[quality["window"] < 0, "detail"].astype(str))
    return "\n".join(
        f"{number} recording{'s' if number > 1 else ''} with {kind}: {NOTES[kind].found}; {NOTES[kind].effect}"
        for kind, number in counts.most_common()
    )


def _most_frequent(recordings: pd.DataFrame) -> str:
    """Name the most frequent reason why recordings are lost, with one example; "" where none is."""
    lost = recordings[recordings["reason"] != ""]
    if lost.empty:
        return ""
    reason = lost["reason"].mode()[0]
    own = lost[lost["reason"] == reason]
    example = own.iloc[0]
    meaning = REASONS.get(reason, reason)
    return f"{len(own)} of {len(recordings)} for {reason} ({meaning}), as {example['recording']}: {example['detail']}; "


def write_quality(
    recordings: Path,
    shards: Sequence[Path],
    imu: Sequence[Path],
    score_windows: Literal["paired", "imu"],
    target: Path,
) -> None:
    """Write the quality report of a dataset (csv, safe to open in a spreadsheet) and log its summary.

    Args:
        recordings: the index.
        shards: the candidates of every shard.
        imu: the IMU shards.
        score_windows: see `evaluation.score_windows`.
        target: the csv to write.
    """
    clocks = {recording: clock for path in imu for recording, clock in read_clocks(path).items()}
    quality = report_quality(read_table(recordings), read_tables(shards), clocks, score_windows)
    log.info("%s", summarise_quality(quality))
    if notes := summarise_notes(quality):
        log.info("Notes:\n%s", notes)
    with atomic(target) as partial:
        for_people(quality).to_csv(partial, index=False)


def read_quality(path: Path) -> pd.DataFrame:
    """Read a quality report; empty cells are "". Raises `DamageError`."""
    try:
        with open_regular(path) as file:
            return pd.read_csv(file, keep_default_na=False)
    except ValueError as error:  # pandas' parser errors are
        raise DamageError(path, error) from None


def merge_clips(
    recordings: Path,
    quality: Path,
    shards: Sequence[Path],
    max_bad_fraction: float,
    dataset: str,
    score_windows: Literal["paired", "imu"],
) -> pd.DataFrame:
    """Return the windows of a dataset, unless too much of it was lost.

    Args:
        recordings: the index.
        quality: of `write_quality`.
        shards: the candidates of every shard.
        max_bad_fraction: see `check_quality`.
        dataset: its name in the config, for the error.
        score_windows: see `evaluation.score_windows`.

    Raises:
        QualityError: see `check_quality`.
    """
    check_quality(read_quality(quality), max_bad_fraction, dataset)
    return merge_candidates(read_table(recordings), read_tables(shards), score_windows)
