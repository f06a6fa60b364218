"""Targets of the train clips: projected teacher embeddings, read on demand."""

from __future__ import annotations

from typing import Protocol

import h5py
import torch
from torch import Tensor, nn

from comodo.clips.sampling import Indices
from comodo.embeddings.store import read_embeddings
from comodo.models.heads import project_teacher


class Targets(Protocol):
    """Targets of the train windows: a tensor (n, d) or (n,), or an object that reads rows on demand."""

    def __len__(self) -> int:
        """Return the number of train clips."""

    def __getitem__(self, clips: Tensor, /) -> Tensor:
        """Return the targets (B, …) of clips (B,)."""


class TeacherTargets:
    """Projected teacher embeddings of unit length, read from the store and projected on demand.

    Args:
        store: open embedding store, (N, D).
        rows: (n,), rows of the train clips in the store.
        head: projection of (B, D) to (B, d).
    """

    def __init__(self, store: h5py.File, rows: Indices, head: nn.Module) -> None:
        self._store, self._rows, self._head = store, rows, head

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, clips: Tensor) -> Tensor:
        """Return the targets (B, d) of train clips (B,)."""
        embeddings = read_embeddings(self._store, self._rows[clips.numpy()])
        return project_teacher(torch.from_numpy(embeddings), self._head)
