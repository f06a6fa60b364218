"""Projection heads of teacher and student for distillation."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from comodo.errors import ModelError
from comodo.models.seeds import named_seed, seeded


class ProjectionHead(nn.Sequential):
    """Linear → BatchNorm → GELU → Linear, from (B, in_dim) to (B, out_dim)."""

    def __init__(self, in_dim: int, hidden: int, out_dim: int) -> None:
        """Create a head with random weights from the global generator; see `new_head` for a seeded one."""
        super().__init__(
            nn.Linear(in_dim, hidden), nn.BatchNorm1d(hidden), nn.GELU(), nn.Linear(hidden, out_dim)
        )


def new_head(in_dim: int, hidden: int, out_dim: int, *, seed: int, name: str) -> ProjectionHead:
    """Return a head whose weights depend on seed, name and sizes only. `name` is `teacher` or `student`."""
    with seeded(named_seed(seed, f"{name} projection")):
        return ProjectionHead(in_dim, hidden, out_dim)


def linear_head(in_dim: int, out_dim: int, *, seed: int, name: str = "student projection") -> nn.Linear:
    """Return a linear head whose weights depend on seed, name and sizes only."""
    with seeded(named_seed(seed, name)):
        return nn.Linear(in_dim, out_dim)


def principal_components(embeddings: Any, rows: NDArray[np.int64], dim: int) -> nn.Linear:
    """Return the linear map of pooled teacher embeddings onto their first `dim` principal components.

    Args:
        embeddings: (N, D) array-like, read in slices; for example a dataset of an open store.
        rows: (n,) rows to fit, those of the train clips, in ascending order.
        dim: number of components, at most D.

    Raises:
        ModelError: if `dim` is greater than D.
    """
    width = embeddings.shape[1]
    if dim > width:
        raise ModelError(
            f"projection_dim is {dim}, but the teacher's embeddings have {width} dimensions: lower it"
        )
    total, squares = np.zeros(width), np.zeros((width, width))
    for part in np.array_split(rows, max(1, len(rows) // 4096)):
        block = np.asarray(embeddings[part], dtype=np.float64)
        total += block.sum(axis=0)
        squares += block.T @ block
    mean = total / len(rows)
    _, axes = np.linalg.eigh(squares / len(rows) - np.outer(mean, mean))  # ascending
    weight = axes[:, ::-1][:, :dim].T
    weight = weight * np.sign(weight[np.arange(dim), np.abs(weight).argmax(axis=1)])[:, None]
    linear = nn.Linear(width, dim)
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(weight))
        linear.bias.copy_(torch.from_numpy(-weight @ mean))
    return linear


@torch.no_grad()
def project_teacher(embeddings: Tensor, head: nn.Module, rows: int = 4096) -> Tensor:
    """Project pooled teacher embeddings (N, D) to targets (N, d) of unit length.

    Args:
        embeddings: (N, D).
        head: projection to the width d that teacher and student share. It is not trained, and is set to eval mode.
        rows: rows per forward pass, which limits the memory.
    """
    head.eval()
    return torch.cat([F.normalize(head(part), dim=1) for part in embeddings.split(rows)])
