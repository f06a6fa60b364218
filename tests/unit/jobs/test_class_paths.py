from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from comodo.errors import ClassPathError
from comodo.jobs import class_paths
from comodo.jobs.class_paths import class_digest, import_class, make_object

MODEL = """from mylab.layers import WIDTH
import sidelab

class Net:
    def __init__(self, width=WIDTH):
        self.width = width
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
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
        if name.split(".")[0] in {"mylab", "sidelab", "deeplab", "broken", "textwrap2", "place"}:
            del sys.modules[name]
    sys.path[:] = path


def digest(path: str = "mylab.models:Net") -> str:
    class_paths._digest.cache_clear()
    return class_digest(path)


@pytest.mark.parametrize("changed", ["mylab/layers.py", "mylab/models.py", "sidelab.py", "deeplab.py"])
def test_an_edit_of_what_the_class_may_run(folder: Path, changed: str) -> None:
    before = digest()
    with (folder / changed).open("a") as file:
        file.write("# edited\n")
    assert digest() != before


def test_a_new_helper_file(folder: Path) -> None:
    before = digest()
    (folder / "mylab/more.py").write_text("")
    assert digest() != before


def test_what_changes_nothing(folder: Path) -> None:
    before = digest()
    (folder / "unrelated.py").write_text("x = 1\n")
    (folder / "mylab/notes.txt").write_text("x")
    (folder / "mylab/__pycache__").mkdir()
    (folder / "mylab/__pycache__/models.cpython-311.pyc").write_bytes(b"x")
    os.utime(folder / "mylab/models.py", (1, 1))
    assert digest() == before


def test_the_folder_does_not_matter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest()
    moved = folder.rename(folder.with_name("elsewhere"))
    monkeypatch.chdir(moved)
    assert digest() == before
    moved.rename(folder)


def test_nothing_is_imported(folder: Path) -> None:
    (folder / "mylab/models.py").write_text("raise SystemExit('imported')\n")
    (folder / "mylab/__init__.py").write_text("raise SystemExit('imported')\n")
    assert digest()
    assert "mylab" not in sys.modules


def test_files_that_cannot_be_parsed_count_as_bytes(folder: Path) -> None:
    for content in (b"def", b"\xff\xfe", b"\0"):
        (folder / "mylab/odd.py").write_bytes(content)
        assert digest()


def test_a_package_by_a_link(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    (folder / "mylab").rename(other / "mylab")
    (folder / "mylab").symlink_to(other / "mylab")
    before = digest()
    (other / "mylab/layers.py").write_text("WIDTH = 4\n")
    assert digest() != before
    assert make_object("mylab.models:Net", {}).width == 4


def test_a_namespace_package(folder: Path) -> None:
    (folder / "mylab/__init__.py").unlink()
    before = digest()
    (folder / "mylab/layers.py").write_text("WIDTH = 5\n")
    assert digest() != before
    assert make_object("mylab.models:Net", {}).width == 5


def test_no_class_no_digest() -> None:
    assert class_digest(None) == ""


def test_the_working_folder_comes_before_installed_packages(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path_factory.mktemp("installed")
    (other / "place.py").write_text("class Net:\n    where = 'installed'\n")
    monkeypatch.syspath_prepend(other)
    assert import_class("place:Net").where == "installed"
    del sys.modules["place"]
    (folder / "place.py").write_text("class Net:\n    where = 'here'\n")
    assert import_class("place:Net").where == "here"


def test_helpers_beside_the_class_are_found_and_hide_nothing(folder: Path) -> None:
    (folder / "json.py").write_text("raise SystemExit('the wrong json')\n")
    net = make_object("mylab.models:Net", {"width": 7})
    assert net.width == 7
    code = "from comodo.jobs.class_paths import make_object; make_object('mylab.models:Net', {}); import json.decoder"
    subprocess.run([sys.executable, "-P", "-c", code], check=True)


def test_a_name_that_is_taken(folder: Path) -> None:
    """`textwrap` is imported already, from the standard library."""
    (folder / "textwrap.py").write_text("class Net: ...\n")
    with pytest.raises(ClassPathError, match=r"'textwrap' is also the name of .*textwrap.py: rename yours"):
        import_class("textwrap:Net")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "1 / 0\n",
            r"the import of broken failed: ZeroDivisionError: division by zero \(.*broken.py, line 1\)",
        ),
        (
            "\nimport nowhere_at_all\n",
            r"ModuleNotFoundError: No module named 'nowhere_at_all' \(.*broken.py, line 2",
        ),
        ("def f(:\n", r"the import of broken failed: SyntaxError"),
        ("Net = 5\n", "broken has no class 'Net'"),
        ("", "broken has no class 'Net'"),
    ],
)
def test_imports_that_fail(folder: Path, content: str, message: str) -> None:
    (folder / "broken.py").write_text(content)
    with pytest.raises(ClassPathError, match=message):
        import_class("broken:Net")


def test_a_failed_import_can_be_mended(folder: Path) -> None:
    (folder / "broken.py").write_text("1 / 0\n")
    with pytest.raises(ClassPathError):
        import_class("broken:Net")
    (folder / "broken.py").write_text("class Net: ...  # mended\n")
    assert import_class("broken:Net").__name__ == "Net"


def test_a_class_that_cannot_be_made() -> None:
    with pytest.raises(ClassPathError, match=r"Net\(depth=2\) failed: TypeError: .*unexpected keyword"):
        make_object("mylab.models:Net", {"depth": 2})


@pytest.mark.parametrize("path", ["nowhere.models:Net", "nowhere:Net"])
def test_no_such_module(path: str) -> None:
    with pytest.raises(ClassPathError, match=r"no module 'nowhere' in .* or among the installed packages"):
        class_digest(path)
    with pytest.raises(ClassPathError, match="no module 'nowhere'"):
        import_class(path)


@pytest.mark.parametrize(
    "path", ["", "Net", "a.b", "a:", ":Net", "a:b.c", "a..b:N", "../a:N", "a b:N", "a:N\n", "à:N"]
)
def test_what_is_no_class_path(path: str) -> None:
    with pytest.raises(ClassPathError, match=r"write it as package.module:Name"):
        import_class(path)


def test_code_of_a_folder_that_is_not_trusted(folder: Path) -> None:
    with pytest.raises(ClassPathError, match="is never run"):
        import_class("mylab.models:Net", outside=folder)


def test_without_the_working_folder(folder: Path) -> None:
    """As for a saved student, which may come from a stranger: only what is installed is imported."""
    with pytest.raises(ClassPathError, match="no module 'mylab' among the installed packages"):
        import_class("mylab.models:Net", working_folder=False)
