"""`comodo.run`: targets of the workflow from Python."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import comodo
from comodo.errors import CommandError
from tests.support.project import tiny_config

pytestmark = pytest.mark.workflow


def test_a_target_runs_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    comodo.run(tiny_config(), "prepared", cores=2)
    assert (tmp_path / "results/tiny/clips.parquet").is_file()
    assert not (tmp_path / "results/experiments").exists()
    capfd.readouterr()
    comodo.run(tiny_config(), "prepared", cores=2)
    assert "Nothing to be done" in capfd.readouterr().err


def test_a_run_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError, match="the run ended with status 1"):
        comodo.run(tiny_config(), "nowhere.txt", cores=1)


def test_a_run_in_another_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a notebook server: signals are left alone."""
    monkeypatch.chdir(tmp_path)
    faults: list[BaseException] = []

    def target() -> None:
        try:
            comodo.run(tiny_config(), "prepared", cores=1, dry_run=True)
        except BaseException as error:
            faults.append(error)

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    assert faults == []
