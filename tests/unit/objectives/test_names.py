"""Objectives are objects: nothing outside tells them apart by their names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import comodo
from comodo.config.objectives import OBJECTIVES as SETTINGS
from comodo.objectives import OBJECTIVES

SOURCE = Path(comodo.__file__).parent
ALLOWED = ("objectives/", "config/", "report/published.py")


def comparisons(tree: ast.AST) -> Iterator[ast.AST]:
    """Places where a value is compared with the name of an objective."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides, text = [node.left, *node.comparators], ast.unparse(node)
        elif isinstance(node, ast.Match):
            sides, text = [case.pattern for case in node.cases], ast.unparse(node.subject)
        else:
            continue
        names = {
            part.value
            for side in sides
            for part in ast.walk(side)
            if isinstance(part, ast.Constant) and isinstance(part.value, str)
        }
        if names & (set(OBJECTIVES) - {"none"}) or ("none" in names and "objective" in text):
            yield node


def test_no_module_outside_compares_the_name_of_an_objective() -> None:
    found = [
        f"{path.relative_to(SOURCE)}:{node.lineno}: {ast.unparse(node)}"  # type: ignore[attr-defined]
        for path in SOURCE.rglob("*.py")
        if not str(path.relative_to(SOURCE)).startswith(ALLOWED)
        for node in comparisons(ast.parse(path.read_text()))
    ]
    assert found == []


def test_a_comparison_is_noticed() -> None:
    code = "if settings.objective == 'comodo' or objective in ('l2', 'x') or o['objective'] != 'none': pass"
    assert len(list(comparisons(ast.parse(code)))) == 3


def test_every_objective_has_settings_under_its_name() -> None:
    assert list(SETTINGS) == list(OBJECTIVES)
