"""The config: sound ones with branches changed, other trees, and text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from comodo.config import load
from tests.fuzz.conftest import Fuzz
from tests.fuzz.inputs import COLUMNS, TREES, any_bytes, regrown

pytestmark = [pytest.mark.fuzz, pytest.mark.filterwarnings("ignore")]

CONFIG: dict[str, Any] = {
    "datasets": {"d": {"layout": "table", "root": "x", "table": "t", "video": {"size": 32}, "imu": {"csv": COLUMNS}}},
    "teachers": {"t": {"checkpoint": "some/model"}},
    "students": {"s": {"architecture": "mantis", "architecture_config": {"seq_len": 64}}},
    "defaults": {"dataset": "d", "teacher": "t", "student": "s", "queue_size": 8, "epochs": 2, "learning_rate": 0.1},
    "experiments": {"none": {"objective": "none"}, "e": {"student_temperature": [0.1, 0.2], "eval_datasets": ["d"]}},
    "evaluation": {"labels_per_class": [1, "all"]},
}  # fmt: skip


def read_config(data: Any, folder: Path) -> None:
    if isinstance(data, bytes):
        try:
            data = yaml.safe_load(data)
        except (yaml.YAMLError, ValueError, RecursionError):  # Snakemake reads the file, not we
            return
    load(data)


STRATEGY = regrown(CONFIG) | TREES | any_bytes(yaml.safe_dump(CONFIG), separator=": ")
FOUND: list[Any] = [
    None,
    {**CONFIG, "defaults": ["epochs"]},
    {**CONFIG, "defaults": {0: None}},
    {**CONFIG, "experiments": {"e": {"baseline": ["e"]}}},
    {**CONFIG, "experiments": {"e": dict.fromkeys(["epochs", "batch_size", "queue_size"], [1] * 1000)}},
]


@pytest.mark.parametrize("name", ["config"])
def test_any_bytes_give_a_result_or_the_documented_error(name: str, fuzz: Fuzz) -> None:
    fuzz(name, STRATEGY, read_config, FOUND)
