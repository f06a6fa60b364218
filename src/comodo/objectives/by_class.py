"""Objectives of the user's own classes, by class path."""

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
        return ClassObjective(kind, class_path, kwargs, settings)
    if not issubclass(kind, nn.Module):
        raise ClassPathError(
            f"class {class_path}: an objective is a torch.nn.Module, the loss, or a class with a method `lesson`"
        )
    return ClassLoss(kind, class_path, kwargs, settings)


@dataclass(frozen=True)
class _OfClass:
    """What an objective is made from: an imported class, its path and arguments, the experiment's settings."""

    kind: type[Any]
    class_path: str
    kwargs: Mapping[str, Any]
    settings: ClassSettings

    def seeded(self, seed: int) -> AbstractContextManager[None]:
        """Return a context in which the user's code draws by the seed of the experiment."""
        return all_seeded(named_seed(seed, f"{self.class_path} objective"))


class ClassLoss(_OfClass):
    """A loss module of the user's own, with a linear projection of the student to the teacher's width."""

    def lesson(self, inputs: Inputs) -> Lesson:
        """Return the train pairs and the loss, which gets unit teacher embeddings; its weights are of the seed."""
        if inputs.store is None:
            raise ClassPathError(
                f"class {self.class_path}: a loss needs a teacher: name one in the experiment"
            )
        rows = train_rows(inputs, self.settings.clips_per_recording)
        lesson = paired_lesson(inputs, rows, linear_projection(inputs))
        with self.seeded(inputs.seed):
            lesson.loss = called(self.class_path, self.kind, self.kwargs)
        return lesson


class ClassObjective(_OfClass):
    """A whole objective of the user's own; what its `lesson` returns is checked before the training."""

    def lesson(self, inputs: Inputs) -> Lesson:
        """Return the lesson; what is random in it is of the seed. Raises `ClassPathError` for an unsound one."""
        with self.seeded(inputs.seed):
            lesson = called(self.class_path, self.kind, self.kwargs, self.settings).lesson(inputs)
        if (fault := _fault(lesson, inputs)) is not None:
            raise ClassPathError(f"class {self.class_path}: the lesson is unsound: {fault}")
        return lesson


def _fault(lesson: object, inputs: Inputs) -> str | None:
    """What of a lesson cannot be trained, saved or loaded again; None where all can."""
    if not isinstance(lesson, Lesson):
        return f"it is a {type(lesson).__name__}, not a comodo.objectives.Lesson"
    for role, head in lesson.heads.items():
        if role not in HEADS:
            return f"a head is called {role!r}; heads are {', '.join(HEADS)}"
        if not (_is_head(head) or (role == "teacher" and isinstance(head, nn.Identity))):
            return (
                f"the head {role!r} is {type(head).__name__}; it must be a torch.nn.Linear with bias or a "
                "comodo.models.heads.ProjectionHead, which can be saved; the teacher's may be torch.nn.Identity"
            )
        if role != "teacher" and _widths(head)[0] != inputs.dim:
            return f"the head {role!r} takes {_widths(head)[0]} numbers, but the student gives {inputs.dim}"
    if any(not isinstance(table, pd.DataFrame) for table in (lesson.train, lesson.val)):
        return "train and val are not tables of windows"
    classes = lesson.classes
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        return "classes are not a list of texts"
    if "classifier" in lesson.heads and _widths(lesson.heads["classifier"])[1] != len(set(classes)):
        return f"the classifier has {_widths(lesson.heads['classifier'])[1]} outputs for {len(set(classes))} classes"
    if lesson.loss is None:
        return None
    if not isinstance(lesson.loss, nn.Module):
        return f"the loss is {type(lesson.loss).__name__}, not a torch.nn.Module"
    if lesson.trained not in lesson.heads:
        return f"trained is {lesson.trained!r}, which is no head of the lesson"
    if len(lesson.targets) != len(lesson.train):
        return f"it has {len(lesson.targets)} targets for {len(lesson.train)} train windows"
    return None


def _is_head(head: object) -> bool:
    return type(head) is ProjectionHead or (type(head) is nn.Linear and head.bias is not None)


def _widths(head: Any) -> tuple[int, int]:
    """Widths of the input and the output of a head."""
    first, last = (head, head) if isinstance(head, nn.Linear) else (head[0], head[-1])
    return first.in_features, last.out_features
