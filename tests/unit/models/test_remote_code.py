"""A checkpoint's own Python never runs, even where somebody types yes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

MODEL = """
from pathlib import Path
from transformers import PretrainedConfig, PreTrainedModel
Path({marker!r}).touch()
class TheirConfig(PretrainedConfig):
    model_type = "theirs"
class TheirModel(PreTrainedModel):
    config_class = TheirConfig
"""
LOAD = "import sys; from comodo.models import {function}; {function}(sys.argv[1])"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A folder whose config names a class in a Python file beside it."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "theirs.py").write_text(MODEL.format(marker=str(tmp_path / "ran")))
    auto_map = {
        name: f"theirs.{kind}" for name, kind in (("AutoConfig", "TheirConfig"), ("AutoModel", "TheirModel"))
    }
    (folder / "config.json").write_text(json.dumps({"model_type": "theirs", "auto_map": auto_map}))
    return folder


@pytest.mark.parametrize("function", ["load_teacher", "load_student"])
def test_no_answer_runs_the_code_of_a_checkpoint(checkpoint: Path, function: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOAD.format(function=function), str(checkpoint)],
        input="y\n" * 20, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert not checkpoint.with_name("ran").exists()
    assert "ModelError" in done.stderr
    assert "[y/N]" not in done.stdout
