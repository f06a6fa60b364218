"""Anchors: one teacher embedding per class, for zero-shot classification."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from comodo.clips.tables import pairs_of
from comodo.embeddings.ranking import unit
from comodo.embeddings.store import open_store, read_rows
from comodo.errors import DataError
from comodo.storage.artefacts import create_hdf5, read_table, write_array, write_texts

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


def held_out_anchors(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.object_],
    recordings: NDArray[np.object_],
    rule: str,
) -> dict[str, NDArray[np.float32]]:
    """Return the anchor of each recording's class without the recording itself, by recording.

    Recordings that are the only one of their class are left out. A recording has one class.

    Args:
        embeddings: (N, D) of val clips.
        labels: (N,).
        recordings: (N,).
        rule: see `ANCHOR_RULES`.
    """
    anchors = {}
    for recording in dict.fromkeys(recordings):
        own = recordings == recording
        others = (labels == labels[own.argmax()]) & ~own
        if others.any():
            ((rows),) = anchor_members(embeddings[others], labels[others], rule).values()
            anchors[recording] = embeddings[others][rows].mean(axis=0)
    return anchors


def select_anchors(store: Path, target: Path, clips: Path | None = None) -> None:
    """Write the anchors of every rule, from the val clips of a store.

    The HDF5 file has one group per rule with `embedding` (C, D) float32, `label` (C,) and `clips` (C,). An entry of
    `clips` is the ids of the anchor's clips, separated by newlines.

    Args:
        store: the embedding store.
        target: the HDF5 file to write.
        clips: table of the windows of a fold, with its splits; None: the splits of the store.

    Raises:
        DataError: if a class of the store has no val clip.
        StoreError: if the store is of other clips than `clips`.
    """
    pairs = None if clips is None else pairs_of(read_table(clips))
    with open_store(store, expected=pairs) as file:
        rows = read_rows(file) if pairs is None else pairs
        val = np.flatnonzero(rows["split"] == "val")
        missing = sorted(set(rows["label"]) - set(rows["label"].iloc[val]))
        if missing:
            raise DataError(
                f"{store}: no val clip of {', '.join(missing)}: anchors need at least one val clip of every class"
                + ("" if pairs is None else "; larger folds may help (datasets.<name>.splits.folds)")
            )
        embeddings = file["embedding"][val]
    labels = rows["label"].to_numpy(object)[val]
    ids = rows["clip"].to_numpy(object)[val]
    with create_hdf5(target) as out:
        for rule in ANCHOR_RULES:
            members = anchor_members(embeddings, labels, rule)
            group = out.create_group(rule)
            means = np.stack([embeddings[own].mean(axis=0) for own in members.values()])
            write_array(group, "embedding", means)
            write_texts(group, "label", members)
            write_texts(group, "clips", ("\n".join(ids[own]) for own in members.values()))
