"""The block `experiments`: dataset × teacher × student × objective × settings, and sweeps over them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from comodo.config.block import ByClass
from comodo.config.models import StudentSettings
from comodo.config.objectives import (
    OBJECTIVES,
    ClassSettings,
    ClipsKeys,
    ComodoKeys,
    InfonceKeys,
    ObjectiveSettings,
    ProjectionKeys,
    QueueKeys,
    SupervisedKeys,
    TrainingKeys,
)
from comodo.storage.files import json_digest

MOST_POINTS = 10_000  # of a sweep


class RunKeys(ByClass):
    """What meets in an experiment."""

    dataset: str = Field(description="a name under `datasets`")
    teacher: str | None = Field(
        None, description="a name under `teachers`; not needed by objectives `supervised` and `none`"
    )
    student: str = Field(description="a name under `students`")
    objective: Literal["comodo", "infonce", "l2", "supervised", "none"] | None = Field(
        "comodo", description="training objective; none: the student as it is. `class` replaces it"
    )

    @model_validator(mode="before")
    @classmethod
    def _objective_or_class(cls, raw: Any) -> Any:
        if not isinstance(raw, Mapping):
            return raw
        given = raw.get("class", raw.get("class_path")) is not None
        if given and raw.get("objective") is not None:
            raise ValueError("give either `objective` or `class` (an objective of your own)")
        if not given and "objective" in raw and raw["objective"] is None:
            raise ValueError("objective: name one; the text `none` (in quotes) trains nothing")
        return {**raw, "objective": None} if given else raw


# The bases give the order of the keys, last to first: Snakemake compares params by their text, and another order would
# train every student of an older version again.
class ExperimentSettings(
    TrainingKeys, ProjectionKeys, ClipsKeys, SupervisedKeys, InfonceKeys, ComodoKeys, QueueKeys, RunKeys
):
    """dataset × teacher × student × objective × settings. Any but the last two may be a list: a sweep."""

    eval_datasets: tuple[str, ...] = Field(
        (), description="datasets to evaluate on; default the experiment's own"
    )
    baseline: str | None = Field(
        None, description="experiment that the report compares this one with (paired bootstrap)"
    )

    @model_validator(mode="after")
    def _consistent(self) -> ExperimentSettings:
        if self.teacher is None and self.of_objective.teacher == "required":
            raise ValueError(f"objective {self.objective_name!r} learns from a teacher: name one")
        if self.labels_per_class is not None and not self.of_objective.classifies:
            raise ValueError("`labels_per_class` belongs to objective `supervised`: no other one sees labels")
        return self

    @property
    def of_objective(self) -> ObjectiveSettings:
        """The settings of the experiment's objective, without the keys of others."""
        kind = OBJECTIVES[self.objective] if self.objective is not None else ClassSettings
        return kind.model_validate(self.model_dump(include=set(kind.model_fields)))

    @property
    def objective_name(self) -> str:
        """The name of the objective, or the class path of the user's own."""
        return self.objective or self.class_path or ""

    @property
    def sees_video(self) -> bool:
        """Whether a teacher takes part: in the training, or (objective `none`) in the zero-shot measurement."""
        return self.teacher is not None and self.of_objective.teacher != "unused"

    @property
    def used(self) -> dict[str, Any]:
        """The settings that the experiment's student depends on, and no others, as plain values."""
        keys = {"dataset", "student", "objective"} | ({"teacher"} if self.sees_video else set())
        keys |= self.of_objective.used_keys(self.sees_video) | self.new_keys
        return self.model_dump(mode="json", include=keys)


def trained_by(
    experiment: ExperimentSettings, student: StudentSettings, seed: int, fold: int | None = None
) -> str:
    """Return a digest of all settings that a trained student depends on, of its seed and of its fold, if any."""
    folds = [] if fold is None else [fold]  # without folds as in earlier versions
    return json_digest([experiment.used, student.used(), seed, *folds])


SWEPT = set(ExperimentSettings.model_fields) - {"eval_datasets", "baseline", "class_path", "class_kwargs"}


def sweep(name: str, settings: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (name, settings) of every point of a sweep: lists become one experiment per value."""
    swept = [key for key in sorted(SWEPT & settings.keys()) if isinstance(settings[key], list)]
    if (points := math.prod(len(settings[key]) for key in swept)) > MOST_POINTS:
        raise ValueError(f"experiments.{name}: a sweep of {points} points, more than {MOST_POINTS}")
    for values in itertools.product(*(settings[key] for key in swept)):
        point = dict(zip(swept, values, strict=True))
        suffix = "".join(f"-{key}={value}" for key, value in point.items())
        yield f"{name}{suffix}", {**settings, **point}
