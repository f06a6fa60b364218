"""Anchors: one teacher embedding per class, for zero-shot classification."""

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
"""first: the first val clip of a class, as published. medoid: its most central val clip. mean: all its val clips."""


def anchor_members(
    embeddings: NDArray[np.float32], labels: NDArray[np.object_], rule: str
) -> dict[str, list[int]]:
    """Return the rows of `embeddings` (N, D) that form the anchor of each class, by class in sorted order."""
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
    """Write the anchors of every rule, from the val clips of a store.

    The HDF5 file has one group per rule with `embedding` (C, D) float32, `label` (C,) and `clips` (C,). An entry of
    `clips` is the ids of the anchor's clips, separated by newlines.

    Raises:
        DataError: if a class of the store has no val clip.
    """
    with open_store(store) as file:
        rows = read_rows(file)
        val = np.flatnonzero(rows["split"] == "val")
        missing = sorted(set(rows["label"]) - set(rows["label"].iloc[val]))
        if missing:
            raise DataError(
                f"{store}: no val clip of {', '.join(missing)}: anchors need at least one val clip of every class"
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
