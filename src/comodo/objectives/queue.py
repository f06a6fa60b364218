"""Cross-modal queue: teacher embeddings of past batches, to which student and teacher are compared."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from comodo.errors import TrainingError


class EmbeddingQueue(nn.Module):
    """First-in, first-out queue of K embeddings (Q in the paper).

    Pushing a batch `z` (B, d) computes `Q = [Q; z][B:]` for any B. The rows form a ring buffer: a push overwrites the
    oldest B rows only, so its cost does not depend on K. Rows and position are buffers, so checkpoints include them.

    Args:
        initial: (K, d), oldest first. It is copied.

    Attributes:
        rows: (K, d) in ring order, for computations that do not depend on the order, such as softmax.
        oldest: index of the oldest row.
    """

    rows: Tensor
    oldest: Tensor

    def __init__(self, initial: Tensor) -> None:
        """Fill the queue with `initial`."""
        super().__init__()
        if initial.ndim != 2 or len(initial) == 0:
            raise ValueError(
                f"the initial queue must have the shape (K, d), K ≥ 1, not {tuple(initial.shape)}"
            )
        self.register_buffer("rows", initial.detach().clone())
        self.register_buffer("oldest", torch.zeros((), dtype=torch.int64, device=initial.device))

    def __len__(self) -> int:
        """Return K, the number of embeddings."""
        return len(self.rows)

    @torch.no_grad()
    def push(self, batch: Tensor) -> None:
        """Append `batch` (B, d) and drop the B oldest embeddings."""
        size = len(self)
        newest = batch[-size:]  # of a batch larger than K, only the last K rows remain
        places = (self.oldest + torch.arange(len(newest), device=self.rows.device)) % size
        self.rows[places] = newest.to(self.rows.dtype)
        self.oldest.copy_((self.oldest + len(newest)) % size)

    @property
    def ordered(self) -> Tensor:
        """Copy of the embeddings (K, d), oldest first."""
        return self.rows.roll(-int(self.oldest), dims=0)


def initial_queue_indices(n: int, size: int, seed: int = 16349) -> NDArray[np.int64]:
    """Draw `size` of `n` train clips, whose teacher embeddings fill the initial queue.

    As published, clips are drawn without replacement, kept in dataset order, and the same for every training seed.

    Raises:
        TrainingError: if `size` is greater than `n`.
    """
    if size > n:
        raise TrainingError(
            f"queue_size is {size}, but there are only {n} train clips: lower queue_size (training also needs "
            "clips beyond those in the queue)"
        )
    draw = np.random.RandomState(seed)
    return np.sort(draw.choice(n, size, replace=False)).astype(np.int64)
