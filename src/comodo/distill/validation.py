"""Validation accuracy during training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from comodo.clips.imu_windows import ImuWindows
from comodo.embeddings.ranking import top_k
from comodo.models.base import Student
from comodo.models.embed import embed_batches
from comodo.objectives.rankings import Ranking


class Validation:
    """Top-1 accuracy on the val windows by each ranking, a callback after each epoch."""

    def __init__(
        self, val: pd.DataFrame, imu: Sequence[Path], rankings: Mapping[str, Ranking], device: str
    ) -> None:
        self.rankings, self.device = rankings, device
        self.windows = ImuWindows(val, imu) if rankings else None
        self.labels: NDArray[Any] = val["label"].to_numpy(object) if rankings else np.empty(0, object)

    @torch.inference_mode()
    def __call__(self, epoch: int, student: Student, head: nn.Module) -> Mapping[str, float]:
        """Return the top-1 accuracy by the name of the ranking; empty if there are no val windows."""
        if not self.windows:
            return {}
        output = self.outputs(student, head)
        return {
            name: top_k(ranking.score(output), ranking.classes, self.labels)["top1"]
            for name, ranking in self.rankings.items()
        }

    @torch.inference_mode()
    def outputs(self, student: Student, head: nn.Module) -> NDArray[np.float32]:
        """Return the output (N, d) of a head for the val windows; empty (0, 0) without rankings or windows."""
        if not self.windows:
            return np.empty((0, 0), dtype=np.float32)
        batches = [head(batch) for batch in embed_batches(student, self.windows, self.device)]
        outputs: NDArray[np.float32] = torch.cat(batches).cpu().numpy()
        return outputs
