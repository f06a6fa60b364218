"""The block `experiments`: dataset × teacher × student × objective × settings, and sweeps over them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, model_validator

from comodo.config.block import Block, Precision

MOST_POINTS = 10_000  # of a sweep


class ExperimentSettings(Block):
    """dataset × teacher × student × objective × settings. Any but the last two may be a list: a sweep."""

    dataset: str = Field(description="a name under `datasets`")
    teacher: str | None = Field(
        None, description="a name under `teachers`; not needed by objectives `supervised` and `none`"
    )
    student: str = Field(description="a name under `students`")
    objective: Literal["comodo", "infonce", "l2", "supervised", "none"] = Field(
        "comodo", description="training objective; none: the student as it is"
    )
    queue_size: int = Field(16384, ge=1, description="teacher embeddings in the queue")
    student_temperature: float = Field(0.05, gt=0, description="softmax temperature of the student")
    teacher_temperature: float = Field(0.1, gt=0, description="softmax temperature of the teacher")
    infonce_temperature: float = Field(0.1, gt=0, description="infonce: softmax temperature")
    infonce_symmetric: bool = Field(False, description="infonce: the clip shall find its window, too")
    labels_per_class: int | None = Field(
        None, ge=1, description="supervised: labelled train windows of each class; null: all"
    )
    clips_per_recording: int = Field(
        0, ge=0, description="train on that many pairs of each recording; 0: on all"
    )
    projection: Literal["random", "pca", "none"] = Field(
        "random", description="comodo: how teacher embeddings are projected (published: a random MLP)"
    )
    student_head: Literal["mlp", "linear"] = Field(
        "mlp", description="comodo: what projects the student while it learns (published: an MLP)"
    )
    projection_hidden: int = Field(2048, ge=1, description="hidden width of the projection MLPs")
    projection_dim: int = Field(128, ge=1, description="output width of the projection MLPs")
    learning_rate: float = Field(3e-4, gt=0, description="peak learning rate (AdamW)")
    epochs: int = Field(20, ge=1, description="passes over the train clips")
    batch_size: int = Field(128, ge=2, description="windows per step")
    precision: Precision = Field(
        "float32", description="of the forward pass in training (bfloat16: autocast)"
    )
    compile: bool = Field(False, description="torch.compile: minutes at the start, then faster steps")
    schedule: Literal["linear", "reference"] = Field(
        "linear", description="warm-up and decay over the true number of steps, or over the published total"
    )
    eval_datasets: tuple[str, ...] = Field(
        (), description="datasets to evaluate on; default the experiment's own"
    )
    baseline: str | None = Field(
        None, description="experiment that the report compares this one with (paired bootstrap)"
    )

    @model_validator(mode="after")
    def _consistent(self) -> ExperimentSettings:
        if self.objective in ("comodo", "infonce", "l2") and self.teacher is None:
            raise ValueError(f"objective {self.objective!r} learns from a teacher: name one")
        if self.labels_per_class is not None and self.objective != "supervised":
            raise ValueError("`labels_per_class` belongs to objective `supervised`: no other one sees labels")
        return self

    @property
    def sees_video(self) -> bool:
        """Whether a teacher takes part: in the training, or (objective `none`) in the zero-shot measurement."""
        return self.teacher is not None and self.objective != "supervised"


SWEPT = set(ExperimentSettings.model_fields) - {"eval_datasets", "baseline"}


def sweep(name: str, settings: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (name, settings) of every point of a sweep: lists become one experiment per value."""
    swept = [key for key in sorted(SWEPT & settings.keys()) if isinstance(settings[key], list)]
    if (points := math.prod(len(settings[key]) for key in swept)) > MOST_POINTS:
        raise ValueError(f"experiments.{name}: a sweep of {points} points, more than {MOST_POINTS}")
    for values in itertools.product(*(settings[key] for key in swept)):
        point = dict(zip(swept, values, strict=True))
        suffix = "".join(f"-{key}={value}" for key, value in point.items())
        yield f"{name}{suffix}", {**settings, **point}
