"""Protocol `head`: accuracy of the classifier of a supervised student."""

from __future__ import annotations

from pathlib import Path

from comodo.config import EvaluationSettings
from comodo.evaluate.identity import features_id
from comodo.evaluate.results import Scores, result_of, scores_on
from comodo.storage.artefacts import open_hdf5


def score_head(features: Path, settings: EvaluationSettings, threads: int = 1) -> Scores:
    """Score the test split of a feature file by the student's classifier, with one result.

    Args:
        features: feature file of a student with a classifier.
        settings: `labels_per_class` has one entry, the number of labels per class that the student was trained on.
        threads: unused.
    """
    (count,) = settings.labels_per_class
    with open_hdf5(features) as file:
        labels, recordings = (file[f"test/{name}"].asstr()[:] for name in ("label", "recording"))
        classes, scores = file["classes"].asstr()[:], file["test/scores"][:]
        result = result_of(scores, classes, labels, recordings, labels_per_class=count, scoring="head")
        return scores_on(recordings, classes, [result], features_id(file))
