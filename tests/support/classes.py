"""Users' own classes for tests, most of them wrong in one way."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

COUNTER = itertools.count()


class Good(nn.Module):
    """A student: a linear map of each channel's mean and spread, over samples that are no padding."""

    def __init__(self, width: int = 4, channels: int = 6) -> None:
        super().__init__()
        self.dim = width
        self.linear = nn.Linear(2 * channels, width)

    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        mask = torch.ones_like(windows[:, :1]) if mask is None else mask[:, None]
        mean = (windows * mask).sum(2) / mask.sum(2)
        spread = ((windows - mean[:, :, None]).square() * mask).sum(2) / mask.sum(2)
        embeddings: Tensor = self.linear(torch.cat([mean, spread.sqrt()], dim=1))
        return embeddings


class WithBuffer(Good):
    """Its scale is a buffer, and two weights are one."""

    def __init__(self, width: int = 4) -> None:
        super().__init__(width)
        self.register_buffer("scale", torch.tensor(2.0))

    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        return super().forward(windows, mask) * self.scale


class NoDim(nn.Module):
    pass


class WrongWidth(Good):
    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        return super().forward(windows, mask)[:, :-1]


class NoTensor(Good):
    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Any:
        return super().forward(windows, mask).tolist()


class NotFinite(Good):
    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        return super().forward(windows, mask) / 0


class Random(Good):
    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        embeddings = super().forward(windows, mask)
        return embeddings + torch.rand_like(embeddings)


class Constant(Good):
    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        return 0 * super().forward(windows, mask) + 1


class OfTheBatch(Good):
    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        embeddings = super().forward(windows, mask)
        return embeddings - embeddings.mean(dim=0)


class SeesPadding(Good):
    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        return super().forward(windows)


class UnusedWeight(Good):
    def __init__(self, width: int = 4) -> None:
        super().__init__(width)
        self.unused = nn.Linear(2, 2)


class HiddenState(Good):
    """Its scale is neither an argument nor a buffer."""

    def __init__(self, width: int = 4) -> None:
        super().__init__(width)
        self.scale = 1.0 + next(COUNTER)

    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        return super().forward(windows, mask) * self.scale


class Picky(Good):
    """It needs windows of one length."""

    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        if windows.shape[-1] != 100:
            raise RuntimeError("100 samples, please")
        return super().forward(windows, mask)


class Teacher:
    n_frames = 2
    dim = 3

    def encode(self, pixels: Tensor) -> Tensor:
        return pixels.mean(dim=(1, 3, 4))


class WideTeacher(Teacher):
    dim = 4


class HalfTeacher(Teacher):
    def encode(self, pixels: Tensor) -> Tensor:
        return super().encode(pixels).half()


class RandomTeacher(Teacher):
    def encode(self, pixels: Tensor) -> Tensor:
        return super().encode(pixels) + torch.rand(1)


class ConstantTeacher(Teacher):
    def encode(self, pixels: Tensor) -> Tensor:
        return super().encode(pixels) * 0


class BatchTeacher(Teacher):
    def encode(self, pixels: Tensor) -> Tensor:
        return super().encode(pixels) * len(pixels)


class NanTeacher(Teacher):
    def encode(self, pixels: Tensor) -> Tensor:
        return super().encode(pixels) / 0


class Frameless:
    dim = 3

    def encode(self, pixels: Tensor) -> Tensor:
        return pixels


class Speechless:
    n_frames = 2
    dim = 3


class Loss(nn.Module):
    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        loss: Tensor = (student - teacher).square().mean()
        return loss


class ManyLosses(Loss):
    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        return (student - teacher).square()


class DeadLoss(Loss):
    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        return super().forward(student, teacher).detach()


class TeacherLoss(Loss):
    """It does not look at the student."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        return super().forward(0 * teacher, teacher) * self.weight


class FloatLoss(Loss):
    def forward(self, student: Tensor, teacher: Tensor) -> Any:
        return super().forward(student, teacher).item()


class RandomLoss(Loss):
    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        return super().forward(student, teacher) * float(np.random.default_rng().random())


class ForgetfulLoss(Loss):
    """It counts its steps, not in a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        self.steps += 1
        return super().forward(student, teacher + self.steps)


class RememberingLoss(Loss):
    """It counts its steps in a buffer."""

    steps: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        self.steps += 1
        return super().forward(student, teacher + self.steps)


class Lessons:
    """A whole objective."""

    def __init__(self, settings: Any, scale: float = 1.0) -> None:
        self.settings, self.scale = settings, scale

    def lesson(self, inputs: Any) -> Any:
        from comodo.objectives.lesson import paired_lesson, train_rows
        from comodo.objectives.projections import linear_projection

        lesson = paired_lesson(inputs, train_rows(inputs, 0), linear_projection(inputs))
        lesson.loss = Loss()
        return lesson


class NoObjective:
    pass
