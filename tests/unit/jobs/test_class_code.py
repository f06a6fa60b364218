"""The digest of a class's code: what changes it, what does not, and what is refused without an import."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from comodo.errors import ClassPathError
from comodo.jobs import class_code
from comodo.jobs.class_paths import class_digest, import_class, make_object


@pytest.fixture(autouse=True)
def folder(lab: Path) -> Path:
    return lab


def digest(path: str = "mylab.models:Net") -> str:
    class_code._digest.cache_clear()
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
    (folder / "mylab/models.py").write_text("raise SystemExit('imported')\nclass Net: ...\n")
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


def test_a_package_inside_by_a_link(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "blocks.py").write_text("")
    (folder / "mylab/shared").symlink_to(other)
    (folder / "mylab/circle").symlink_to(folder / "mylab")
    before = digest()
    (other / "blocks.py").write_text("# edited\n")
    assert digest() != before


def test_a_package_with_hundreds_of_files(folder: Path) -> None:
    for number in range(500):
        (folder / f"mylab/part{number}.py").write_text("import json\nfrom mylab.layers import WIDTH\n" * 20)
    began = time.perf_counter()
    assert digest()
    assert time.perf_counter() - began < 3


def test_copies_of_editors_do_not_count(folder: Path) -> None:
    before = digest()
    (folder / "mylab/.ipynb_checkpoints").mkdir()
    (folder / "mylab/.ipynb_checkpoints/models-checkpoint.py").write_text("")
    assert digest() == before


def test_other_encodings(folder: Path) -> None:
    text = "# -*- coding: latin-1 -*-\nimport sidelab\nNAME = 'Gr\xf6\xdfe'\nclass Net: ...\n"
    (folder / "mylab/models.py").write_bytes(text.encode("latin-1"))
    before = digest()
    (folder / "sidelab.py").write_text("# edited\n")
    assert digest() != before


def test_a_file_that_cannot_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Path.read_bytes

    def refused(path: Path) -> bytes:
        if path.name == "layers.py":
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(
        ClassPathError, match=r"mylab.models:Net: .*layers.py cannot be read \(Permission denied\)"
    ):
        digest()


def test_what_is_no_file_is_left_out(folder: Path) -> None:
    before = digest()
    os.mkfifo(folder / "mylab/pipe.py")
    (folder / "mylab/dangling.py").symlink_to("nowhere.py")
    (folder / "mylab/folder.py").mkdir()
    assert digest() == before


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("mylab.modles:Net", "the package 'mylab' has no module 'modles'; did you mean 'models'?"),
        ("mylab.zzz:Net", "the package 'mylab' has no module 'zzz'; it has layers, models"),
        ("mylab.models:Nett", "mylab.models has no class 'Nett'; did you mean 'Net'?"),
        ("mylab.models.deeper:Net", r"mylab.models is a module \(.*models.py\), not a package"),
        ("sidelab:Net", "sidelab has no class 'Net'"),
        ("mylab:", "write it as package.module:Name"),
    ],
)
def test_mistakes_show_without_an_import(path: str, message: str) -> None:
    for refuse in (digest, import_class):
        with pytest.raises(ClassPathError, match=message) as caught:
            refuse(path)
        assert "\n" not in str(caught.value)
    assert "mylab" not in sys.modules


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x = 1\ndef f(:\n", r"SyntaxError: invalid syntax \(.*models.py, line 2\)"),
        (b"# -*- coding: klingon -*-\nclass Net: ...\n", None),
        (b"class Net: ...\n\0", r"(SyntaxError|ValueError): .*null bytes"),
        (b"NAME = '\xff'\nclass Net: ...\n", None),
    ],
)
def test_a_module_that_python_cannot_read(folder: Path, content: bytes, message: str | None) -> None:
    (folder / "mylab/models.py").write_bytes(content)
    with pytest.raises(ClassPathError, match=message or "the import of .* failed: SyntaxError") as caught:
        digest()
        import_class("mylab.models:Net")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        "from mylab.layers import *\n",
        "def __getattr__(name):\n    return type(name, (), {})\n",
        "globals()['N' + 'et'] = type('Net', (), {})\n",
        "from mylab.other import Net\n",
    ],
)
def test_names_that_only_an_import_shows(folder: Path, content: str) -> None:
    (folder / "mylab/models.py").write_text(content)
    (folder / "mylab/layers.py").write_text("class Net: ...\n")
    (folder / "mylab/other.py").write_text("class Net: ...\n")
    assert digest()
    assert import_class("mylab.models:Net").__name__ == "Net"


def test_a_module_beside_the_class_with_the_name_of_an_installed_one(folder: Path) -> None:
    """The installed one would be imported, silently, and the edited file would be the other."""
    (folder / "numpy.py").write_text("")
    assert digest()
    (folder / "sidelab.py").write_text("import numpy\n")
    with pytest.raises(
        ClassPathError,
        match=r"sidelab.py imports 'numpy', which is both .*numpy.py and .*__init__.py: rename",
    ):
        digest()


def test_names_that_hide_nothing(folder: Path) -> None:
    """A module of Python's own, and a package installed while here is but a folder of data."""
    (folder / "sidelab.py").write_text("import json\nimport numpy\n")
    before = digest()
    (folder / "json.py").write_text("raise SystemExit('the wrong json')\n")
    (folder / "numpy").mkdir()
    (folder / "numpy/data.py").write_text("")
    assert digest() == before
    assert import_class("numpy.ma:MaskedArray").__name__ == "MaskedArray"


def test_modules_beside_a_class_on_the_path(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are those of its own folder, whatever the working folder has."""
    other = tmp_path_factory.mktemp("path")
    (other / "theirs.py").write_text("import sidelab\nclass Net: ...\n")
    (other / "sidelab.py").write_text("")
    monkeypatch.syspath_prepend(other)
    before = digest("theirs:Net")
    (folder / "sidelab.py").write_text("# edited\n")
    assert digest("theirs:Net") == before
    (other / "sidelab.py").write_text("# edited\n")
    assert digest("theirs:Net") != before


def test_a_class_in_an_archive(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import zipfile

    digests = set()
    for content in ("class Net: ...\n", "class Net: ...  # edited\n"):
        with zipfile.ZipFile(folder / "lib.zip", "w") as archive:
            archive.writestr("zipped.py", content)
        monkeypatch.syspath_prepend(folder / "lib.zip")
        digests.add(digest("zipped:Net"))
    assert len(digests) == 2
    assert import_class("zipped:Net").__name__ == "Net"
