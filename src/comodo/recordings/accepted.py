"""Whether a prepared dataset is still within what the config accepts, from its quality report.

Evaluated when the workflow is parsed, so a changed `max_bad_fraction` is checked although it reruns nothing.
"""

from __future__ import annotations

import csv
from pathlib import Path

from comodo.errors import QualityError
from comodo.storage.regular import open_text


def bad_fraction(quality: Path) -> float:
    """Return the share of recordings of a quality report that yield nothing; 0 for an empty report.

    Rows of recordings (window -1) come first, so only these are read.
    """
    recordings = bad = 0
    with open_text(quality, newline="") as file:
        for row in csv.DictReader(file):
            if row["window"] != "-1":
                break
            recordings += 1
            bad += row["reason"] != ""
    return bad / recordings if recordings else 0.0


def check_accepted(dataset: str, max_bad_fraction: float, results: Path) -> None:
    """Refuse a dataset that was merged under a larger `max_bad_fraction` than the config has now.

    One whose quality report is missing, or newer than its merged clips, is left to rule merge_clips.

    Raises:
        QualityError: with the key and the remedy.
    """
    quality, merged = results / dataset / "quality.csv", results / dataset / "clips.parquet"
    if not (quality.exists() and merged.exists()) or quality.stat().st_mtime_ns > merged.stat().st_mtime_ns:
        return
    if (bad := bad_fraction(quality)) > max_bad_fraction:
        raise QualityError(
            f"{bad:.0%} of the recordings of {dataset} yield no clip or window, more than "
            f"datasets.{dataset}.max_bad_fraction = {max_bad_fraction:.0%} allows: see {quality}. "
            f"Raise the key; where the data have changed since, delete {merged}"
        )
