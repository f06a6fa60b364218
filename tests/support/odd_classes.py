"""More of users' classes for tests: students that are odd, some sound, some not; losses, objectives and teachers."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from comodo.models.heads import ProjectionHead
from comodo.objectives.lesson import paired_lesson, train_rows
from comodo.objectives.projections import linear_projection
from tests.support.classes import Good, Loss, Teacher


class Normalised(Good):
    """With batch statistics and dropout."""

    def __init__(self, width: int = 4) -> None:
        super().__init__(width)
        self.norm, self.drop = nn.BatchNorm1d(width), nn.Dropout(0.5)

    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        embeddings: Tensor = self.drop(self.norm(super().forward(windows, mask)))
        return embeddings


class NoWeights(nn.Module):
    dim = 6

    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        return windows.mean(dim=2)


class Tied(Good):
    """Two names for one weight."""

    def __init__(self, width: int = 4) -> None:
        super().__init__(width)
        self.again = self.linear


class NumpyDim(Good):
    def __init__(self, width: int = 4) -> None:
        super().__init__(width)
        self.dim = np.int64(width)


class NumpyWeights(Good):
    """Its weights come from the generators of NumPy and `random`."""

    def __init__(self, width: int = 4) -> None:
        super().__init__(width)
        with torch.no_grad():
            self.linear.bias.copy_(torch.from_numpy(np.random.rand(width) + random.random()))  # noqa: NPY002


class OwnGenerator(Good):
    """Its weights depend on no seed."""

    def __init__(self, width: int = 4) -> None:
        super().__init__(width)
        with torch.no_grad():
            self.linear.bias.copy_(torch.from_numpy(np.random.default_rng().random(width)))


class FixedLength(nn.Module):
    """It embeds windows of 1000 samples alone, as many published models do."""

    dim = 3

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6000, 3)

    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        embeddings: Tensor = self.linear(windows.flatten(1))
        return embeddings


class HiddenProjection(Good):
    """A random matrix that is neither a weight nor a buffer."""

    def __init__(self, width: int = 4) -> None:
        super().__init__(width)
        self.mixing = torch.randn(width, width)

    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        return super().forward(windows, mask) @ self.mixing


class AnyFloat(Good):
    def __init__(self, kind: str = "float64") -> None:
        super().__init__()
        self.kind: torch.dtype = getattr(torch, kind)

    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        return super().forward(windows, mask).to(self.kind)


class Lazy(nn.Module):
    dim = 4

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.LazyLinear(4)

    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        embeddings: Tensor = self.linear(windows.mean(dim=2))
        return embeddings


class WithoutMask(Good):
    def forward(self, windows: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(windows)


class Failing(Good):
    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        raise RuntimeError("a shape is wrong\nin two lines")


class Counting(Good):
    """What it does depends on the number of steps, which is in no buffer."""

    steps = 0

    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        if self.training:
            self.steps += 1
        return super().forward(windows, mask) * (1 + self.steps if self.training else 1)


class FailingInTraining(Good):
    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        if self.training:
            raise RuntimeError("no training, please")
        return super().forward(windows, mask)


class Detached(Good):
    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        return super().forward(windows, mask).detach()


class NanForPadding(Good):
    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        embeddings = super().forward(windows, mask)
        return embeddings if mask is None else embeddings / 0


class IntLoss(Loss):
    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        return super().forward(student, teacher).long()


class NanLoss(Loss):
    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        return super().forward(student, teacher) * torch.nan


class FailingLoss(Loss):
    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        raise ValueError("not these")


class LossWithWeights(Loss):
    """Its weights are random, and trained."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        return super().forward(self.linear(student), teacher)


class OneLoss(Loss):
    """One number, in a tensor with dimensions."""

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        return super().forward(student, teacher)[None]


class OddLessons:
    """A whole objective whose lesson is changed by `how`."""

    def __init__(self, settings: Any, how: str = "") -> None:
        self.how = how

    def lesson(self, inputs: Any) -> Any:
        lesson: Any = paired_lesson(inputs, train_rows(inputs, 0), linear_projection(inputs))
        lesson.loss = Loss()
        head = lesson.heads["student"]
        if self.how == "nothing":
            return None
        if self.how == "role":
            lesson.heads = {"own": head}
        if self.how == "activation":
            lesson.heads["student"] = nn.Sequential(head, nn.Tanh())
        if self.how == "bias":
            lesson.heads["student"] = nn.Linear(head.in_features, head.out_features, bias=False)
        if self.how == "identity":
            lesson.heads["student"] = nn.Identity()
        if self.how == "width":
            lesson.heads["student"] = nn.Linear(head.in_features + 1, head.out_features)
        if self.how == "mlp":
            lesson.heads["student"] = ProjectionHead(head.in_features, 5, head.out_features)
        if self.how == "trained":
            lesson.trained = "classifier"
        if self.how == "loss":
            lesson.loss = lambda student, teacher: 0
        if self.how == "train":
            lesson.train = lesson.train[:-1]
        if self.how == "table":
            lesson.val = None
        if self.how == "classes":
            lesson.classes = ["a", 5]
        if self.how == "classifier":
            lesson.heads["classifier"] = nn.Linear(head.in_features, 3)
            lesson.classes = ["a", "b"]
        return lesson


class Numbers(Teacher):
    """A teacher whose `n_frames`, `dim`, `image_size`, `mean` and `std` a test sets."""

    def __init__(self, **more: Any) -> None:
        for name, value in more.items():
            setattr(self, name, value)


class PlainTeacher(Teacher):
    """What it returns is set by `how`."""

    def __init__(self, how: str = "") -> None:
        self.how = how

    def encode(self, pixels: Tensor) -> Any:
        found = super().encode(pixels)
        if self.how == "list":
            return found.tolist()
        if self.how == "numpy":
            return found.numpy()
        if self.how == "rank":
            return found[:, None]
        if self.how == "integers":
            return (found * 100).long()
        if self.how == "doubles":
            return found.double()
        if self.how == "in place":
            pixels.zero_()
        if self.how == "failing":
            raise RuntimeError("no frames, please")
        if self.how == "alone" and len(pixels) == 1:
            raise RuntimeError("two clips, please")
        return found
