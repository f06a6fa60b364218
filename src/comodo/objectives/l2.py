"""L2: the student's direction shall be the teacher's."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class L2Loss(nn.Module):
    """Mean squared error, over all entries, between unit student and unit teacher embeddings."""

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return the loss of student embeddings (B, d) and teacher embeddings (B, d), both of any length."""
        return F.mse_loss(F.normalize(student, dim=1), F.normalize(teacher.detach(), dim=1))
