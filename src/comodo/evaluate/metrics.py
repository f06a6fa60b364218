"""Classification metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import cohen_kappa_score, f1_score, recall_score

CLASS_SCORES: Final = ("macro_f1", "balanced_accuracy", "kappa")
"""Keys of `class_scores`."""


def hits_by_recording(
    scores: NDArray[Any], classes: NDArray[Any], labels: NDArray[Any], recordings: NDArray[Any]
) -> list[int]:
    """Return the number of correct top-1 windows per recording, in sorted order, for a bootstrap over recordings."""
    right = classes[scores.argmax(axis=1)] == np.asarray(labels)
    _, place = np.unique(np.asarray(recordings).astype(str), return_inverse=True)
    return np.bincount(place, weights=right).astype(int).tolist()


def class_scores(truth: NDArray[Any], predicted: NDArray[Any]) -> dict[str, float | None]:
    """Return macro-F1, balanced accuracy and Cohen's kappa of predictions (N,) for the true classes (N,).

    Macro-F1 and balanced accuracy are means over the classes with test windows, so that all encoders on a test split
    are averaged over the same classes. A class that is never predicted counts as 0. A class without test windows is
    left out; windows wrongly assigned to it lower the recall of their true class. Kappa uses all classes, true or
    predicted. It is None if there is only one such class, because it is undefined there (0 / 0).
    """
    truth, predicted = np.asarray(truth).astype(str), np.asarray(predicted).astype(str)
    tested = np.unique(truth)
    # balanced_accuracy_score is this recall, but warns about predicted classes without test windows
    average: dict[str, Any] = {"labels": tested, "average": "macro", "zero_division": 0}
    several = len(np.union1d(tested, predicted)) > 1
    return {
        "macro_f1": float(f1_score(truth, predicted, **average)),
        "balanced_accuracy": float(recall_score(truth, predicted, **average)),
        "kappa": float(cohen_kappa_score(truth, predicted)) if several else None,
    }


def per_class(truth: NDArray[Any], predicted: NDArray[Any], classes: Sequence[str]) -> dict[str, Any]:
    """Return the accuracy of each class and the confusion matrix (rows: truth), in the order of `classes`."""
    place = {label: row for row, label in enumerate(classes)}
    matrix = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(matrix, ([place[label] for label in truth], [place[label] for label in predicted]), 1)
    recall = matrix.diagonal() / np.maximum(matrix.sum(axis=1), 1)
    return {"classes": list(classes), "class_accuracy": recall.tolist(), "confusion": matrix.tolist()}
