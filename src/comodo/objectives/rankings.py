"""Rankings for validation during training: class scores from the output of a head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from comodo.embeddings.anchors import ANCHOR_RULES
from comodo.embeddings.ranking import nearest_anchor
from comodo.models.heads import project_teacher
from comodo.storage.artefacts import open_hdf5


@dataclass
class Ranking:
    """Function from the output (N, d) of a head to scores (N, C), and the classes (C,)."""

    score: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    classes: NDArray[Any]


def project_anchors(anchors: Path, teacher_head: nn.Module) -> tuple[NDArray[Any], dict[str, Tensor]]:
    """Return the classes (C,) of the anchors, and by rule their projections (C, d) of unit length."""
    with open_hdf5(anchors) as file:
        projected = {
            rule: project_teacher(torch.from_numpy(file[rule]["embedding"][:]), teacher_head)
            for rule in ANCHOR_RULES
        }
        return file[ANCHOR_RULES[0]]["label"].asstr()[:], projected


def anchor_rankings(anchors: Path, teacher_head: nn.Module) -> dict[str, Ranking]:
    """Return one ranking per anchor rule: similarity to anchors that are projected by the teacher's head."""
    classes, anchors_by_rule = project_anchors(anchors, teacher_head)
    return {
        f"zero_shot_{rule}": Ranking(partial(nearest_anchor, anchors=projected.numpy()), classes)
        for rule, projected in anchors_by_rule.items()
    }
