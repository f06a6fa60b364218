from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from comodo.commands import plan
from comodo.commands.cli import COMMANDS, main
from comodo.errors import ConfigError


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    """Help and errors come at once: nothing heavy is imported before a command needs it."""
    code = (
        "import sys, atexit; from comodo.commands.cli import main; atexit.register(lambda: print(*"
        "{'torch', 'pandas', 'numpy', 'av', 'sklearn', 'requests', 'pydantic', 'yaml'} & set(sys.modules)));"
        "main(['--help'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *page, imported = done.stdout.splitlines()
    assert imported == ""
    assert all(any(line.split()[:1] == [name] for line in page) for name in COMMANDS)


@pytest.mark.parametrize("name", ["train", "evaluate", "embed"])
def test_the_help_of_a_command_imports_no_models(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = f"import sys; from comodo.commands import {name}; print(*{{'torch', 'pandas', 'av'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    assert capsys.readouterr().out.startswith(f"usage: comodo {name} ")


def test_every_command_has_its_module() -> None:
    assert all(find_spec(module) for module, _ in COMMANDS.values())


@pytest.mark.parametrize("arguments", [[], ["tarin"], ["tarin", "--help"], ["--seed", "1"]])
def test_what_is_no_command_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "usage: comodo " in capsys.readouterr().err


def test_errors_show_control_characters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a\x1b]0;t\x07.csv"
    file.write_text("x,y\n")
    assert main(["embed", "--student", "none", "--imu", str(file)]) == 1
    told = capsys.readouterr().err
    assert "a\\x1b]0;t\\x07.csv: the header lacks Ego4D's column" in told
    assert "\x1b" not in told


def test_a_user_s_fault_is_one_line_and_with_debug_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "nowhere.yaml"]) == 1
    assert capsys.readouterr().err == "error: nowhere.yaml cannot be read: No such file or directory\n"
    with pytest.raises(ConfigError, match=r"nowhere\.yaml cannot be read"):
        main(["--debug", "plan", "nowhere.yaml"])


@pytest.mark.parametrize("error", [ValueError, OSError])
def test_any_other_error_keeps_its_traceback(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(arguments: list[str]) -> int:
        raise error("a bug")

    monkeypatch.setattr(plan, "main", broken)
    with pytest.raises(error, match="a bug"):
        main(["plan", "x"])
