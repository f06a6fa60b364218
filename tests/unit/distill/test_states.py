"""Resuming a training to the bit."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from comodo.config import ExperimentSettings
from comodo.jobs.versions import VERSIONS
from comodo.models.base import Student
from comodo.models.heads import new_head
from comodo.models.students import new_student
from comodo.objectives import ComodoLoss
from tests.support.project import ROOT
from tests.support.training import MANTIS, WIDTH, SmallRun, Stop, same


@pytest.mark.parametrize("stop_at", [1, 3, 6, 10])
def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path: Path, undisturbed: SmallRun, stop_at: int) -> None:
    stopped = SmallRun()
    with pytest.raises(Stop):
        stopped.train(stop_at=stop_at, state_dir=tmp_path, state_every_steps=2)
    resumed = SmallRun()
    torch.manual_seed(stop_at)
    history = resumed.train(state_dir=tmp_path, state_every_steps=2)
    assert same(resumed.weights(), undisturbed.weights())
    assert resumed.steps == undisturbed.steps[-len(resumed.steps) :]
    assert len(resumed.steps) < len(undisturbed.steps) or stop_at == 1
    for row, expected in zip(history, undisturbed.history, strict=True):  # type: ignore[attr-defined]
        assert {**row, "seconds": 0} == {**expected, "seconds": 0}


def test_a_run_stopped_in_its_callback(tmp_path: Path, undisturbed: SmallRun) -> None:
    def on_epoch(epoch: int, student: Student, head: nn.Module) -> dict[str, float]:
        if epoch == 1:
            raise Stop
        return {}

    with pytest.raises(Stop):
        SmallRun().train(on_epoch=on_epoch, state_dir=tmp_path)
    resumed = SmallRun()
    resumed.train(state_dir=tmp_path)
    assert [step for step, _, _ in resumed.steps] == list(range(3, 11))  # epoch 1 again, epoch 0 not
    assert same(resumed.weights(), undisturbed.weights())


def test_a_killed_run(tmp_path: Path, undisturbed: SmallRun) -> None:
    paths = os.pathsep.join([str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "tests.support.training", tmp_path, "8"]
    killed = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, check=False)
    assert killed.returncode == -signal.SIGKILL
    resumed = SmallRun()
    resumed.train(state_dir=tmp_path, state_every_steps=2)
    assert resumed.steps[0][0] == 8
    assert same(resumed.weights(), undisturbed.weights())


def test_a_finished_run_is_not_trained_again(tmp_path: Path, undisturbed: SmallRun) -> None:
    SmallRun().train(state_dir=tmp_path)
    again = SmallRun()
    history = again.train(state_dir=tmp_path)
    assert again.steps == []
    assert len(history) == 3
    assert same(again.weights(), undisturbed.weights())


def test_two_states_are_kept_and_no_leftovers(tmp_path: Path) -> None:
    (tmp_path / ".partial-1-state-000000004.pt").write_bytes(b"half")
    SmallRun().train(state_dir=tmp_path, state_every_steps=2)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["state-000000010.pt", "state-000000011.pt"]


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "text"])
def test_a_broken_state_falls_back_to_the_one_before(
    tmp_path: Path, undisturbed: SmallRun, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Stop):
        SmallRun().train(stop_at=9, state_dir=tmp_path, state_every_steps=2)
    older, newest = sorted(tmp_path.iterdir())
    content = bytearray(newest.read_bytes())
    if damage == "flip":  # one bit of a weight, which torch itself would not notice
        weights = torch.load(newest, weights_only=True)["head"]["0.weight"]
        content[content.index(weights.numpy().tobytes()) + 100] ^= 1
    newest.write_bytes({"cut": content[:-500], "flip": content, "empty": b"", "text": b"state"}[damage])
    resumed = SmallRun()
    resumed.train(state_dir=tmp_path, state_every_steps=2)
    assert resumed.steps[0][0] == int(older.stem.removeprefix("state-"))
    assert f"{newest} is not resumed: it is damaged" in caplog.text
    assert same(resumed.weights(), undisturbed.weights())


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"learning_rate": 1e-3}, "learning_rate"),
        ({"student_temperature": 0.5}, "student_temperature"),
        ({"seed": 7}, "seed"),
        ({"made_from": {"clip table": "other"}}, "clip table"),
        ({"teacher": -1}, "targets"),
        ({"student": 1}, "student's start weights"),
        ({}, "head's start weights"),
        ({}, "objective's start weights"),
        ({"withheld": [0, 1, 2]}, "batches"),
        ({}, "version"),
    ],
)
def test_a_state_of_something_else_is_refused_and_named(
    tmp_path: Path,
    change: dict[str, Any],
    key: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def changed() -> tuple[SmallRun, dict[str, Any]]:
        own = {name: value for name, value in change.items() if name in ExperimentSettings.model_fields}
        given = {"made_from": {"clip table": "this"}, **change}
        run = SmallRun(**{name: value for name, value in own.items() if name not in ("teacher", "student")})
        if key == "targets":
            run.teacher[0] *= -1
        if key == "student's start weights":
            run.student = new_student("mantis", MANTIS, seed=6)
        if key == "head's start weights":
            run.head = new_head(run.student.dim, 16, WIDTH, seed=6, name="student")
        if key == "objective's start weights":
            run.objective = ComodoLoss(run.teacher[run.withheld].flip(0))
        if key == "version":
            monkeypatch.setitem(VERSIONS, "distill", -1)
        return run, {name: given[name] for name in ("seed", "made_from", "withheld") if name in given}

    with pytest.raises(Stop):
        SmallRun().train(stop_at=6, state_dir=tmp_path, state_every_steps=2, made_from={"clip table": "this"})
    fresh, given = changed()
    fresh.train(**given)
    run, given = changed()
    with caplog.at_level(logging.WARNING):
        run.train(state_dir=tmp_path, **given)
    assert "is not resumed: it was made with another" in caplog.text
    assert key in caplog.text
    assert run.steps == fresh.steps
    assert same(run.weights(), fresh.weights())
    again, given = changed()
    again.train(state_dir=tmp_path, **given)  # the refused states are gone, its own are found
    assert again.steps == []


def test_evaluating_elsewhere_is_no_other_training(tmp_path: Path) -> None:
    SmallRun().train(state_dir=tmp_path)
    run = SmallRun(eval_datasets=("d", "e"))
    run.train(state_dir=tmp_path)
    assert run.steps == []
