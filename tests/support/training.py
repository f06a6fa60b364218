"""A small training, always from the same start.

Run as a script, this module trains until it kills itself: `python -m tests.support.training FOLDER STEP`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from comodo.config import ExperimentSettings
from comodo.distill.loop import Run, train_distillation
from comodo.models.heads import new_head
from comodo.models.students import new_student
from comodo.objectives import ComodoLoss, Lesson
from comodo.objectives.queue import initial_queue_indices

CLIPS, QUEUE, WIDTH = 30, 8, 4
MANTIS = {
    "seq_len": 32, "hidden_dim": 8, "num_patches": 4, "hidden_dim_scalar_enc": 2,
    "transf_depth": 1, "transf_num_heads": 2, "transf_mlp_dim": 8, "transf_dim_head": 4, "transf_dropout": 0.3,
}  # fmt: skip


class Windows:
    """IMU windows that remember when they were read."""

    def __init__(self, data: NDArray[np.float32]) -> None:
        self.data = data
        self.reads: list[int] = []

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        self.reads.append(index)
        return self.data[index]


class Stop(Exception):
    """Ends a run from within, as a crash would."""


def settings(**changes: Any) -> ExperimentSettings:
    """Settings of a run of 3 epochs."""
    given = {"queue_size": QUEUE, "epochs": 3, "batch_size": 8, "projection_dim": WIDTH, **changes}
    return ExperimentSettings(dataset="d", teacher="t", student="s", **given)


class SmallRun:
    """A small training, always from the same start."""

    def __init__(self, clips: int = CLIPS, **changes: Any) -> None:
        self.settings = settings(**changes)
        rng = np.random.default_rng(0)
        self.windows = Windows(rng.standard_normal((clips, 6, 40)).astype(np.float32))
        self.teacher = F.normalize(
            torch.from_numpy(rng.standard_normal((clips, WIDTH)).astype(np.float32)), dim=1
        )
        self.student = new_student("mantis", MANTIS, seed=5)
        self.head = new_head(self.student.dim, 16, WIDTH, seed=5, name="student")
        self.withheld = initial_queue_indices(clips, self.settings.queue_size)
        self.objective = ComodoLoss(self.teacher[self.withheld])
        self.steps: list[tuple[int, float, float]] = []
        self.rows = pd.DataFrame({"clip": [f"clip {number}" for number in range(clips)]})

    def train(self, stop_at: int | None = None, withheld: Any = None, **given: Any) -> list[dict[str, float]]:
        """Train to the end, or until step `stop_at`; `given` are fields of `Run`."""

        def on_step(step: int, loss: float, rate: float) -> None:
            if step == stop_at:
                raise Stop
            self.steps.append((step, loss, rate))

        lesson = Lesson(
            self.teacher, {"student": self.head}, "student", self.objective, self.rows,
            withheld=self.withheld if withheld is None else withheld,
        )  # fmt: skip
        run = Run(**{"on_step": on_step, "progress": False, **given})
        return train_distillation(self.student, lesson, self.windows, self.settings, run)

    def weights(self) -> dict[str, torch.Tensor]:
        """Weights of student, head and objective, copied."""
        parts = (self.student, self.head, self.objective)
        return {
            f"{i}.{name}": value.clone()
            for i, part in enumerate(parts)
            for name, value in part.state_dict().items()
        }


def same(first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor]) -> bool:
    """Whether two sets of weights are equal to the bit."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


if __name__ == "__main__":
    folder, last = sys.argv[1:]
    torch.set_num_threads(1)

    def kill(step: int, loss: float, rate: float) -> None:
        """End this process without warning."""
        if step == int(last):
            os.kill(os.getpid(), signal.SIGKILL)

    SmallRun().train(state_dir=Path(folder), state_every_steps=2, on_step=kill)
