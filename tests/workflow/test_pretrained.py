"""A teacher that the workflow pretrains itself, as in the demo."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.project import WORLD, Project, tiny_config

pytestmark = [pytest.mark.workflow, pytest.mark.slow]


def test_it_encodes_and_other_pretraining_encodes_again(tmp_path: Path) -> None:
    project, config = Project(tmp_path), tiny_config()
    world = WORLD | {"seed": 1}
    config["teachers"]["small"]["pretraining"] = {"world": world, "epochs": 1, "batch_size": 8}
    project.run(config, "embedded")
    assert project.plan(config, "embedded") == {}
    config["teachers"]["small"]["batch_size"] = 4
    assert project.plan(config, "embedded") == {}
    config["teachers"]["small"]["pretraining"]["epochs"] = 2
    plan = project.plan(config, "embedded")
    assert (plan["make_teacher"], plan["encode_video"], plan["select_anchors"]) == (1, 2, 1)
