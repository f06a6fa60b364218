"""The clips and the learning rate of each step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike

from comodo.clips.sampling import Indices
from comodo.config import ExperimentSettings
from comodo.errors import TrainingError
from comodo.models.seeds import named_seed

WARMUP = 0.1  # of the schedule's steps


def learning_rate(step: int, total: int, peak: float) -> float:
    """Learning rate of a step: linear warm-up over a tenth of `total` from 0 to `peak`, then linear decay to 0."""
    warmup = int(WARMUP * total)
    if step < warmup:
        return peak * step / warmup
    return peak * max(0, total - step) / (total - warmup)


def schedule_steps(plan: Sequence[Sequence[object]], settings: ExperimentSettings) -> int:
    """Total of steps that the learning rate is planned over.

    `linear`: as many as there are. `reference`: the published total, which adds the K queue *samples* to each later
    epoch's *batches*, so that such a run ends early in its schedule.
    """
    if settings.schedule == "reference":
        first = len(plan[0])
        return first + (first + settings.queue_size) * (len(plan) - 1)
    return sum(map(len, plan))


def shuffled_batches(clips: Indices, batch_size: int, seed: int, epoch: int) -> list[Indices]:
    """Divide clips into batches, in an order that depends on seed and epoch only.

    The last batch is smaller where the numbers do not divide. One clip alone has no batch statistics for the head, so
    it joins the batch before it.
    """
    generator = torch.Generator().manual_seed(named_seed(seed, f"shuffle epoch {epoch}"))
    order = clips[torch.randperm(len(clips), generator=generator).numpy()]
    starts = list(range(batch_size, len(order), batch_size))
    if starts and len(order) - starts[-1] == 1:
        starts.pop()
    return np.split(order, starts)


def shuffled_plan(
    n: int, withheld: Sequence[int] | Indices, settings: ExperimentSettings, seed: int
) -> list[list[Indices]]:
    """Batches of every epoch, shuffled; `withheld` clips join in epoch 1."""
    everything = np.arange(n)
    first = np.setdiff1d(everything, np.asarray(withheld, dtype=np.int64))
    return [
        shuffled_batches(everything if epoch else first, settings.batch_size, seed, epoch)
        for epoch in range(settings.epochs)
    ]


def given_plan(batches: Sequence[Sequence[ArrayLike]]) -> list[list[Indices]]:
    """Batches of every epoch as given. Raises `TrainingError` for a batch of one clip."""
    plan = [[np.asarray(batch, dtype=np.int64) for batch in epoch] for epoch in batches]
    if not plan or any(len(batch) < 2 for epoch in plan for batch in epoch):
        raise TrainingError("a batch needs two clips or more: the projection head normalises over the batch")
    return plan
