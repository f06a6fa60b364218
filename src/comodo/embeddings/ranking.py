"""Rank classes by similarity to anchors, and how often the right one is among the first."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

TOP_K: Final = (1, 3, 5)


def unit(rows: NDArray[Any]) -> NDArray[Any]:
    """Rows (N, D) scaled to unit length."""
    scaled: NDArray[Any] = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)
    return scaled


def nearest_anchor(embeddings: NDArray[np.float32], anchors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosine similarity (N, C) of embeddings (N, D) to anchors (C, D)."""
    similarity: NDArray[np.float32] = unit(embeddings) @ unit(anchors).T
    return similarity


def top_k(scores: NDArray[Any], classes: NDArray[Any], labels: NDArray[Any]) -> dict[str, float]:
    """Top-1, 3 and 5 accuracy of scores (N, C), C in the order of `classes`, against labels (N,).

    With fewer classes than k, top-k is 1. A label that is no class counts as wrong.
    """
    order = np.argsort(-scores, axis=1, kind="stable")
    hits = classes[order] == np.asarray(labels)[:, None]
    return {f"top{k}": float(hits[:, :k].any(axis=1).mean()) for k in TOP_K}
