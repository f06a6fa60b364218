"""What an objective is: an object that makes a `Lesson` of the data of an experiment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import h5py
import numpy as np
import pandas as pd
import torch
from torch import nn

from comodo.clips.sampling import Indices, draw_clips
from comodo.clips.tables import pairs_of
from comodo.objectives.rankings import Ranking, anchor_rankings
from comodo.objectives.targets import Targets, TeacherTargets


@dataclass(frozen=True)
class Inputs:
    """The data that an objective may use.

    Attributes:
        windows: of the dataset (`comodo.clips.tables`).
        dim: width of the student's embeddings.
        seed: of fresh heads and drawn labels.
        store: the open embedding store of the pairs; None without a teacher.
        anchors: the teacher's anchors; None without a teacher.
    """

    windows: pd.DataFrame
    dim: int
    seed: int
    store: h5py.File | None = None
    anchors: Path | None = None

    def split(self, name: str, paired: bool = False) -> pd.DataFrame:
        """Return the windows of a split, or its pairs alone."""
        chosen = pairs_of(self.windows) if paired else self.windows
        return chosen[chosen["split"] == name].reset_index(drop=True)


@dataclass
class Lesson:
    """What a student learns and how it is validated.

    Attributes:
        targets: of the n train windows: a tensor (n, d) or (n,), or an object that reads them batch by batch.
        heads: what turns embeddings into the output that the loss compares, by role (`comodo.models.distilled.HEADS`).
        trained: role of the head that learns with the student; "" without one.
        loss: (output of that head (B, d), targets (B, …)) → scalar; None: nothing is trained.
        train: the n train windows, rows of the table of windows.
        withheld: train windows that take no part in epoch 0: those whose embeddings fill the queue.
        classes: of a classifier.
        val: the windows to validate on, likewise.
        rankings: how val is ranked, by the name in the history.
    """

    targets: Targets = field(default_factory=lambda: torch.empty(0))
    heads: dict[str, nn.Module] = field(default_factory=dict)
    trained: str = ""
    loss: nn.Module | None = None
    train: pd.DataFrame = field(default_factory=pd.DataFrame)
    withheld: Sequence[int] | Indices = ()
    classes: list[str] = field(default_factory=list)
    val: pd.DataFrame = field(default_factory=pd.DataFrame)
    rankings: dict[str, Ranking] = field(default_factory=dict)

    @property
    def head(self) -> nn.Module:
        """The head that learns with the student."""
        return self.heads[self.trained]

    def named(self, window: int) -> str:
        """Name a train window in a message: its clip id, else its number."""
        return str(window) if self.train.empty else str(self.train["clip"].iloc[window])


class Objective(Protocol):
    """An objective: made from its settings (`comodo.config.objectives`), it makes a lesson of the data."""

    def lesson(self, inputs: Inputs) -> Lesson:
        """Return what the student learns. Raises `ValueError` when settings and data do not fit."""
        ...


def train_rows(inputs: Inputs, clips_per_recording: int) -> Indices:
    """Rows (n,) of the embedding store that are trained on: its train clips, or some of each recording."""
    pairs = pairs_of(inputs.windows)
    rows = np.flatnonzero(pairs["split"] == "train")
    return rows[draw_clips(pairs["recording"].iloc[rows].tolist(), clips_per_recording)]


def paired_lesson(inputs: Inputs, rows: Indices, heads: dict[str, nn.Module]) -> Lesson:
    """Return the part of a lesson that all objectives with a teacher share; the loss is the objective's own.

    Args:
        inputs: the data, with a store and anchors.
        rows: of `train_rows`.
        heads: roles `student` and `teacher`; they bring both to one width.
    """
    if inputs.store is None or inputs.anchors is None:
        raise ValueError("an objective that learns from a teacher needs its embedding store and its anchors")
    return Lesson(
        targets=TeacherTargets(inputs.store, rows, heads["teacher"]),
        heads=heads,
        trained="student",
        train=pairs_of(inputs.windows).iloc[rows].reset_index(drop=True),
        val=inputs.split("val", paired=True),
        rankings=anchor_rankings(inputs.anchors, heads["teacher"]),
    )
