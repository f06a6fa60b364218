"""Rankings for validation during training: class scores from the output of a head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from comodo.embeddings.anchors import ANCHOR_RULES
from comodo.embeddings.ranking import nearest_anchor
from comodo.models.heads import project_teacher
from comodo.storage.artefacts import open_hdf5


@dataclass
class Ranking:
    """Function from the output (N, d) of a head to scores (N, C), and the classes (C,)."""

    score: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    classes: NDArray[Any]


def anchor_rankings(anchors: Path, teacher_head: nn.Module) -> dict[str, Ranking]:
    """Return one ranking per anchor rule: similarity to anchors that are projected by the teacher's head."""
    rankings = {}
    with open_hdf5(anchors) as file:
        for rule in ANCHOR_RULES:
            projected = project_teacher(torch.from_numpy(file[rule]["embedding"][:]), teacher_head).numpy()

            def score(rows: NDArray[np.float32], projected: Any = projected) -> NDArray[np.float32]:
                return nearest_anchor(rows, projected)

            rankings[f"zero_shot_{rule}"] = Ranking(score, file[rule]["label"].asstr()[:])
    return rankings
