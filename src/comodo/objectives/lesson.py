"""Interface of objectives: an `Objective` creates a `Lesson` from the data of an experiment."""

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
    """Data that an objective may use.

    Attributes:
        windows: table of the dataset's windows (`comodo.clips.tables`).
        dim: width of the student's embeddings.
        seed: seed of new heads and of drawn labels.
        store: open embedding store of the pairs; None without a teacher.
        anchors: file of the teacher's anchors; None without a teacher.
    """

    windows: pd.DataFrame
    dim: int
    seed: int
    store: h5py.File | None = None
    anchors: Path | None = None

    def split(self, name: str, paired: bool = False) -> pd.DataFrame:
        """Return the windows of a split; with `paired`, only its pairs."""
        chosen = pairs_of(self.windows) if paired else self.windows
        return chosen[chosen["split"] == name].reset_index(drop=True)


@dataclass
class Lesson:
    """Training data, heads and loss of a student, and its validation data.

    Attributes:
        targets: targets of the n train windows: a tensor (n, d) or (n,), or an object that reads them batch by batch.
        heads: heads by role (`comodo.models.distilled.HEADS`). They map embeddings to the input of the loss.
        trained: role of the head that is trained with the student; "" without one.
        loss: (output of the trained head (B, d), targets (B, …)) → scalar. None: nothing is trained.
        train: the n train windows, rows of the table of windows.
        withheld: indices of train windows that are not used in epoch 0, because their embeddings are in the queue.
        classes: classes of the classifier.
        val: validation windows, rows of the table of windows.
        rankings: rankings of the validation windows, by their name in the history.
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
        """The head that is trained with the student."""
        return self.heads[self.trained]

    def named(self, window: int) -> str:
        """Return the name of a train window for messages: its clip id, else its index."""
        return str(window) if self.train.empty else str(self.train["clip"].iloc[window])


class Objective(Protocol):
    """Objective, created from its settings (`comodo.config.objectives`)."""

    def lesson(self, inputs: Inputs) -> Lesson:
        """Return the lesson for the data; raise `ValueError` if settings and data do not fit each other."""
        ...


def train_rows(inputs: Inputs, clips_per_recording: int) -> Indices:
    """Return the rows (n,) of the embedding store to train on: all train clips, or some of each recording."""
    pairs = pairs_of(inputs.windows)
    rows = np.flatnonzero(pairs["split"] == "train")
    return rows[draw_clips(pairs["recording"].iloc[rows].tolist(), clips_per_recording)]


def paired_lesson(inputs: Inputs, rows: Indices, heads: dict[str, nn.Module]) -> Lesson:
    """Return a lesson of train pairs, without a loss; common to all objectives with a teacher.

    Args:
        inputs: the data, with a store and anchors.
        rows: rows of `train_rows`.
        heads: heads with the roles `student` and `teacher`, which project both to the same width.

    Raises:
        ValueError: if the store or the anchors are missing.
    """
    if inputs.store is None or inputs.anchors is None:
        raise ValueError("an objective with a teacher needs its embedding store and its anchors")
    return Lesson(
        targets=TeacherTargets(inputs.store, rows, heads["teacher"]),
        heads=heads,
        trained="student",
        train=pairs_of(inputs.windows).iloc[rows].reset_index(drop=True),
        val=inputs.split("val", paired=True),
        rankings=anchor_rankings(inputs.anchors, heads["teacher"]),
    )
