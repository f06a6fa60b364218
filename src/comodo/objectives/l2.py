"""L2: the student's unit embedding approaches the teacher's."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from comodo.config.objectives import L2Settings
from comodo.objectives.lesson import Inputs, Lesson, paired_lesson, train_rows
from comodo.objectives.projections import linear_projection


class L2:
    """L2 loss, with a linear projection of the student to the teacher's width."""

    def __init__(self, settings: L2Settings) -> None:
        self.settings = settings

    def lesson(self, inputs: Inputs) -> Lesson:
        """Return the train pairs and the squared error."""
        rows = train_rows(inputs, self.settings.clips_per_recording)
        lesson = paired_lesson(inputs, rows, linear_projection(inputs))
        lesson.loss = L2Loss()
        return lesson


class L2Loss(nn.Module):
    """Mean squared error, over all entries, between unit student and unit teacher embeddings."""

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return the loss of student embeddings (B, d) and teacher embeddings (B, d), both of any length."""
        return F.mse_loss(F.normalize(student, dim=1), F.normalize(teacher.detach(), dim=1))
