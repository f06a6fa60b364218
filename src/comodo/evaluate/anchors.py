"""Protocol `anchors`: zero-shot accuracy, by the class of the nearest anchor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from comodo.embeddings.anchors import ANCHOR_RULES
from comodo.embeddings.ranking import nearest_anchor
from comodo.evaluate.metrics import accuracy_and_hits, scored_on
from comodo.storage.artefacts import open_hdf5


def score_anchors(features: Path) -> dict[str, Any]:
    """Zero-shot accuracy on test: the class of the nearest anchor, by each anchor rule."""
    with open_hdf5(features) as file:
        results = []
        for rule in ANCHOR_RULES:
            anchors = file[f"anchors/{rule}"]
            classes = anchors["label"].asstr()[:]
            similarity = nearest_anchor(file["test/projected"][:], anchors["projected"][:])
            results.append(
                {"labels_per_class": 0, "scoring": rule}
                | accuracy_and_hits(file["test"], similarity, classes)
            )
        return scored_on(file["test/recording"].asstr()[:], classes, results)
