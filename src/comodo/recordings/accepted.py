"""Whether a prepared dataset is still within what the config accepts, from its quality report.

Evaluated when the workflow is parsed, so a changed `max_bad_fraction` is checked although it reruns nothing.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

from comodo.errors import QualityError
from comodo.storage.regular import open_text

SPARED: Final = "segment_too_short"
"""Reason of recordings that do not count: nothing is wrong with a short segment."""


def too_many_bad(bad: int, recordings: int, max_bad_fraction: float) -> bool:
    """Return whether so many recordings yield nothing that a dataset is refused.

    A single one of several is accepted, unless `max_bad_fraction` is 0.
    """
    return bad > max_bad_fraction * recordings and (bad > 1 or bad == recordings or max_bad_fraction == 0)


def count_bad(quality: Path) -> tuple[int, int]:
    """Return how many recordings of a quality report yield nothing, and how many there are, short segments left out.

    Rows of recordings (window -1) come first, so only these are read.
    """
    recordings = bad = 0
    with open_text(quality, newline="") as file:
        for row in csv.DictReader(file):
            if row["window"] != "-1":
                break
            recordings += row["reason"] != SPARED
            bad += row["reason"] not in ("", SPARED)
    return bad, recordings


def check_accepted(dataset: str, max_bad_fraction: float, results: Path) -> None:
    """Refuse a dataset that was merged under a larger `max_bad_fraction` than the config has now.

    One whose quality report is missing, or newer than its merged clips, is left to rule merge_clips.

    Raises:
        QualityError: with the key and the remedy.
    """
    quality, merged = results / dataset / "quality.csv", results / dataset / "clips.parquet"
    if not (quality.exists() and merged.exists()) or quality.stat().st_mtime_ns > merged.stat().st_mtime_ns:
        return
    bad, recordings = count_bad(quality)
    if too_many_bad(bad, recordings, max_bad_fraction):
        raise QualityError(
            f"{bad / recordings:.0%} of the recordings of {dataset} yield no clip or window, more than "
            f"datasets.{dataset}.max_bad_fraction = {max_bad_fraction:.0%} allows: see {quality}. "
            f"Raise the key; where the data have changed since, delete {merged}"
        )
