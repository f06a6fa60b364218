"""Figures of merit of a classification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

TOP_K: Final = (1, 3, 5)


def top_k(scores: NDArray[Any], classes: NDArray[Any], labels: NDArray[Any]) -> dict[str, float]:
    """Top-1, 3 and 5 accuracy of scores (N, C), C in the order of `classes`, against labels (N,).

    With fewer classes than k, top-k is 1. A label that is no class counts as wrong.
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    hits = classes[order] == np.asarray(labels)[:, None]
    return {f"top{k}": float(hits[:, :k].any(axis=1).mean()) for k in TOP_K}


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


def scored_on(
    recordings: Sequence[str], classes: Sequence[str], results: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What a score file holds: its results, and the test windows of each recording, in sorted order, behind `hits`."""
    names, windows = np.unique(np.asarray(recordings).astype(str), return_counts=True)
    return {
        "n_test": len(recordings),
        "n_classes": len(set(classes)),
        "recordings": names.tolist(),
        "windows": windows.tolist(),
        "results": list(results),
    }
