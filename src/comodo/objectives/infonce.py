"""InfoNCE: contrast each window with the clips of the batch (the IMU2CLIP baseline)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from comodo.config.objectives import InfonceSettings
from comodo.objectives.lesson import Inputs, Lesson, paired_lesson, train_rows
from comodo.objectives.projections import linear_projection


class Infonce:
    """InfoNCE over the batch, with a linear projection of the student to the teacher's width."""

    def __init__(self, settings: InfonceSettings) -> None:
        self.settings = settings

    def lesson(self, inputs: Inputs) -> Lesson:
        """Return the train pairs and the contrastive loss."""
        rows = train_rows(inputs, self.settings.clips_per_recording)
        lesson = paired_lesson(inputs, rows, linear_projection(inputs))
        lesson.loss = InfoNCELoss(self.settings.infonce_temperature, self.settings.infonce_symmetric)
        return lesson


class InfoNCELoss(nn.Module):
    """Cross entropy of cosine similarities within the batch, where the positive pairs are on the diagonal.

    Args:
        temperature: temperature of the softmax.
        symmetric: also contrast clips against windows. The two losses are summed, not averaged, as published.
    """

    def __init__(self, temperature: float = 0.1, symmetric: bool = False) -> None:
        super().__init__()
        self.temperature = temperature
        self.symmetric = symmetric

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return the loss of student (B, d) and teacher (B, d) embeddings; both are scaled to unit length."""
        scores = F.normalize(student, dim=1) @ F.normalize(teacher.detach(), dim=1).T / self.temperature
        own = torch.arange(len(scores), device=scores.device)
        loss = F.cross_entropy(scores, own)
        return loss + F.cross_entropy(scores.T, own) if self.symmetric else loss
