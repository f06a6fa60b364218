"""A training that goes on with other threads loses nothing, and says what differs."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from comodo.objectives import ComodoLoss
from tests.support.training import SmallRun, Stop


def stopped(folder: Path) -> None:
    with pytest.raises(Stop):
        SmallRun().train(stop_at=6, state_dir=folder, state_every_steps=2)


def with_rounded_queue() -> SmallRun:
    """A run whose queue differs in its last bits, as another number of threads makes it."""
    run = SmallRun()
    queue = run.teacher[run.withheld]
    run.objective = ComodoLoss(F.normalize(queue * (1 + 1e-7), dim=1) + 1e-8)
    return run


def test_other_threads_go_on_and_say_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, undisturbed: SmallRun
) -> None:
    stopped(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        run = with_rounded_queue()
        with caplog.at_level(logging.WARNING):
            run.train(state_dir=tmp_path)
    finally:
        torch.set_num_threads(threads)
    assert run.steps[0][0] == 6  # not one step is lost
    assert f"was made with threads {threads}, now {threads + 1}" in caplog.text
    for name, value in undisturbed.weights().items():
        np.testing.assert_allclose(run.weights()[name], value, atol=1e-3)


def test_the_same_threads_and_another_queue_are_another_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stopped(tmp_path)
    run = with_rounded_queue()
    run.train(state_dir=tmp_path)
    assert run.steps[0][0] == 0
    assert "another objective's start weights" in caplog.text


def test_other_settings_are_refused_whatever_the_threads(tmp_path: Path) -> None:
    stopped(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        run = SmallRun(learning_rate=1e-3)
        run.train(state_dir=tmp_path)
    finally:
        torch.set_num_threads(threads)
    assert run.steps[0][0] == 0


def test_a_state_without_threads_is_resumed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Those of the first version."""
    stopped(tmp_path)
    for path in tmp_path.iterdir():
        state = torch.load(path, weights_only=True)
        del state["made_with"]
        torch.save(state, path)
    run = SmallRun()
    run.train(state_dir=tmp_path)
    assert run.steps[0][0] == 6
    assert "was made with" not in caplog.text
