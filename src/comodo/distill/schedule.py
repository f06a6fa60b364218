"""Batches and learning rate of each step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike

from comodo.clips.sampling import Indices
from comodo.config import ExperimentSettings
from comodo.errors import TrainingError
from comodo.models.seeds import named_seed

WARMUP = 0.1  # fraction of the schedule's steps


def learning_rate(step: int, total: int, peak: float) -> float:
    """Return the learning rate of a step: linear warm-up to `peak` over 10 % of `total`, then linear decay to 0."""
    warmup = int(WARMUP * total)
    if step < warmup:
        return peak * step / warmup
    return peak * max(0, total - step) / (total - warmup)


def schedule_steps(plan: Sequence[Sequence[object]], settings: ExperimentSettings) -> int:
    """Return the number of steps of the learning rate schedule.

    `linear` is the number of training steps. `reference` is the published number, which adds the K *samples* of the
    queue to the number of *batches* of each epoch after the first. The run ends before the schedule does.
    """
    if settings.schedule == "reference":
        first = len(plan[0])
        return first + (first + settings.queue_size) * (len(plan) - 1)
    return sum(map(len, plan))


def shuffled_batches(clips: Indices, batch_size: int, seed: int, epoch: int) -> list[Indices]:
    """Split clips into batches, in an order that depends on seed and epoch only.

    The last batch may be smaller. A single remaining clip is added to the batch before it, because batch norm needs
    more than one clip.
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
    """Return the shuffled batches of every epoch; `withheld` clips are used from epoch 1 on."""
    everything = np.arange(n)
    first = np.setdiff1d(everything, np.asarray(withheld, dtype=np.int64))
    return [
        shuffled_batches(everything if epoch else first, settings.batch_size, seed, epoch)
        for epoch in range(settings.epochs)
    ]


def given_plan(batches: Sequence[Sequence[ArrayLike]]) -> list[list[Indices]]:
    """Return given batches of every epoch as arrays; raise `TrainingError` if a batch has fewer than two clips."""
    plan = [[np.asarray(batch, dtype=np.int64) for batch in epoch] for epoch in batches]
    if not plan or any(len(batch) < 2 for epoch in plan for batch in epoch):
        raise TrainingError("a batch needs two clips or more: the projection head normalises over the batch")
    return plan
