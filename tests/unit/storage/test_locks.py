"""Locks of files that several processes read and replace."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from comodo.errors import CommandError, WriteError
from comodo.storage.files import locked

HOLD = """
import sys
from comodo.storage.files import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(path: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_held_lock_is_waited_for_and_then_told(tmp_path: Path) -> None:
    path = tmp_path / "new/a.json"
    holder = hold(path)
    with (
        pytest.raises(CommandError, match=r"a\.json is in use: .*a\.json\.lock for 0\.2 s"),
        locked(path, 0.2),
    ):
        pass
    holder.kill()  # however its process ends, the lock is free
    holder.wait()
    with locked(path, 5):
        assert not path.exists()
    with locked(path, 0):  # and again
        pass


@pytest.mark.parametrize(
    "make",
    [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("b"), lambda path: path.symlink_to("/dev/null")],
)
def test_what_is_no_lock_file_is_named_and_kept(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "a.json.lock")
    kind = (tmp_path / "a.json.lock").lstat().st_mode
    with (
        pytest.raises(CommandError, match=r"a\.json\.lock is no file: move it away"),
        locked(tmp_path / "a.json"),
    ):
        pass
    assert (tmp_path / "a.json.lock").lstat().st_mode == kind
    assert not (tmp_path / "b").exists()


def test_a_file_system_without_locks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none(file: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with caplog.at_level(logging.WARNING), locked(tmp_path / "a.json"):
        done = True
    assert done
    assert "a.json: no locks here (No locks available)" in caplog.text


def test_a_folder_that_must_not_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(WriteError, match=r"a\.json\.lock cannot be written"), locked(tmp_path / "a.json"):
        pass
