"""The part of a saved student's description that the config holds: plain values without paths."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from comodo.config.models import ModelSettings, model_name
from comodo.config.root import Config

LICENSES: Final = {
    "MCG-NJU/videomae": "cc-by-nc-4.0",
    "facebook/timesformer": "cc-by-nc-4.0",
    "facebook/vjepa2": "mit",
    "paris-noah/Mantis": "mit",
    "AutonLab/MOMENT": "mit",
    "amazon/chronos-bolt": "apache-2.0",
}
"""Licences of published checkpoints, by the beginning of their hub id, as their model cards said in 2026."""


def describe_experiment(config: Config, name: str) -> dict[str, Any]:
    """Return what the config says about the students of an experiment, as keyword arguments of `About`.

    Paths are shortened to their last part, because the folder of a student is meant to be shared.
    """
    experiment = config.experiments[name]
    dataset, student = config.datasets[experiment.dataset], config.students[experiment.student]
    teacher: dict[str, str] = {}
    if experiment.sees_video and experiment.teacher is not None:
        teacher = {"name": experiment.teacher, **_model(config.teachers[experiment.teacher])}
    return {
        "input": {
            "rate_hz": dataset.imu.rate_hz,
            "clip_s": dataset.clip_s,
            "max_gap_s": dataset.imu.max_gap_s,
            "alignment": dataset.alignment,
        },
        "dataset": experiment.dataset,
        "teacher": teacher,
        "student": {"name": experiment.student, **_model(student)},
        "experiment": name,
        "objective": experiment.objective_name,
        "settings": without_paths({**experiment.used, "student_settings": student.used()}),
        "license": config.license,
    }


def _model(settings: ModelSettings) -> dict[str, str]:
    """Return the hub id or name of a model, and its licence if it is known."""
    hub_id = settings.checkpoint if settings.checkpoint and not os.path.exists(settings.checkpoint) else ""
    model = hub_id if hub_id and hub_id.count("/") == 1 else model_name(settings)
    known = [text for start, text in LICENSES.items() if hub_id.startswith(start)]
    return {"model": model, **({"license": known[0]} if known else {})}


def without_paths(value: Any) -> Any:
    """Return plain values with every path to a file or folder shortened to its last part."""
    if isinstance(value, Mapping):
        return {key: without_paths(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_paths(item) for item in value]
    if isinstance(value, str) and (
        os.path.isabs(value) or value.startswith((".", "~")) or os.path.exists(value)
    ):
        return Path(value).name
    return value
