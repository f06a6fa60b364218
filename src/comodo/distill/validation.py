"""Accuracy on val while a student learns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from comodo.clips.imu_windows import ImuWindows
from comodo.embeddings.anchors import ANCHOR_RULES
from comodo.embeddings.ranking import nearest_anchor, top_k
from comodo.models.embed import embed
from comodo.models.heads import project_teacher
from comodo.models.student import Student
from comodo.storage.artefacts import open_hdf5


@dataclass
class Ranking:
    """How a head's output (N, d) becomes scores (N, C) of classes (C,)."""

    score: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    classes: NDArray[Any]


def anchor_rankings(anchors: Path, teacher_head: nn.Module) -> dict[str, Ranking]:
    """One ranking per anchor rule: similarity to the anchors, projected by the teacher's head."""
    rankings = {}
    with open_hdf5(anchors) as file:
        for rule in ANCHOR_RULES:
            projected = project_teacher(torch.from_numpy(file[rule]["embedding"][:]), teacher_head).numpy()

            def score(rows: NDArray[np.float32], projected: Any = projected) -> NDArray[np.float32]:
                return nearest_anchor(rows, projected)

            rankings[f"zero_shot_{rule}"] = Ranking(score, file[rule]["label"].asstr()[:])
    return rankings


class Validation:
    """Top-1 accuracy on the val windows by each ranking, as the training goes on."""

    def __init__(
        self, val: pd.DataFrame, imu: Sequence[Path], rankings: Mapping[str, Ranking], device: str
    ) -> None:
        self.windows, self.rankings, self.device = ImuWindows(val, imu), rankings, device
        self.labels: NDArray[Any] = val["label"].to_numpy(object)

    @torch.inference_mode()
    def __call__(self, epoch: int, student: Student, head: nn.Module) -> Mapping[str, float]:
        """Top-1 accuracy by the name of the ranking; nothing where there is no val window."""
        if not len(self.windows):
            return {}
        output = torch.cat([head(batch) for batch in embed(student, self.windows, self.device)]).cpu().numpy()
        return {
            name: top_k(ranking.score(output), ranking.classes, self.labels)["top1"]
            for name, ranking in self.rankings.items()
        }
