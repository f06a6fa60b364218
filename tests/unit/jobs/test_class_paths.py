from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from comodo.errors import ClassPathError
from comodo.jobs.class_paths import class_digest, import_class, make_object


@pytest.fixture(autouse=True)
def folder(lab: Path) -> Path:
    return lab


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
    with pytest.raises(
        ClassPathError, match=r"'textwrap' is also the name of .*textwrap.py: rename your module"
    ):
        import_class("textwrap:Net")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "1 / 0\nclass Net: ...\n",
            r"the import of broken failed: ZeroDivisionError: division by zero \(.*broken.py, line 1\)",
        ),
        (
            "\nimport nowhere_at_all\nclass Net: ...\n",
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
    (folder / "broken.py").write_text("1 / 0\nclass Net: ...\n")
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
    with pytest.raises(ClassPathError, match="is never executed"):
        import_class("mylab.models:Net", outside=folder)


def test_without_the_working_folder(folder: Path) -> None:
    """As for a saved student, which may come from a stranger: only what is installed is imported."""
    with pytest.raises(ClassPathError, match="no module 'mylab' among the installed packages"):
        import_class("mylab.models:Net", working_folder=False)


def test_code_of_such_a_folder_by_the_folders_own_name(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder above it on the path makes it a package: `downloads.student.evil`."""
    place = tmp_path_factory.mktemp("above")
    student = place / "downloads/student"
    student.mkdir(parents=True)
    (student / "evil.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\nclass Net: ...\n")
    monkeypatch.syspath_prepend(place)
    for path in ("downloads.student.evil:Net", "downloads.student:Net"):
        with pytest.raises(ClassPathError, match=r"code in .*student is never executed"):
            import_class(path, working_folder=False, outside=student)
    (place / "downloads/__init__.py").write_text("")
    (place / "downloads/link.py").symlink_to(student / "evil.py")
    with pytest.raises(ClassPathError, match=r"code in .*student is never executed"):
        import_class("downloads.link:Net", working_folder=False, outside=student)
    assert not (folder / "ran").exists()


def test_the_working_folder_of_an_interpreter_is_not_installed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`python -c` has the working folder on its path, as ""."""
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    with pytest.raises(ClassPathError, match="no module 'mylab' among the installed packages"):
        import_class("mylab.models:Net", working_folder=False)
    assert import_class("mylab.models:Net").__name__ == "Net"
    assert import_class("mylab.models:Net", working_folder=False).__name__ == "Net"  # imported already


@pytest.mark.parametrize(
    "path",
    [
        "antigravity:Net",
        "venv.__main__:Net",
        "test.autotest:Net",
        "subprocess:Popen",
        "pip.__main__:Net",
        "__main__:Net",
    ],
)
def test_programs_and_pythons_own_modules(folder: Path, path: str) -> None:
    """Some do things when they are imported; no student is in them."""
    before = set(sys.modules)
    with pytest.raises(ClassPathError, match=r"it is not a torch.nn.Module|no module") as caught:
        import_class(path, working_folder=False)
    assert "\n" not in str(caught.value)
    assert not {"antigravity", "venv.__main__", "test.autotest", "pip.__main__"} & (set(sys.modules) - before)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="Python 3.12 has no distutils for setuptools to swap")
def test_looking_for_pip_leaves_setuptools_alone() -> None:
    """Asked for pip, the finder of setuptools drops its own distutils; then `import setuptools` fails."""
    code = """
from comodo.jobs.class_code import installed
assert installed("pip") is not None
import setuptools
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_module_that_ends_the_process(folder: Path) -> None:
    (folder / "broken.py").write_text("import sys\nsys.exit(0)\nclass Net: ...\n")
    with pytest.raises(
        ClassPathError, match=r"the import of broken failed: SystemExit: 0 \(.*broken.py, line 2\)"
    ):
        import_class("broken:Net")


def test_errors_name_the_users_own_line(folder: Path) -> None:
    """Not that of the library which it calls wrongly."""
    (folder / "broken.py").write_text(
        "import json\nclass Net:\n    def __init__(self):\n        json.loads('{')\n"
    )
    with pytest.raises(ClassPathError, match=r"failed: JSONDecodeError: .* \(.*broken.py, line 4\)$"):
        make_object("broken:Net", {})


def test_an_error_of_an_imported_file_names_that_file(folder: Path) -> None:
    (folder / "mylab/layers.py").write_text("WIDTH = 3\ndef f(:\n")
    with pytest.raises(ClassPathError, match=r"SyntaxError: invalid syntax \(.*layers.py, line 2\)$"):
        import_class("mylab.models:Net")


def test_long_arguments_and_messages_stay_one_line(folder: Path) -> None:
    (folder / "broken.py").write_text(
        "class Net:\n    def __init__(self, **more):\n        raise ValueError('a\\nb' * 9)\n"
    )
    with pytest.raises(ClassPathError) as caught:
        make_object("broken:Net", {"x": ["y" * 10_000]})
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000
