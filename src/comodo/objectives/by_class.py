"""Objectives of user-defined classes, named by class path."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import pandas as pd
from torch import nn

from comodo.config.objectives import ClassSettings
from comodo.errors import ClassPathError
from comodo.jobs.class_paths import called, import_class
from comodo.models.distilled import HEADS
from comodo.models.heads import ProjectionHead
from comodo.models.seeds import all_seeded, named_seed
from comodo.objectives.lesson import Inputs, Lesson, Objective, paired_lesson, train_rows
from comodo.objectives.projections import linear_projection


def class_objective(class_path: str, kwargs: Mapping[str, Any], settings: ClassSettings) -> Objective:
    """Return the objective of a user-defined class.

    Args:
        class_path: class path of a loss or of an `Objective`. A loss is a `torch.nn.Module` that maps student (B, d)
            and teacher (B, d) embeddings to a scalar. It is created with `kwargs`. An `Objective` has a method
            `lesson`. It is created with the settings of the experiment and `kwargs`.
        kwargs: arguments of the class.
        settings: settings of the experiment.

    Raises:
        ClassPathError: if the class does not exist, or is neither a loss nor an objective.
    """
    kind = import_class(class_path)
    if callable(getattr(kind, "lesson", None)):
        return ClassObjective(kind, class_path, kwargs, settings)
    if not issubclass(kind, nn.Module):
        raise ClassPathError(
            f"class {class_path}: an objective must be a torch.nn.Module (a loss) or a class with a method `lesson`"
        )
    return ClassLoss(kind, class_path, kwargs, settings)


@dataclass(frozen=True)
class _OfClass:
    """Base of the objectives of user-defined classes: class, class path, arguments, and settings."""

    kind: type[Any]
    class_path: str
    kwargs: Mapping[str, Any]
    settings: ClassSettings

    def seeded(self, seed: int) -> AbstractContextManager[None]:
        """Return a context that seeds the global generators for user code, from the seed of the experiment."""
        return all_seeded(named_seed(seed, f"{self.class_path} objective"))


class ClassLoss(_OfClass):
    """User-defined loss module, with a linear projection of the student to the teacher's width."""

    def lesson(self, inputs: Inputs) -> Lesson:
        """Return the train pairs and the loss. Targets are teacher embeddings of unit length.

        The seed of the experiment determines the weights of the loss.
        """
        if inputs.store is None:
            raise ClassPathError(
                f"class {self.class_path}: a loss needs a teacher: set `teacher` in the experiment"
            )
        rows = train_rows(inputs, self.settings.clips_per_recording)
        lesson = paired_lesson(inputs, rows, linear_projection(inputs))
        with self.seeded(inputs.seed):
            lesson.loss = called(self.class_path, self.kind, self.kwargs)
        return lesson


class ClassObjective(_OfClass):
    """User-defined objective, whose lesson is checked before training."""

    def lesson(self, inputs: Inputs) -> Lesson:
        """Return the lesson, created with seeded generators; raise `ClassPathError` if it is invalid."""
        with self.seeded(inputs.seed):
            lesson = called(self.class_path, self.kind, self.kwargs, self.settings).lesson(inputs)
        if (fault := _fault(lesson, inputs)) is not None:
            raise ClassPathError(f"class {self.class_path}: the lesson is invalid: {fault}")
        return lesson


def _fault(lesson: object, inputs: Inputs) -> str | None:
    """Return why a lesson cannot be trained, saved or loaded; None if it can."""
    if not isinstance(lesson, Lesson):
        return f"it is a {type(lesson).__name__}, not a comodo.objectives.Lesson"
    for role, head in lesson.heads.items():
        if role not in HEADS:
            return f"the head {role!r} is unknown; expected one of {', '.join(HEADS)}"
        if not (_is_head(head) or (role == "teacher" and isinstance(head, nn.Identity))):
            return (
                f"the head {role!r} is {type(head).__name__}; it must be a torch.nn.Linear with bias or a "
                "comodo.models.heads.ProjectionHead, or torch.nn.Identity for the teacher"
            )
        if role != "teacher" and _widths(head)[0] != inputs.dim:
            return (
                f"the input width of the head {role!r} is {_widths(head)[0]}, but the student's embeddings have "
                f"{inputs.dim} dimensions"
            )
    if any(not isinstance(table, pd.DataFrame) for table in (lesson.train, lesson.val)):
        return "train and val are not tables of windows"
    classes = lesson.classes
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        return "classes are not a list of strings"
    if "classifier" in lesson.heads and _widths(lesson.heads["classifier"])[1] != len(set(classes)):
        return f"the classifier has {_widths(lesson.heads['classifier'])[1]} outputs for {len(set(classes))} classes"
    if lesson.loss is None:
        return None
    if not isinstance(lesson.loss, nn.Module):
        return f"the loss is {type(lesson.loss).__name__}, not a torch.nn.Module"
    if lesson.trained not in lesson.heads:
        return f"trained is {lesson.trained!r}, which is not a head of the lesson"
    if len(lesson.targets) != len(lesson.train):
        return f"it has {len(lesson.targets)} targets for {len(lesson.train)} train windows"
    return None


def _is_head(head: object) -> bool:
    return type(head) is ProjectionHead or (type(head) is nn.Linear and head.bias is not None)


def _widths(head: Any) -> tuple[int, int]:
    """Return the input and output widths of a head."""
    first, last = (head, head) if isinstance(head, nn.Linear) else (head[0], head[-1])
    return first.in_features, last.out_features
