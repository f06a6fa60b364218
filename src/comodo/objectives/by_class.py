"""Objectives of the user's own classes, by class path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from comodo.config.objectives import ClassSettings
from comodo.errors import ClassPathError
from comodo.jobs.class_paths import import_class, make_object
from comodo.objectives.lesson import Inputs, Lesson, Objective, paired_lesson, train_rows
from comodo.objectives.projections import linear_projection


def class_objective(class_path: str, kwargs: Mapping[str, Any], settings: ClassSettings) -> Objective:
    """Return the objective of a user's class.

    Args:
        class_path: of a loss, a `torch.nn.Module` (student (B, d), teacher (B, d)) → scalar, which is made from
            `kwargs`; or of a whole objective (`Objective`), a class with `lesson`, which is made from the settings of
            the experiment and `kwargs`.
        kwargs: arguments of the class.
        settings: of the experiment.

    Raises:
        ClassPathError: no such class, it cannot be made, or it is neither.
    """
    kind = import_class(class_path)
    if callable(getattr(kind, "lesson", None)):
        objective: Objective = make_object(class_path, kwargs, settings)
        return objective
    if not issubclass(kind, nn.Module):
        raise ClassPathError(
            f"class {class_path}: an objective is a torch.nn.Module, the loss, or a class with a method `lesson`"
        )
    return ClassLoss(make_object(class_path, kwargs), class_path, settings)


class ClassLoss:
    """A loss module of the user's own, with a linear projection of the student to the teacher's width."""

    def __init__(self, loss: nn.Module, class_path: str, settings: ClassSettings) -> None:
        self.loss, self.class_path, self.settings = loss, class_path, settings

    def lesson(self, inputs: Inputs) -> Lesson:
        """Return the train pairs and the loss, which gets unit teacher embeddings."""
        if inputs.store is None:
            raise ClassPathError(
                f"class {self.class_path}: a loss needs a teacher: name one in the experiment"
            )
        rows = train_rows(inputs, self.settings.clips_per_recording)
        lesson = paired_lesson(inputs, rows, linear_projection(inputs))
        lesson.loss = self.loss
        return lesson
