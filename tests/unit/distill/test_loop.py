"""The training loop: the published trace, bad input, and what comes out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from comodo.distill.loop import Run, train_distillation
from comodo.distill.schedule import shuffled_batches
from comodo.errors import TrainingError
from comodo.models.base import Student
from comodo.models.heads import ProjectionHead
from comodo.models.students import load_student
from comodo.objectives import ComodoLoss, Lesson
from comodo.objectives.queue import initial_queue_indices
from tests.support.training import CLIPS, WIDTH, SmallRun, same, settings


def test_published_trace(golden: Path) -> None:
    trace = np.load(golden / "train_trace.npz")
    teacher = torch.from_numpy(trace["teacher"])
    student = load_student(golden / "ckpt" / "paris-noah-Mantis-tiny-nodropout")
    head = ProjectionHead(192, 32, 16)
    prefix = "mlp_init."
    head.load_state_dict(
        {k.removeprefix(prefix): torch.from_numpy(trace[k]) for k in trace if k.startswith(prefix)}
    )
    indices = initial_queue_indices(96, 32)
    assert indices.tolist() == trace["queue_indices"].tolist()
    objective = ComodoLoss(teacher[indices])
    batches = [[row[row >= 0] for row in rows] for rows in np.split(trace["batches"], [4, 10])]
    own = settings(queue_size=32, batch_size=16, schedule="reference")
    steps: list[tuple[int, float, float]] = []
    lesson = Lesson(teacher, {"student": head}, "student", objective, withheld=indices)
    run = Run(batches=batches, on_step=lambda *step: steps.append(step), progress=False)
    train_distillation(student, lesson, trace["imu"], own, run)
    number, losses, rates = (np.array(column) for column in zip(*steps, strict=True))
    assert number.tolist() == list(range(16))
    np.testing.assert_allclose(losses, trace["losses"], atol=1e-4)
    np.testing.assert_allclose(rates, trace["lr"], rtol=1e-12)
    np.testing.assert_array_equal(objective.queue, trace["final_queue"])

    with torch.no_grad():
        features = student(torch.from_numpy(trace["imu"][:16]))
        projection = head(features)
    # A shift of all features alike has no gradient (the head normalises it away), and Adam makes steps of full length
    # out of its rounding errors: 3e-3 between float32 and float64, between one and two threads, or two processors.
    # All else is exact.
    off = features.numpy() - trace["final_features"]
    np.testing.assert_allclose(off - off.mean(axis=0), 0, atol=1e-5)
    assert np.abs(off).max() < 2 * sum(rates)  # at most both biases without a gradient go the wrong way
    unit, expected = (
        F.normalize(features, dim=1),
        F.normalize(torch.from_numpy(trace["final_features"]), dim=1),
    )
    np.testing.assert_allclose(unit, expected, atol=1e-3)
    np.testing.assert_allclose(projection, trace["final_projection"], atol=5e-3)


def test_batches_may_be_given() -> None:
    run = SmallRun(batch_size=2)
    run.train(batches=[[[3, 1], [4, 1, 5]], [[9, 2]]], withheld=())
    assert run.windows.reads == [3, 1, 4, 1, 5, 9, 2]
    with pytest.raises(TrainingError, match="two clips or more"):
        run.train(batches=[[[3, 1], [4]]])


@pytest.mark.parametrize("queue_size", [30, 29])
def test_a_queue_of_all_clips_is_refused_before_a_window_is_read(queue_size: int) -> None:
    run = SmallRun(queue_size=queue_size)
    with pytest.raises(
        TrainingError, match=f"queue_size is {queue_size}, but there are only 30 train clips.* 28 at most"
    ):
        run.train()
    assert run.windows.reads == []


def test_targets_must_be_unit_and_as_many_as_windows() -> None:
    run = SmallRun()
    run.teacher = run.teacher * 2
    with pytest.raises(TrainingError, match="unit length"):
        run.train()
    run.teacher = F.normalize(run.teacher)[:-1]
    with pytest.raises(TrainingError, match="30 IMU windows and 29 targets"):
        run.train()


def test_a_window_that_is_not_finite_is_named() -> None:
    run = SmallRun()
    clip = next(i for i in range(CLIPS) if i not in run.withheld)
    run.windows.data[clip, 2, 7] = np.nan
    with pytest.raises(TrainingError, match=rf"train clips clip {clip} hold values that are not finite"):
        run.train()


def test_a_loss_that_is_not_finite_names_step_and_clips() -> None:
    class Broken(ComodoLoss):
        calls = 0

        def forward(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            loss: torch.Tensor = super().forward(student, teacher)
            return loss * (float("nan") if self.calls == 5 else 1)

    run = SmallRun()
    run.objective = Broken(run.teacher[run.withheld])
    with pytest.raises(
        TrainingError, match=r"the loss is nan at step 4 \(epoch 1\), on train clips clip \d+, clip"
    ) as error:
        run.train()
    clips = shuffled_batches(np.arange(CLIPS), 8, seed=42, epoch=1)[1].tolist()
    assert ", ".join(f"clip {clip}" for clip in clips) + ":" in str(error.value)
    assert [step for step, _, _ in run.steps] == [0, 1, 2, 3]


def test_history_and_callback() -> None:
    seen = []

    def on_epoch(epoch: int, student: Student, head: nn.Module) -> dict[str, float]:
        seen.append((epoch, student.training, head.training, torch.is_grad_enabled()))
        student.train()  # must not matter
        return {"zero_shot": np.float64(epoch / 10)}

    run = SmallRun()
    history = run.train(on_epoch=on_epoch)
    losses = [loss for _, loss, _ in run.steps]
    assert seen == [(epoch, False, False, False) for epoch in range(3)]
    assert [row["epoch"] for row in history] == [0, 1, 2]
    assert [row["zero_shot"] for row in history] == [0.0, 0.1, 0.2]
    assert [row["loss"] for row in history] == pytest.approx(
        [np.mean(losses[:3]), np.mean(losses[3:7]), np.mean(losses[7:])]
    )
    assert [row["lr"] for row in history] == [run.steps[i][2] for i in (2, 6, 10)]
    assert all(row["seconds"] > 0 for row in history)
    assert not run.student.training
    assert not run.head.training
    json.dumps(history)


def test_both_models_are_in_train_mode_at_each_step_whatever_the_callback_does() -> None:
    def on_epoch(epoch: int, student: Student, head: nn.Module) -> dict[str, float]:
        student.eval()
        head.eval()
        return {}

    run, modes = SmallRun(), []
    run.train(on_epoch=on_epoch, on_step=lambda *_: modes.append((run.student.training, run.head.training)))
    assert modes == 11 * [(True, True)]


def test_same_seed_same_bits_other_seed_other_weights(undisturbed: SmallRun) -> None:
    again, other = SmallRun(), SmallRun()
    torch.manual_seed(99)  # what the process did before must not matter
    state = torch.get_rng_state()
    again.train()
    assert torch.equal(torch.get_rng_state(), state)
    other.train(seed=43)
    assert same(again.weights(), undisturbed.weights())
    assert not same(other.weights(), undisturbed.weights())


def test_the_student_learns_what_the_teacher_sees() -> None:
    run = SmallRun(clips=64, epochs=30, learning_rate=1e-2)
    kinds = np.arange(64) % 4
    turns = np.sin((1 + 2 * kinds)[:, None] * np.linspace(0, 6, 40)) * 5
    run.windows.data = run.windows.data * 0.1 + turns[:, None].astype(np.float32)
    run.teacher = torch.eye(WIDTH)[kinds]
    run.objective = ComodoLoss(run.teacher[run.withheld])

    def right() -> float:
        with torch.no_grad():
            seen = run.head.eval()(run.student.eval()(torch.from_numpy(run.windows.data)))
        return float((seen.argmax(dim=1) == torch.from_numpy(kinds)).float().mean())

    before = right()
    history = run.train()
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]
    assert before < 0.6
    assert right() > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("fast", [{"precision": "bfloat16"}, {"compile": True}])
def test_faster_steps_learn_nearly_the_same(fast: dict[str, Any]) -> None:
    if "compile" in fast and shutil.which("g++") is None:
        pytest.skip("torch.compile needs a C++ compiler")
    runs = [SmallRun(), SmallRun(**fast)]
    for run in runs:
        for module in run.student.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0  # compiled code draws other numbers
    exact, found = ([row["loss"] for row in run.train()] for run in runs)
    np.testing.assert_allclose(found, exact, rtol=0.03)
    assert found != exact
    weights = runs[1].weights()
    assert all(value.dtype != torch.bfloat16 for value in weights.values())
    assert weights.keys() == runs[0].weights().keys()
