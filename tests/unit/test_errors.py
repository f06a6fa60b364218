"""One base class for all errors of the package."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import comodo
from comodo import errors
from comodo.errors import ComodoError

SOURCE = Path(comodo.__file__).parent
CLASSES = {
    name: kind for name, kind in vars(errors).items() if inspect.isclass(kind) and name.endswith("Error")
}


def test_every_error_has_the_one_base() -> None:
    assert len(CLASSES) > 10
    assert all(issubclass(kind, ComodoError) for kind in CLASSES.values())


def test_no_other_module_defines_an_error() -> None:
    defined = [
        f"{path.relative_to(SOURCE)}: {node.name}"
        for path in SOURCE.rglob("*.py")
        if path.name != "errors.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and any("Error" in ast.unparse(base) for base in node.bases)
    ]
    assert defined == []


@pytest.mark.parametrize("name", ["LayoutError", "ConfigError", "ModelError", "DamageError", "StoreError"])
def test_errors_of_the_first_version_are_value_errors_still(name: str) -> None:
    assert issubclass(CLASSES[name], ValueError)


@pytest.mark.parametrize("name", ["WriteError", "DeviceError"])
def test_errors_of_disk_and_device_are_os_errors_still(name: str) -> None:
    assert issubclass(CLASSES[name], OSError)
