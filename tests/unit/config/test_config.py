from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from comodo.config import Config, ConfigError, load

CONFIG_FOLDER = Path(__file__).parents[3] / "config"


@pytest.fixture
def raw() -> dict[str, Any]:
    return {
        "datasets": {"a": {"layout": "ego4d", "root": "somewhere"}},
        "teachers": {"t": {"checkpoint": "org/teacher"}},
        "students": {"s": {"architecture": "mantis"}},
        "experiments": {"e": {"dataset": "a", "teacher": "t", "student": "s"}},
    }


def test_published_values_are_the_defaults(raw: dict[str, Any]) -> None:
    experiment = load(raw).experiments["e"]
    assert (experiment.queue_size, experiment.batch_size, experiment.epochs) == (16384, 128, 20)
    assert (experiment.teacher_temperature, experiment.student_temperature) == (0.1, 0.05)
    assert (experiment.projection_hidden, experiment.projection_dim) == (2048, 128)
    assert experiment.learning_rate == 3e-4
    assert load(raw).seeds == (42,)


def test_sweep_makes_one_experiment_per_point(raw: dict[str, Any]) -> None:
    raw["defaults"] = {"epochs": 3, "queue_size": [16, 32]}
    raw["experiments"]["e"]["student_temperature"] = [0.05, 0.1]
    raw["experiments"]["single"] = {**raw["experiments"]["e"], "queue_size": 8, "student_temperature": 0.2}
    experiments = load(raw).experiments
    assert list(experiments) == [
        "e-queue_size=16-student_temperature=0.05",
        "e-queue_size=16-student_temperature=0.1",
        "e-queue_size=32-student_temperature=0.05",
        "e-queue_size=32-student_temperature=0.1",
        "single",
    ]
    assert {e.epochs for e in experiments.values()} == {3}
    assert experiments["e-queue_size=32-student_temperature=0.1"].queue_size == 32


def test_the_order_of_a_model_s_keys_is_no_setting(raw: dict[str, Any]) -> None:
    """Snakemake compares params as text."""
    raw["students"]["s"]["architecture_config"] = {"seq_len": 64, "t5": {"b": 1, 3: None, "a": 2}}
    turned = copy.deepcopy(raw)
    turned["students"]["s"]["architecture_config"] = {"t5": {3: None, "a": 2, "b": 1}, "seq_len": 64}
    assert load(raw).model_dump_json() == load(turned).model_dump_json()


def test_experiment_is_evaluated_on_its_own_dataset_unless_told(raw: dict[str, Any]) -> None:
    raw["datasets"]["b"] = {"layout": "ego4d", "root": "elsewhere"}
    assert load(raw).evaluated_on("e") == ("a",)
    raw["experiments"]["e"]["eval_datasets"] = ["a", "b"]
    assert load(raw).evaluated_on("e") == ("a", "b")


def change(*path: str, **values: Any) -> Callable[[dict[str, Any]], None]:
    def apply(raw: dict[str, Any]) -> None:
        block = raw
        for part in path:
            block = block.setdefault(part, {})
        block.update(values)

    return apply


FAULTS = {
    "unknown key": (
        change("datasets", "a", shard=3),
        r"^datasets\.a\.shard: unknown key; did you mean 'shards'\?$",
    ),
    "nested": (
        change("datasets", "a", "video", fbs=3),
        r"^datasets\.a\.video\.fbs: unknown key; did you mean 'fps'\?$",
    ),
    "unknown default": (
        change("defaults", epoch=1),
        r"^defaults\.epoch: unknown key; did you mean 'epochs'\?$",
    ),
    "top level": (change(seed=1), r"^seed: unknown key; did you mean 'seeds'\?$"),
    "bad value": (change("datasets", "a", layout="ego"), r"^datasets\.a\.layout: .*'ego4d'.*got 'ego'"),
    "bad number": (
        change("experiments", "e", queue_size="x"),
        r"^experiments\.e\.queue_size: .*integer.*got 'x'",
    ),
    "negative": (
        change("experiments", "e", student_temperature=-1),
        r"^experiments\.e\.student_temperature: .*0",
    ),
    "unknown name": (
        change("experiments", "e", teacher="tt"),
        r"^experiments\.e\.teacher: 'tt' is not under teachers; did you mean 't'\?$",
    ),
    "bad eval": (
        change("experiments", "e", eval_datasets=["zz"]),
        r"^experiments\.e\.eval_datasets: 'zz' is not",
    ),
    "escape": (
        change("datasets", **{"../x": {"layout": "ego4d", "root": "x"}}),
        r"^datasets\.\.\./x: a name becomes",
    ),
    "reserved": (
        change("datasets", report={"layout": "ego4d", "root": "x"}),
        r"'report' is a folder of results",
    ),
    "one column for two channels": (
        change("datasets", "a", "imu", csv={"time": "t", "accel": ["x", "x", "t"], "gyro": ["x", "y", "z"]}),
        r"^datasets\.a\.imu\.csv: column t, x is named more than once$",
    ),
    "unknown architecture": (
        change("students", n={"architecture": "mantus"}),
        r"^students\.n\.architecture: 'mantus' is none of mantis, .*minirocket, cnn; did you mean 'mantis'\?$",
    ),
    "two sources": (
        change("students", "s", checkpoint="x"),
        r"^students\.s: give exactly one of `checkpoint`",
    ),
    "table without csv": (change("datasets", "a", layout="table"), r"^datasets\.a: `table`"),
    "uneven clip": (
        change("datasets", "a", clip_s=2.53),
        r"^datasets\.a: clip_s × video.fps = 25.3 must be a whole",
    ),
    "unreadable size": (
        change("datasets", "a", "video", size=48),
        r"^datasets\.a\.video: size: decord cannot read",
    ),
    "unset variable": (change("datasets", "a", root="${NO_SUCH_VARIABLE}/x"), r"NO_SUCH_VARIABLE is not set"),
    "not a block": (lambda raw: raw["experiments"].update(e=3), r"experiments\.e: give settings"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_one_line_that_names_the_key(name: str, raw: dict[str, Any]) -> None:
    apply, message = FAULTS[name]
    broken = copy.deepcopy(raw)
    apply(broken)
    with pytest.raises(ConfigError, match=message) as caught:
        load(broken)
    assert len(str(caught.value).splitlines()) == 1


def test_one_seed_is_a_list_of_one(raw: dict[str, Any]) -> None:
    assert load({**raw, "seeds": 7}).seeds == (7,)


@pytest.mark.parametrize("seeds", [[-1], [1, 1], [1, -2]])
def test_seeds_are_different_numbers_from_0(raw: dict[str, Any], seeds: list[int]) -> None:
    with pytest.raises(ConfigError, match=r"seeds: \[.*\]: give different numbers from 0"):
        load({**raw, "seeds": seeds})


@pytest.mark.parametrize("block", ["datasets", "teachers", "experiments"])
def test_names_that_would_share_a_folder(raw: dict[str, Any], block: str) -> None:
    (name, settings) = next(iter(raw[block].items()))
    raw[block][name.upper()] = settings
    with pytest.raises(ConfigError, match=f"{block}: '{name}' and '{name.upper()}' would share a folder"):
        load(raw)


def test_missing_blocks_are_named(raw: dict[str, Any]) -> None:
    del raw["datasets"], raw["students"]
    with pytest.raises(ConfigError, match=r"datasets: missing\nstudents: missing"):
        load(raw)


def test_environment_variables_in_paths(raw: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMODO_SOMEWHERE", "/data")
    raw["datasets"]["a"]["root"] = "${COMODO_SOMEWHERE}/x/${COMODO_ELSEWHERE:-y}"
    assert load(raw).datasets["a"].root == "/data/x/y"


@pytest.mark.parametrize("path", sorted(CONFIG_FOLDER.glob("*.yaml")), ids=lambda path: path.name)
def test_configs_of_the_project_are_valid(path: Path) -> None:
    load(yaml.safe_load(path.read_text()))


def test_every_key_is_described() -> None:
    def blocks(schema: dict[str, Any]) -> list[dict[str, Any]]:
        return [schema, *schema.get("$defs", {}).values()]

    for block in blocks(Config.model_json_schema()):
        for key, field in block.get("properties", {}).items():
            assert field.get("description"), f"{block['title']}.{key} has no description"
