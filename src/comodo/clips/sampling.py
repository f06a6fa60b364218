"""Draws of labels and clips for a training, which depend on ids and a seed only."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

CLIPS_SEED: Final = 16349  # of `clips_per_recording`, as published
Indices = NDArray[np.int64]


def draw_labels(clips: Sequence[str], labels: Sequence[str], per_class: int, seed: int) -> NDArray[np.int64]:
    """Rows of `per_class` windows of every class, drawn by a hash of seed and clip id.

    The draw depends on nothing else, so every experiment on a dataset gets the same labels in any row order.
    """
    order = np.argsort(
        [hashlib.sha256(f"{seed}:{clip}".encode()).hexdigest() for clip in clips], kind="stable"
    )
    own = np.asarray(labels, dtype=object)
    drawn = [order[own[order] == label][:per_class] for label in sorted(set(labels))]
    return np.sort(np.concatenate(drawn))


def draw_clips(recordings: Sequence[Any], keep: int) -> NDArray[np.int64]:
    """Rows of at most `keep` clips of every recording (all where `keep` is 0), in their order; the published draw."""
    if keep == 0:
        return np.arange(len(recordings))
    _, place = np.unique(np.asarray(recordings).astype(str), return_inverse=True)
    rows = np.split(np.argsort(place, kind="stable"), np.cumsum(np.bincount(place))[:-1])
    kept = [own[np.random.RandomState(CLIPS_SEED).permutation(len(own))[:keep]] for own in rows]
    return np.sort(np.concatenate(kept))
