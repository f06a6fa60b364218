"""Protocol `anchors`: zero-shot accuracy of the class of the nearest anchor."""

from __future__ import annotations

from pathlib import Path

from comodo.config import EvaluationSettings
from comodo.embeddings.anchors import ANCHOR_RULES
from comodo.embeddings.ranking import nearest_anchor
from comodo.evaluate.identity import features_id
from comodo.evaluate.results import Scores, result_of, scores_on
from comodo.storage.artefacts import open_hdf5


def score_anchors(features: Path, settings: EvaluationSettings, threads: int = 1) -> Scores:
    """Score the test split of a feature file by the nearest anchor, with one result per anchor rule.

    Args:
        features: feature file of an encoder with a teacher.
        settings: unused, because no labels are used.
        threads: unused.
    """
    with open_hdf5(features) as file:
        labels, recordings = (file[f"test/{name}"].asstr()[:] for name in ("label", "recording"))
        results = []
        for rule in ANCHOR_RULES:
            anchors = file[f"anchors/{rule}"]
            classes = anchors["label"].asstr()[:]
            similarity = nearest_anchor(file["test/projected"][:], anchors["projected"][:])
            result = result_of(similarity, classes, labels, recordings, labels_per_class=0, scoring=rule)
            results.append(result)
        return scores_on(recordings, classes, results, features_id(file))
