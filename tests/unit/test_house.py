"""The shape of the tree: short files, a package per stage, tests that mirror it."""

from __future__ import annotations

from pathlib import Path

import pytest

import comodo
from tests.support.project import ROOT

SOURCE = Path(comodo.__file__).parent
PACKAGES = sorted(path.parent.name for path in SOURCE.glob("*/__init__.py"))
LONGEST = 300  # lines
NO_PACKAGE = {"common", "functions"}  # only what rules share
PACKAGE_OF = {"splits": "recordings"}  # where it is not the rule file's own name
FIRST_VERSION = {
    "clips": "REASONS frame_indices pair_clips video_windows",
    "evaluation": "evaluate_svm fit_svm score_svm",
    "models": "Student Teacher load_student load_teacher new_head new_student project_teacher save_student",
    "objectives": "ComodoLoss InfoNCELoss L2Loss",
    "queue": "EmbeddingQueue initial_queue_indices",
    "training": "TrainingError learning_rate schedule_steps shuffled_batches train_distillation",
}


@pytest.mark.parametrize("folder", ["src", "tests", "workflow"])
def test_no_file_is_long(folder: str) -> None:
    files = [path for kind in ("*.py", "*.smk") for path in (ROOT / folder).rglob(kind)]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST} == {}


@pytest.mark.parametrize("rules", sorted(path.stem for path in (ROOT / "workflow/rules").glob("*.smk")))
def test_each_rule_file_has_its_package(rules: str) -> None:
    assert rules in NO_PACKAGE or PACKAGE_OF.get(rules, rules) in PACKAGES


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_says_what_it_holds_and_has_its_tests(package: str) -> None:
    assert __import__(f"comodo.{package}", fromlist=["x"]).__doc__
    assert (ROOT / "tests/unit" / package).is_dir()


@pytest.mark.parametrize(
    "script", sorted((ROOT / "workflow/scripts").glob("*.py")), ids=lambda path: path.stem
)
def test_scripts_have_no_logic(script: Path) -> None:
    """They read `snakemake` and call one function: no branch, no loop but over paths, no function of their own."""
    words = script.read_text().split()
    assert not {"if", "else", "def", "lambda", "while", "try:"} & set(words)
    assert len(script.read_text().splitlines()) <= 30


@pytest.mark.parametrize("module", FIRST_VERSION)
def test_names_of_the_first_version_still_import(module: str) -> None:
    found = __import__(f"comodo.{module}", fromlist=["x"])
    assert set(FIRST_VERSION[module].split()) <= set(found.__all__)
    assert all(hasattr(found, name) for name in found.__all__)
