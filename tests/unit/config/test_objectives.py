"""What a student depends on follows from the settings of its objective."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, get_args

import pytest

from comodo.config import ConfigError, ExperimentSettings, load
from comodo.config.objectives import OBJECTIVES

LOOP = {
    "clips_per_recording", "learning_rate", "epochs", "batch_size", "precision", "compile", "schedule",
}  # fmt: skip
PROJECTION = {"projection", "student_head", "projection_hidden", "projection_dim"}
COMODO = {"queue_size", "student_temperature", "teacher_temperature"}
USED = {
    "comodo": {"teacher"} | LOOP | PROJECTION | COMODO,
    "infonce": {"teacher", "infonce_temperature", "infonce_symmetric"} | LOOP,
    "l2": {"teacher"} | LOOP,
    "supervised": {"labels_per_class"} | LOOP,
    "none": {"teacher"} | PROJECTION,
}


def config(**experiment: Any) -> dict[str, Any]:
    return {
        "datasets": {"d": {"layout": "ego4d", "root": "."}},
        "teachers": {"t": {"checkpoint": "t"}},
        "students": {"s": {"checkpoint": "s"}},
        "experiments": {"e": {"dataset": "d", "student": "s", **experiment}},
    }


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_used_settings(objective: str) -> None:
    used = load(config(teacher="t", objective=objective)).used_settings("e")
    assert used.keys() == {"dataset", "student", "objective"} | USED[objective]
    # Snakemake compares params by their text: another order would train every student again
    assert list(used) == [key for key in ExperimentSettings.model_fields if key in used]


def test_the_order_of_the_keys_is_that_of_the_first_version() -> None:
    fields = [key for key in ExperimentSettings.model_fields if key not in ExperimentSettings.new_keys]
    assert fields == [
        "dataset", "teacher", "student", "objective", "queue_size", "student_temperature", "teacher_temperature",
        "infonce_temperature", "infonce_symmetric", "labels_per_class", "clips_per_recording", "projection",
        "student_head", "projection_hidden", "projection_dim", "learning_rate", "epochs", "batch_size", "precision",
        "compile", "schedule", "eval_datasets", "baseline",
    ]  # fmt: skip


def test_the_published_schedule_counts_the_queue_for_every_objective() -> None:
    used = load(config(teacher="t", objective="l2", schedule="reference")).used_settings("e")
    assert used["queue_size"] == 16384


def test_without_a_teacher_nothing_is_projected() -> None:
    assert load(config(objective="none")).used_settings("e").keys() == {"dataset", "student", "objective"}


def test_keys_of_another_objective_are_ignored() -> None:
    raw = config(teacher="t", objective="infonce", queue_size=7, student_head="linear")
    assert load(raw).used_settings("e") == load(config(teacher="t", objective="infonce")).used_settings("e")
    raw["defaults"] = {"queue_size": 9}
    load(raw)


def test_unknown_keys_and_bad_values_of_another_objective_are_errors() -> None:
    with pytest.raises(ConfigError, match="queue_sise: unknown key; did you mean 'queue_size'"):
        load(config(teacher="t", objective="infonce", queue_sise=7))
    with pytest.raises(ConfigError, match=r"queue_size: .*greater than or equal to 1"):
        load(config(teacher="t", objective="infonce", queue_size=0))


def test_every_name_has_its_settings() -> None:
    annotation = ExperimentSettings.model_fields["objective"].annotation
    assert {name for kind in get_args(annotation) for name in get_args(kind)} == set(OBJECTIVES)


def test_a_config_is_loaded_without_torch() -> None:
    code = (
        f"import sys; from comodo.config import load; load({config(teacher='t')!r});"
        "print({'torch', 'numpy', 'pandas', 'h5py', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
