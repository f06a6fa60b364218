"""Figures of merit of a classification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from comodo.embeddings.ranking import top_k


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


def accuracy_and_hits(test: h5py.Group, scores: NDArray[np.float32], classes: NDArray[Any]) -> dict[str, Any]:
    """Top-1, 3, 5 accuracy and hits by recording of scores (N, C) for the test split of a feature file."""
    labels, recordings = test["label"].asstr()[:], test["recording"].asstr()[:]
    return {**top_k(scores, classes, labels), "hits": hits_by_recording(scores, classes, labels, recordings)}
