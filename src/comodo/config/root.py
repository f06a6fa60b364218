"""The whole config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from comodo.config.block import Block, DatasetName, Name, hint
from comodo.config.datasets import DatasetSettings
from comodo.config.evaluation import EvaluationSettings
from comodo.config.experiments import SWEPT, ExperimentSettings, sweep, trained_by
from comodo.config.models import StudentSettings, TeacherSettings


class Config(Block):
    """The whole config."""

    datasets: dict[DatasetName, DatasetSettings] = Field(min_length=1, description="datasets by name")
    teachers: dict[Name, TeacherSettings] = Field(
        default_factory=dict, description="video or image models by name"
    )
    students: dict[Name, StudentSettings] = Field(min_length=1, description="IMU encoders by name")
    defaults: dict[str, Any] = Field(default_factory=dict, description="settings all experiments start from")
    experiments: dict[Name, ExperimentSettings] = Field(
        min_length=1, description="experiments by name, sweeps expanded"
    )
    seeds: tuple[int, ...] = Field(
        (42,), min_length=1, description="each experiment runs once per seed; one number is a list of one"
    )
    strict: bool = Field(
        False,
        description="refuse, instead of warn, where parts of an artefact were made with other package versions",
    )
    evaluation: EvaluationSettings = Field(default_factory=EvaluationSettings, description="protocols")
    export: tuple[Literal["onnx", "onnx-int8"], ...] = Field(
        (), description="graphs to write of every trained student, with their cost on a device"
    )
    license: str | None = Field(None, description="licence of the trained students, for their model cards")

    @field_validator("seeds", mode="before")
    @classmethod
    def _one_seed(cls, value: Any) -> Any:
        """Take `--config seeds=42` as [42]."""
        return (value,) if type(value) is int else value

    @model_validator(mode="before")
    @classmethod
    def _expand_experiments(cls, raw: Any) -> Any:
        """Lay every experiment over `defaults` and turn lists into one experiment per value."""
        if not isinstance(raw, Mapping) or not isinstance(raw.get("experiments"), Mapping):
            return raw
        defaults = raw.get("defaults") or {}
        if not isinstance(defaults, Mapping):
            raise ValueError("defaults: give settings as `key: value` lines")
        for key in defaults:
            if key not in (known := ExperimentSettings.written_keys()):
                raise ValueError(f"defaults.{key}: unknown key{hint(str(key), known)}")
        points: dict[str, list[tuple[str, dict[str, Any]]]] = {}
        for name, settings in raw["experiments"].items():
            if not isinstance(settings, Mapping):
                raise ValueError(f"experiments.{name}: give settings as `key: value` lines")
            replaced = {
                "class": {"objective"},
                "objective": {"class", "kwargs"},
            }  # of the defaults, by what is given
            dropped = {other for key in replaced.keys() & settings.keys() for other in replaced[key]}
            inherited = {key: value for key, value in defaults.items() if key not in dropped}
            points[name] = list(sweep(name, {**inherited, **settings}))
        expanded = {point: settings for group in points.values() for point, settings in group}
        for settings in expanded.values():
            baseline = settings.get("baseline")
            if isinstance(baseline, str) and baseline in points and baseline not in expanded:
                # the baseline is also a sweep: the one point of it that shares this point's values
                keys = SWEPT & raw["experiments"][baseline].keys()
                near = [
                    point
                    for point, other in points[baseline]
                    if all(settings.get(key) == other[key] for key in keys - {"objective"})
                ]
                if len(near) == 1:
                    settings["baseline"] = near[0]
        return {**raw, "experiments": expanded}

    @model_validator(mode="after")
    def _names_differ(self) -> Config:
        for seed in self.seeds:
            if seed < 0 or self.seeds.count(seed) > 1:
                raise ValueError(f"seeds: {list(self.seeds)}: give different numbers from 0")
        for block in ("datasets", "teachers", "experiments"):
            seen: dict[str, str] = {}
            for name in getattr(self, block):
                other = seen.setdefault(name.casefold(), name)
                if other != name:
                    raise ValueError(
                        f"{block}: {other!r} and {name!r} would share a folder where a disk ignores case: rename one"
                    )
        return self

    @model_validator(mode="after")
    def _names_exist(self) -> Config:
        faults = []
        for name, experiment in self.experiments.items():
            asked: list[tuple[str, str, Mapping[str, Any]]] = [
                ("dataset", experiment.dataset, self.datasets),
                ("student", experiment.student, self.students),
            ]
            if experiment.teacher is not None:
                asked.append(("teacher", experiment.teacher, self.teachers))
            asked += [("eval_datasets", other, self.datasets) for other in experiment.eval_datasets]
            if experiment.baseline is not None:
                asked.append(("baseline", experiment.baseline, self.experiments))
            for key, value, known in asked:
                if value not in known:
                    block = (
                        "experiments" if key == "baseline" else key.removeprefix("eval_").rstrip("s") + "s"
                    )
                    faults.append(
                        f"experiments.{name}.{key}: {value!r} is not under {block}{hint(value, known)}"
                    )
            data, student = self.datasets.get(experiment.dataset), self.students.get(experiment.student)
            if data is not None and data.video is None and experiment.sees_video:
                faults.append(
                    f"experiments.{name}.teacher: dataset {experiment.dataset!r} has no video (`video: null`) "
                    "for a teacher to see"
                )
            if (
                student is not None
                and student.architecture == "minirocket"
                and (experiment.of_objective.teacher == "required" or experiment.class_path is not None)
            ):
                faults.append(
                    f"experiments.{name}.objective: minirocket has no weights to distil into: "
                    "take `supervised` or `none`"
                )
        if faults:
            raise ValueError("\n".join(faults))
        return self

    @model_validator(mode="after")
    def _folds_fit(self) -> Config:
        folded = {name for name, settings in self.datasets.items() if settings.folds is not None}
        for name, experiment in self.experiments.items():
            if experiment.dataset in folded and {*experiment.eval_datasets} - {experiment.dataset}:
                raise ValueError(
                    f"experiments.{name}.eval_datasets: {experiment.dataset!r} has folds (`splits`), and its "
                    "students are evaluated on it alone: leave it out"
                )
        for dataset, teacher in self.encoded():
            if dataset in folded and self.teachers[teacher].flip:
                raise ValueError(
                    f"teachers.{teacher}.flip: mirrors train clips, but {dataset!r} has folds (`splits`), where every "
                    "clip is also a test clip: leave it out"
                )
        return self

    def evaluated_on(self, experiment: str) -> tuple[str, ...]:
        """Names of the datasets an experiment is evaluated on."""
        settings = self.experiments[experiment]
        return settings.eval_datasets or (settings.dataset,)

    def encoded(self) -> list[tuple[str, str]]:
        """Return every (dataset, teacher) that is encoded: those trained on, and those evaluated with a teacher."""
        return sorted(
            {
                (dataset, experiment.teacher)
                for name, experiment in self.experiments.items()
                for dataset in (experiment.dataset, *self.evaluated_on(name))
                if experiment.teacher is not None
                and experiment.sees_video
                and self.datasets[dataset].video is not None
            }
        )

    def protocols(self, experiment: str, dataset: str) -> tuple[str, ...]:
        """How an experiment is measured on a dataset: `svm`, `anchors` (zero-shot), `head` (its own classifier)."""
        settings = self.experiments[experiment]
        zero_shot = settings.sees_video and self.datasets[dataset].video is not None
        own_head = settings.of_objective.classifies and dataset == settings.dataset
        return ("svm", *["anchors"] * zero_shot, *["head"] * own_head)

    def trained_by(self, experiment: str, seed: int, fold: int | None = None) -> str:
        """Return the digest that a student of an experiment carries: of its settings, its seed and its fold."""
        settings = self.experiments[experiment]
        return trained_by(settings, self.students[settings.student], seed, fold)

    def used_settings(self, experiment: str) -> dict[str, Any]:
        """The settings that an experiment's student depends on, and no others, as plain values."""
        return self.experiments[experiment].used
