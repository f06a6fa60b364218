"""Figures of merit of a classification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def hits_by_recording(
    scores: NDArray[Any], classes: NDArray[Any], labels: NDArray[Any], recordings: NDArray[Any]
) -> list[int]:
    """Windows whose top-1 is right, for each recording in sorted order: what a bootstrap over recordings needs."""
    right = classes[scores.argmax(axis=1)] == np.asarray(labels)
    _, place = np.unique(np.asarray(recordings).astype(str), return_inverse=True)
    return np.bincount(place, weights=right).astype(int).tolist()


def per_class(truth: NDArray[Any], predicted: NDArray[Any], classes: Sequence[str]) -> dict[str, Any]:
    """Accuracy of each class and the confusion matrix (rows: truth), both in the order of `classes`."""
    place = {label: row for row, label in enumerate(classes)}
    matrix = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(matrix, ([place[label] for label in truth], [place[label] for label in predicted]), 1)
    recall = matrix.diagonal() / np.maximum(matrix.sum(axis=1), 1)
    return {"classes": list(classes), "class_accuracy": recall.tolist(), "confusion": matrix.tolist()}
