"""Classification metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def hits_by_recording(
    scores: NDArray[Any], classes: NDArray[Any], labels: NDArray[Any], recordings: NDArray[Any]
) -> list[int]:
    """Return the number of correct top-1 windows per recording, in sorted order, for a bootstrap over recordings."""
    right = classes[scores.argmax(axis=1)] == np.asarray(labels)
    _, place = np.unique(np.asarray(recordings).astype(str), return_inverse=True)
    return np.bincount(place, weights=right).astype(int).tolist()


def per_class(truth: NDArray[Any], predicted: NDArray[Any], classes: Sequence[str]) -> dict[str, Any]:
    """Return the accuracy of each class and the confusion matrix (rows: truth), in the order of `classes`."""
    place = {label: row for row, label in enumerate(classes)}
    matrix = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(matrix, ([place[label] for label in truth], [place[label] for label in predicted]), 1)
    recall = matrix.diagonal() / np.maximum(matrix.sum(axis=1), 1)
    return {"classes": list(classes), "class_accuracy": recall.tolist(), "confusion": matrix.tolist()}
