"""COMODO: match the teacher's similarities to a queue of teacher embeddings (Chen et al. 2025, arXiv:2503.07259)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from comodo.config.objectives import ComodoSettings
from comodo.objectives.lesson import Inputs, Lesson, paired_lesson, train_rows
from comodo.objectives.projections import projections
from comodo.objectives.queue import EmbeddingQueue, initial_queue_indices


class Comodo:
    """Cross entropy between the teacher's and the student's similarities to a queue."""

    def __init__(self, settings: ComodoSettings) -> None:
        self.settings = settings

    def lesson(self, inputs: Inputs) -> Lesson:
        """Return the train pairs, the heads, and the loss with its queue. Queue clips are withheld from epoch 0."""
        rows = train_rows(inputs, self.settings.clips_per_recording)
        lesson = paired_lesson(inputs, rows, projections(inputs, rows, self.settings))
        lesson.withheld = initial_queue_indices(len(rows), self.settings.queue_size)
        queue = lesson.targets[torch.from_numpy(lesson.withheld)]
        lesson.loss = ComodoLoss(queue, self.settings.teacher_temperature, self.settings.student_temperature)
        return lesson


class ComodoLoss(nn.Module):
    """Cross entropy between the teacher's and the student's similarity to queue and batch.

    With `Q' = [Q; z_v]` for unit teacher embeddings `z_v` and unit-scaled student embeddings `z_x` (both B × d):

        p_v = softmax(z_v·Q'ᵀ / τ_t),   log p_x = log_softmax(z_x·Q'ᵀ / τ_s),   loss = −Σ p_v·log p_x / B

    Each call then pushes the batch to the queue: `Q = Q'[B:]`. There is no gradient for the teacher.

    Args:
        queue: an `EmbeddingQueue`, or its initial unit embeddings (K, d), oldest first.
        teacher_temperature: τ_t.
        student_temperature: τ_s.
    """

    def __init__(
        self,
        queue: EmbeddingQueue | Tensor,
        teacher_temperature: float = 0.1,
        student_temperature: float = 0.05,
    ) -> None:
        """Create the loss with an initial queue."""
        super().__init__()
        self.memory = queue if isinstance(queue, EmbeddingQueue) else EmbeddingQueue(queue)
        self.teacher_temperature = teacher_temperature
        self.student_temperature = student_temperature

    @property
    def queue(self) -> Tensor:
        """Copy of the teacher embeddings (K, d) in the queue, oldest first."""
        return self.memory.ordered

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return the loss of a batch, and push its teacher embeddings to the queue.

        Args:
            student: (B, d) projected student embeddings; they are scaled to unit length.
            teacher: (B, d) projected teacher embeddings of unit length.

        Raises:
            ValueError: if the shapes differ.
        """
        if student.shape != teacher.shape:
            raise ValueError(
                f"student {tuple(student.shape)} and teacher {tuple(teacher.shape)} differ in shape"
            )
        teacher = teacher.detach()
        loss: Tensor = _CrossEntropy.apply(  # type: ignore[no-untyped-call]
            F.normalize(student, dim=1),
            teacher,
            self.memory.rows,
            self.teacher_temperature,
            self.student_temperature,
        )
        self.memory.push(teacher)
        return loss


class _CrossEntropy(torch.autograd.Function):
    """The loss with its closed-form gradient, `(p_x − p_v)·Q' / (B·τ_s)`, computed before the queue is updated.

    Autograd would need the queue in the backward pass, but the push overwrites it in place. Softmax does not depend on
    the order of the keys, so the rows are used in ring order.
    """

    @staticmethod
    def forward(
        ctx: Any,
        student: Tensor,
        teacher: Tensor,
        queue: Tensor,
        teacher_temperature: float,
        student_temperature: float,
    ) -> Tensor:
        log_p_student = _scores(student, queue, teacher).div_(student_temperature).log_softmax(dim=1)
        p_teacher = _scores(teacher, queue, teacher).div_(teacher_temperature).softmax(dim=1)
        batch = len(student)
        loss = -torch.dot(p_teacher.flatten(), log_p_student.flatten()) / batch
        if ctx.needs_input_grad[0]:
            slope = log_p_student.exp_().sub_(p_teacher)
            gradient = slope[:, : len(queue)] @ queue + slope[:, len(queue) :] @ teacher
            ctx.save_for_backward(gradient / (batch * student_temperature))
        return loss

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return upstream * gradient, None, None, None, None


def _scores(queries: Tensor, queue: Tensor, batch: Tensor) -> Tensor:
    """Return the similarity (B, K + B) of queries to queue and batch, without concatenating the two."""
    scores = queries.new_empty(len(queries), len(queue) + len(batch))
    torch.mm(queries, queue.T, out=scores[:, : len(queue)])
    torch.mm(queries, batch.T, out=scores[:, len(queue) :])
    return scores
