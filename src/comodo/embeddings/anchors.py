"""Anchors: one teacher embedding per class, against which zero-shot classification compares."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from comodo.embeddings.ranking import unit
from comodo.embeddings.store import open_store, read_rows
from comodo.errors import DataError
from comodo.storage.artefacts import create_hdf5, write_array, write_texts

ANCHOR_RULES: Final = ("first", "medoid", "mean")
"""first: the first val clip of the class (as published); medoid: its most central val clip; mean: all its val clips."""


def anchor_members(
    embeddings: NDArray[np.float32], labels: NDArray[np.object_], rule: str
) -> dict[str, list[int]]:
    """Rows of `embeddings` (N, D) that make each class's anchor under a rule, by class in sorted order."""
    members = {}
    for label in sorted(set(labels)):
        rows = np.flatnonzero(labels == label)
        if rule == "first":
            rows = rows[:1]
        elif rule == "medoid":
            own = unit(embeddings[rows])
            rows = rows[[int(np.argmax(own @ own.sum(axis=0)))]]
        members[label] = rows.tolist()
    return members


def select_anchors(store: Path, target: Path) -> None:
    """Write every rule's anchors from the val clips of a store.

    The HDF5 file has one group per rule: `embedding` (C, D) float32, `label` (C,), and `clips` (C,), the ids of the
    clips that made each anchor, separated by newlines.

    Raises:
        ValueError: when the store has no val clip, or a train class none.
    """
    with open_store(store) as file:
        rows = read_rows(file)
        val = np.flatnonzero(rows["split"] == "val")
        missing = sorted(set(rows["label"]) - set(rows["label"].iloc[val]))
        if missing:
            raise DataError(
                f"{store}: no val clip of {', '.join(missing)}: anchors need one clip of every class in split val"
            )
        embeddings = file["embedding"][val]
    labels = rows["label"].to_numpy(object)[val]
    clips = rows["clip"].to_numpy(object)[val]
    with create_hdf5(target) as out:
        for rule in ANCHOR_RULES:
            members = anchor_members(embeddings, labels, rule)
            group = out.create_group(rule)
            means = np.stack([embeddings[own].mean(axis=0) for own in members.values()])
            write_array(group, "embedding", means)
            write_texts(group, "label", members)
            write_texts(group, "clips", ("\n".join(clips[own]) for own in members.values()))
