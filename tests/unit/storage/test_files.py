from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from comodo.errors import WriteError
from comodo.storage.files import PARTIAL, atomic, strict_json, write_json


def full_folder(path: Path) -> None:
    path.mkdir()
    (path / "file").touch()


def refuse(path: str | Path, *rest: object) -> None:
    raise PermissionError(errno.EACCES, "Permission denied", str(path))


def test_file_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file.txt"
    with atomic(target) as partial:
        partial.write_text("half")
        assert not target.exists()
        assert partial.suffix == ".txt"
    assert target.read_text() == "half"
    assert list(target.parent.iterdir()) == [target]


def test_error_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic(target) as partial:
        partial.write_text("new")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "stale").touch()
    with atomic(target) as partial:
        partial.mkdir()
        (partial / "fresh").touch()
    assert [path.name for path in target.iterdir()] == ["fresh"]


def test_json_refuses_nan(tmp_path: Path) -> None:
    write_json({"a": 1.5}, tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": 1.5}
    with pytest.raises(ValueError, match="JSON"):
        write_json({"a": float("nan")}, tmp_path / "b.json")
    assert not (tmp_path / "b.json").exists()


def test_group_may_read_what_a_library_wrote_for_its_owner_alone(tmp_path: Path) -> None:
    """Two users with umask 002 share results; safetensors makes files of mode 600."""
    pytest.importorskip("torch", reason="needs torch")
    script = """
import sys, torch
from pathlib import Path
from safetensors.torch import save_file
from comodo.storage.files import atomic
with atomic(Path(sys.argv[1]) / "student") as partial:
    partial.mkdir()
    save_file({"weight": torch.zeros(2)}, partial / "model.safetensors")
with atomic(Path(sys.argv[1]) / "one.safetensors") as partial:
    save_file({"weight": torch.zeros(2)}, partial)
"""
    subprocess.run([sys.executable, "-c", script, tmp_path], check=True, umask=0o002)
    for path in ("student/model.safetensors", "one.safetensors"):
        assert stat.S_IMODE((tmp_path / path).stat().st_mode) == 0o664
    assert stat.S_IMODE((tmp_path / "student").stat().st_mode) == 0o775


def test_what_a_killed_process_left_is_removed_and_no_more(tmp_path: Path) -> None:
    """Else each job that is killed for its memory would leave another half store on the disk."""
    target = tmp_path / "store[1].h5"
    script = """
import os, sys
from comodo.storage.files import atomic
with atomic(sys.argv[1]) as partial:
    partial.write_text("half")
    if len(sys.argv) > 2:
        sys.stdin.read()
    os._exit(9)
"""
    subprocess.run([sys.executable, "-c", script, target], check=False)
    living = subprocess.Popen([sys.executable, "-c", script, target, "wait"], stdin=subprocess.PIPE)
    while not (mine := list(tmp_path.glob(f".partial-*-{living.pid}-*"))):
        assert living.poll() is None
    with atomic(target) as partial:
        partial.write_text("whole")
    assert sorted(tmp_path.iterdir()) == sorted([target, *mine])
    living.communicate()
    with atomic(target) as partial:
        partial.write_text("whole")
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, os.mkfifo, lambda path: path.symlink_to("nowhere")])
@pytest.mark.parametrize(
    "owner", ["abc", "", "0", "-1", "01", " 7", "²", "٣", "1_0", "9" * 30, "4194304.5", "7-", "x\n7"]
)
def test_names_that_no_process_gave_stop_nothing_and_stay(
    tmp_path: Path, owner: str, make: Callable[[Path], object]
) -> None:
    foreign = tmp_path / f"{PARTIAL}{owner}-store.h5"
    make(foreign)
    with atomic(tmp_path / "store.h5") as partial:
        partial.write_text("whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([foreign.name, "store.h5"])


@pytest.mark.parametrize(
    "make", [Path.touch, full_folder, os.mkfifo, lambda path: path.symlink_to("store.h5")]
)
def test_whatever_a_dead_process_left_is_removed(tmp_path: Path, make: Callable[[Path], object]) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    make(tmp_path / f"{PARTIAL}{dead.pid}-store.h5")
    other = tmp_path / f"{PARTIAL}{dead.pid}-2-store.h5"  # of a file `2-store.h5`
    other.touch()
    make(tmp_path / f"{PARTIAL}{os.getpid()}-store.h5")  # of a dead one that had this process's number
    with atomic(tmp_path / "store.h5") as partial:
        partial.write_text("whole")
    assert sorted(tmp_path.iterdir()) == sorted([other, tmp_path / "store.h5"])


def test_a_leftover_that_cannot_be_removed_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = tmp_path / f"{PARTIAL}{dead.pid}-store.h5"
    left.mkdir()
    monkeypatch.setattr(shutil, "rmtree", refuse)
    with atomic(tmp_path / "store.h5") as partial:
        partial.write_text("whole")
    assert sorted(tmp_path.iterdir()) == sorted([left, tmp_path / "store.h5"])


def test_a_folder_further_up_that_must_not_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = os.mkdir
    monkeypatch.setattr(
        os, "mkdir", lambda path, *mode: (refuse if path == tmp_path / "a" else make)(path, *mode)
    )
    with (
        pytest.raises(WriteError, match=r"x\.json cannot be written \(Permission denied\): make its folder"),
        atomic(tmp_path / "a/b/c/x.json"),
    ):
        pass


def test_what_another_machine_left_stays_for_it(tmp_path: Path) -> None:
    """On a shared disk: a process of that number may well live there."""
    target = tmp_path / "store.h5"
    script = """
import os, platform, sys
platform.node = lambda: "another"
from comodo.storage.files import atomic
with atomic(sys.argv[1]) as partial:
    partial.write_text("half")
    if len(sys.argv) > 2:
        os._exit(9)
"""
    subprocess.run([sys.executable, "-c", script, target, "die"], check=False)
    (theirs,) = tmp_path.iterdir()
    with atomic(target) as partial:
        partial.write_text("whole")
    assert sorted(tmp_path.iterdir()) == sorted([target, theirs])
    subprocess.run([sys.executable, "-c", script, target], check=True)
    assert list(tmp_path.iterdir()) == [target]


def test_a_process_of_another_user_counts_as_living(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, number: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    theirs = tmp_path / f"{PARTIAL}1-store.h5"
    theirs.write_text("half")
    monkeypatch.setattr(os, "kill", refuse)
    with atomic(tmp_path / "store.h5") as partial:
        partial.write_text("whole")
    assert theirs.read_text() == "half"


@pytest.mark.parametrize("where", ["", "model.safetensors", ".."])
def test_permission_that_lacks_is_told_of_the_file_itself(tmp_path: Path, where: str) -> None:
    """Of the file, of one within the folder, of the folder around it: whoever runs this, also root."""
    with (
        pytest.raises(
            WriteError, match=r"a cannot be written \(Permission denied\): make its folder writable"
        ),
        atomic(tmp_path / "a") as partial,
    ):
        raise PermissionError(errno.EACCES, "Permission denied", os.path.normpath(partial / where))


@pytest.mark.parametrize("text", ["NaN", '{"a": [Infinity]}', b'{"a": -Infinity}', "{", ""])
def test_json_has_no_nan(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"is no number|Expecting"):
        strict_json(text)
    assert strict_json(b'{"a": [1.5, null]}') == {"a": [1.5, None]}
