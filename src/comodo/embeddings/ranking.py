"""Rank classes by similarity to anchors, and compute top-k accuracy."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

TOP_K: Final = (1, 3, 5)


def unit(rows: NDArray[Any]) -> NDArray[Any]:
    """Scale rows (N, D) to unit length."""
    scaled: NDArray[Any] = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)
    return scaled


def nearest_anchor(embeddings: NDArray[np.float32], anchors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the cosine similarity (N, C) of embeddings (N, D) to anchors (C, D)."""
    similarity: NDArray[np.float32] = unit(embeddings) @ unit(anchors).T
    return similarity


def top_k(scores: NDArray[Any], classes: NDArray[Any], labels: NDArray[Any]) -> dict[str, float]:
    """Return the top-1, top-3 and top-5 accuracy of scores (N, C), C in the order of `classes`, for labels (N,).

    With at most k classes, top-k is 1. A label that is not in `classes` counts as wrong.
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    hits = classes[order] == np.asarray(labels)[:, None]
    return {f"top{k}": float(hits[:, :k].any(axis=1).mean()) for k in TOP_K}
