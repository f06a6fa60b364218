"""Names that become folders of results/ are none that lie there already."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from comodo.config import ConfigError, load
from tests.support.project import ROOT

BLOCKS = ["datasets", "teachers", "students", "experiments"]
RUN = "results/experiments/{experiment}/{fold}seed{seed}/"


def written() -> set[str]:
    """Every path below results/ that a rule or a command names."""
    files = [*(ROOT / "workflow/rules").glob("*.smk"), *(ROOT / "src/comodo").rglob("*.py")]
    texts = [re.sub(r"{wildcards\.(\w+)}", r"{\1}", path.read_text()) for path in files]
    return {path for text in texts for path in re.findall(r"results/[^\s\"'\`,):;]+", text)}


def folders(below: str) -> set[str]:
    """What lies directly below a folder and has a name of its own: no wildcard, no value."""
    parts = {path.removeprefix(below).split("/")[0] for path in written() if path.startswith(below)}
    return {part for part in parts if re.fullmatch(r"[\w.-]+", part)}


def config(block: str, name: str) -> dict[str, Any]:
    """A config in which one name of one block is that name."""
    names = {known: known[:1] for known in BLOCKS} | {block: name}
    experiment = {"dataset": names["datasets"], "teacher": names["teachers"], "student": names["students"]}
    return {
        "datasets": {names["datasets"]: {"layout": "ego4d", "root": "x"}},
        "teachers": {names["teachers"]: {"checkpoint": "x"}},
        "students": {names["students"]: {"checkpoint": "x"}},
        "experiments": {names["experiments"]: experiment},
    }


def test_the_folders_are_found() -> None:
    assert folders("results/") >= {"logs", "benchmarks", "report", "commands", "unsupervised_result"}
    named = {"student", "history.json", "state", "export", "cost.json", "predictions", "predictions.csv"}
    assert folders(RUN) == named


@pytest.mark.parametrize("name", sorted(folders("results/")))
@pytest.mark.parametrize("block", BLOCKS)
def test_folders_of_results_are_no_names(block: str, name: str) -> None:
    for spelled in (name, name.upper()):
        with pytest.raises(ConfigError, match=f"{block}.*'{spelled}' is a folder of results/ already"):
            load(config(block, spelled))


@pytest.mark.parametrize("name", sorted(folders(RUN)))
def test_what_lies_beside_the_datasets_of_a_run_is_no_name_of_one(name: str) -> None:
    for spelled in (name, name.title()):
        with pytest.raises(ConfigError, match=f"datasets.*'{spelled}' lies in results/experiments/"):
            load(config("datasets", spelled))
    for block in BLOCKS[1:]:
        load(config(block, name))  # their folders hold nothing else


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_names_of_the_configs_that_come_along_are_free(path: Any) -> None:
    load(yaml.safe_load(path.read_text()))
