"""The cross-modal queue: teacher embeddings of past batches, the reference that student and teacher are compared on."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from comodo.errors import TrainingError


class EmbeddingQueue(nn.Module):
    """First in, first out memory of K embeddings (the paper's queue Q).

    Pushing a batch `z` (B, d) is `Q = [Q; z][B:]` for every B, also where B does not divide K or exceeds it. The rows
    live in a ring: a push overwrites the oldest B rows and moves nothing else, so its cost does not depend on K. Rows
    and position are buffers and travel with a checkpoint.

    Args:
        initial: (K, d), oldest first; copied.

    Attributes:
        rows: (K, d) in ring order, for whoever does not care which row is the oldest (a softmax does not).
        oldest: where in `rows` the oldest one is.
    """

    rows: Tensor
    oldest: Tensor

    def __init__(self, initial: Tensor) -> None:
        """Start with `initial` as the K embeddings."""
        super().__init__()
        if initial.ndim != 2 or len(initial) == 0:
            raise ValueError(
                f"a queue starts with embeddings of shape (K, d), K ≥ 1, not {tuple(initial.shape)}"
            )
        self.register_buffer("rows", initial.detach().clone())
        self.register_buffer("oldest", torch.zeros((), dtype=torch.int64, device=initial.device))

    def __len__(self) -> int:
        """Return K, the number of embeddings held."""
        return len(self.rows)

    @torch.no_grad()
    def push(self, batch: Tensor) -> None:
        """Append `batch` (B, d) and drop the B oldest embeddings."""
        size = len(self)
        newest = batch[-size:]  # of a batch beyond K, what comes earlier would be dropped at once
        places = (self.oldest + torch.arange(len(newest), device=self.rows.device)) % size
        self.rows[places] = newest.to(self.rows.dtype)
        self.oldest.copy_((self.oldest + len(newest)) % size)

    @property
    def ordered(self) -> Tensor:
        """The embeddings (K, d), oldest first; a copy."""
        return self.rows.roll(-int(self.oldest), dims=0)


def initial_queue_indices(n: int, size: int, seed: int = 16349) -> NDArray[np.int64]:
    """Draw the `size` of `n` train clips whose teacher embeddings fill the queue at the start.

    The published draw: without replacement, kept in dataset order, the same for every training seed.

    Raises:
        ValueError: when there are fewer clips than the queue holds.
    """
    if size > n:
        raise TrainingError(
            f"queue_size is {size}, but there are only {n} train clips: lower queue_size (training also needs "
            "clips beyond those in the queue)"
        )
    draw = np.random.RandomState(seed)
    return np.sort(draw.choice(n, size, replace=False)).astype(np.int64)
