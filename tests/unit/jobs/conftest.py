from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

MODEL = """from mylab.layers import WIDTH
import sidelab

class Net:
    def __init__(self, width=WIDTH):
        self.width = width
"""


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder with a package, a module beside it that it imports, and one that it does not."""
    package = tmp_path / "mylab"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "models.py").write_text(MODEL)
    (package / "layers.py").write_text("WIDTH = 3\n")
    (tmp_path / "sidelab.py").write_text("import deeplab\n")
    (tmp_path / "deeplab.py").write_text("import sidelab\n")  # a circle
    (tmp_path / "unrelated.py").write_text("")
    monkeypatch.chdir(tmp_path)
    before, path = set(sys.modules), list(sys.path)
    yield tmp_path
    for name in set(sys.modules) - before:
        origin = getattr(getattr(sys.modules[name], "__spec__", None), "origin", None) or str(tmp_path)
        if name.split(".")[0] == "mylab" or origin.startswith(str(tmp_path.parent)):
            del sys.modules[name]
    sys.path[:] = path
