"""L2: squared error between the unit embeddings of student and teacher."""

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
    """Mean squared error over all entries between student and teacher embeddings of unit length."""

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return the loss of student (B, d) and teacher (B, d) embeddings; both are scaled to unit length."""
        return F.mse_loss(F.normalize(student, dim=1), F.normalize(teacher.detach(), dim=1))
