"""Protocol `head`: accuracy of a supervised student's own classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from comodo.evaluate.metrics import accuracy_and_hits, scored_on
from comodo.storage.artefacts import open_hdf5


def score_head(features: Path, labels_per_class: int | None) -> dict[str, Any]:
    """Accuracy on test of a supervised student's own head, which saw so many labels of each class (none: all)."""
    with open_hdf5(features) as file:
        classes = file["classes"].asstr()[:]
        row = {"labels_per_class": labels_per_class or "all", "scoring": "head"}
        results = [row | accuracy_and_hits(file["test"], file["test/scores"][:], classes)]
        return scored_on(file["test/recording"].asstr()[:], classes, results)
