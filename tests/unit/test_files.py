from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from comodo.files import atomic, write_json


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
    script = """
import sys, torch
from pathlib import Path
from safetensors.torch import save_file
from comodo.files import atomic
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
from comodo.files import atomic
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
