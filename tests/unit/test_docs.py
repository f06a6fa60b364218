"""README and docs: short, complete, and their code blocks are right."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from comodo.commands.cli import COMMANDS, main
from comodo.config import load_config
from comodo.layouts.segments import COLUMNS as SEGMENT_COLUMNS
from tests.support.docs import code_blocks
from tests.support.project import ROOT

PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))),
]
RUN_BY = {  # the test that runs the Python blocks of a page
    "README.md": "tests/unit/test_api.py",
    "docs/api.md": "tests/unit/test_api.py",
    "docs/extend.md": "tests/workflow/test_own_classes.py",
    "docs/files.md": "tests/workflow/test_files.py",
    "docs/use.md": "tests/unit/test_api.py",
    "docs/tutorial.md": "tests/workflow/test_tutorial.py",
}


def blocks(language: str) -> list[Any]:
    return [
        pytest.param(block, id=f"{page}-{number}")
        for page in PAGES
        for number, block in enumerate(code_blocks(page, language))
    ]


def test_the_readme_fits_a_screen_or_three() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


def test_every_page_is_in_the_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text()
    listed = set(re.findall(r": (\w[\w-]*\.md)$", text, re.MULTILINE))
    assert listed == {path.name for path in (ROOT / "docs").glob("*.md")}


@pytest.mark.parametrize("page", PAGES)
def test_python_blocks_are_run_by_a_test(page: str) -> None:
    if code_blocks(page, "python"):
        assert page in (ROOT / RUN_BY[page]).read_text()


@pytest.mark.parametrize("block", blocks("yaml"))
def test_yaml_blocks_are_configs_or_parts_of_one(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMODO_DATA", "/data")
    content = yaml.safe_load(block)
    whole: dict[str, Any] = {
        "datasets": {"d": {"layout": "ego4d", "root": "data"}},
        "teachers": {"t": {"checkpoint": "a/b"}},
        "students": {"s": {"checkpoint": "a/b"}},
        "defaults": {"dataset": "d", "teacher": "t", "student": "s"},
        "experiments": {"frozen": {"objective": "none"}},
    }
    if "datasets" in content:
        whole["defaults"]["dataset"] = next(iter(content["datasets"]))
    if "datasets" in content and "experiments" not in content:  # a part of a config
        whole["experiments"] = {"e": {"objective": "supervised"}}
    load_config(content if "experiments" in content and "datasets" in content else {**whole, **content})


@pytest.mark.parametrize("block", blocks("csv"))
def test_csv_blocks_are_tables_of_recordings(block: str) -> None:
    table = pd.read_csv(io.StringIO(block), comment="#")
    if set(table) == set(SEGMENT_COLUMNS):
        return
    sensors = {"accel", "gyro"} if "accel" in table else {"video", "imu"}
    assert {"recording", "split", "label", *sensors} <= set(table)
    assert set(table["split"]) <= {"train", "val", "test"}


@pytest.mark.parametrize("block", blocks("sh"))
def test_shell_blocks_name_what_exists(block: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Targets of make, commands of comodo and their flags, and files of the repository."""
    targets = set(re.findall(r"^([\w./-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for target in re.findall(r"^make ((?:[a-z][\w-]*(?: |$))+)", block, re.MULTILINE):
        assert set(target.split()) <= targets
    for name, flags in re.findall(r"^comodo (\w+)([^#\n]*)", block, re.MULTILINE):
        assert name in COMMANDS
        if name == "splits":
            continue
        with pytest.raises(SystemExit):
            main([name, "--help"])
        helped = capsys.readouterr().out
        assert all(flag in helped for flag in re.findall(r"--\w+", flags))
    for path in re.findall(r"(?<![\w/.])(?:config|profiles|requirements)[/.][\w./-]+", block):
        if "mine" not in path and path != "config/split":
            assert (ROOT / path).exists(), path


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """Links to files of the repository; `mkdocs build --strict` checks those between pages and their anchors."""
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", (ROOT / page).read_text()):
        if not target.startswith(("http", "mailto:")):
            assert Path(ROOT / page).parent.joinpath(target).exists(), target
