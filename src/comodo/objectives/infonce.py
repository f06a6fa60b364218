"""InfoNCE: each window shall find its own clip among those of the batch (the IMU2CLIP baseline)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class InfoNCELoss(nn.Module):
    """Cross entropy of cosine similarities within the batch, the pairs on the diagonal being right.

    Args:
        temperature: of the softmax.
        symmetric: add the other direction (clip finds window); the sum, not the mean, as published.
    """

    def __init__(self, temperature: float = 0.1, symmetric: bool = False) -> None:
        super().__init__()
        self.temperature = temperature
        self.symmetric = symmetric

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return the loss of student embeddings (B, d) and teacher embeddings (B, d), both of any length."""
        scores = F.normalize(student, dim=1) @ F.normalize(teacher.detach(), dim=1).T / self.temperature
        own = torch.arange(len(scores), device=scores.device)
        loss = F.cross_entropy(scores, own)
        return loss + F.cross_entropy(scores.T, own) if self.symmetric else loss
