"""The training loop: the published trace, the plan of batches, and resuming to the bit.

Run as a script, this file trains until it kills itself (see `test_a_killed_run`).
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from comodo.config import ExperimentSettings
from comodo.distill.loop import train_distillation
from comodo.distill.schedule import TrainingError, learning_rate, schedule_steps, shuffled_batches
from comodo.jobs.versions import VERSIONS
from comodo.models.heads import ProjectionHead, new_head
from comodo.models.student import Student
from comodo.models.students import load_student, new_student
from comodo.objectives.comodo import ComodoLoss
from comodo.objectives.queue import initial_queue_indices

CLIPS, QUEUE, WIDTH = 30, 8, 4
MANTIS = {
    "seq_len": 32, "hidden_dim": 8, "num_patches": 4, "hidden_dim_scalar_enc": 2,
    "transf_depth": 1, "transf_num_heads": 2, "transf_mlp_dim": 8, "transf_dim_head": 4, "transf_dropout": 0.3,
}  # fmt: skip


class Windows:
    """IMU windows that remember when they were read."""

    def __init__(self, data: NDArray[np.float32]) -> None:
        self.data = data
        self.reads: list[int] = []

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        self.reads.append(index)
        return self.data[index]


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """These models are so small that threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Stop(Exception):
    """Ends a run from within, as a crash would."""


def settings(**changes: Any) -> ExperimentSettings:
    given = {"queue_size": QUEUE, "epochs": 3, "batch_size": 8, "projection_dim": WIDTH, **changes}
    return ExperimentSettings(dataset="d", teacher="t", student="s", **given)


class Run:
    """A small training, always from the same start."""

    def __init__(self, clips: int = CLIPS, **changes: Any) -> None:
        self.settings = settings(**changes)
        rng = np.random.default_rng(0)
        self.windows = Windows(rng.standard_normal((clips, 6, 40)).astype(np.float32))
        self.teacher = F.normalize(
            torch.from_numpy(rng.standard_normal((clips, WIDTH)).astype(np.float32)), dim=1
        )
        self.student = new_student("mantis", MANTIS, seed=5)
        self.head = new_head(self.student.dim, 16, WIDTH, seed=5, name="student")
        self.withheld = initial_queue_indices(clips, self.settings.queue_size)
        self.objective = ComodoLoss(self.teacher[self.withheld])
        self.steps: list[tuple[int, float, float]] = []
        self.names = [f"clip {number}" for number in range(clips)]

    def train(self, seed: int = 42, stop_at: int | None = None, **given: Any) -> list[dict[str, float]]:
        def on_step(step: int, loss: float, rate: float) -> None:
            if step == stop_at:
                raise Stop
            self.steps.append((step, loss, rate))

        return train_distillation(
            self.student, self.head, self.objective, self.windows, self.teacher, self.settings, seed,
            **{"withheld": self.withheld, "on_step": on_step, "progress": False, "names": self.names, **given},
        )  # fmt: skip

    def weights(self) -> dict[str, torch.Tensor]:
        parts = (self.student, self.head, self.objective)
        return {
            f"{i}.{name}": value.clone()
            for i, part in enumerate(parts)
            for name, value in part.state_dict().items()
        }


def same(first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(scope="module")
def undisturbed() -> Run:
    run = Run()
    run.history = run.train()  # type: ignore[attr-defined]
    return run


@pytest.mark.parametrize("fast", [{"precision": "bfloat16"}, {"compile": True}])
def test_faster_steps_learn_nearly_the_same(fast: dict[str, Any]) -> None:
    if "compile" in fast and shutil.which("g++") is None:
        pytest.skip("torch.compile needs a C++ compiler")
    runs = [Run(), Run(**fast)]
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


# ------------------------------------------------------------------------------------------------- published numbers


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
    train_distillation(
        student, head, objective, trace["imu"], teacher, own, 42,
        withheld=indices, batches=batches, on_step=lambda *step: steps.append(step), progress=False,
    )  # fmt: skip
    number, losses, rates = (np.array(column) for column in zip(*steps, strict=True))
    assert number.tolist() == list(range(16))
    np.testing.assert_allclose(losses, trace["losses"], atol=1e-4)
    np.testing.assert_allclose(rates, trace["lr"], rtol=1e-12)
    np.testing.assert_array_equal(objective.queue, trace["final_queue"])

    with torch.no_grad():
        features = student(torch.from_numpy(trace["imu"][:16]))
        projection = head(features)
    # A shift of all features alike has no gradient (the head normalises it away), and Adam makes steps of full length
    # out of its rounding errors: 3e-3 between float32 and float64, between one and two threads. All else is exact.
    off = features.numpy() - trace["final_features"]
    np.testing.assert_allclose(off - off.mean(axis=0), 0, atol=1e-5)
    assert np.abs(off).max() < sum(rates) + 1e-5
    unit, expected = (
        F.normalize(features, dim=1),
        F.normalize(torch.from_numpy(trace["final_features"]), dim=1),
    )
    np.testing.assert_allclose(unit, expected, atol=1e-3)
    np.testing.assert_allclose(projection, trace["final_projection"], atol=5e-3)


def test_published_schedule(golden: Path) -> None:
    for case in json.loads((golden / "reference_lr_schedule.json").read_text()):
        own = settings(
            schedule="reference",
            queue_size=case["queue_size"],
            epochs=case["epochs"],
            batch_size=case["batch_size"],
        )
        clips = np.arange(case["train_samples"])
        plan = [
            shuffled_batches(clips[case["queue_size"] :] if epoch == 0 else clips, own.batch_size, 0, epoch)
            for epoch in range(own.epochs)
        ]
        total = schedule_steps(plan, own)
        assert total == case["schedule_total_steps"]
        assert int(0.1 * total) == case["warmup_steps"]
        steps = sum(map(len, plan))
        assert steps == case["optimizer_steps"]
        np.testing.assert_allclose(
            [learning_rate(i, total, 3e-4) for i in range(steps)], case["lr"], rtol=1e-12
        )


def test_default_schedule_covers_the_true_steps(undisturbed: Run) -> None:
    rates = [rate for _, _, rate in undisturbed.steps]
    total = 3 + 4 + 4  # 22, 30 and 30 clips in batches of 8
    assert len(rates) == total
    assert rates == [learning_rate(step, total, 3e-4) for step in range(total)]
    assert max(rates) == 3e-4
    assert rates[-1] == pytest.approx(3e-4 / (total - 1))


# --------------------------------------------------------------------------------------------------- plan of batches


@pytest.mark.parametrize(
    ("clips", "sizes"), [(16, [8, 8]), (19, [8, 8, 3]), (17, [8, 9]), (9, [9]), (3, [3])]
)
def test_each_clip_is_in_one_batch_and_no_batch_has_one_clip(clips: int, sizes: list[int]) -> None:
    batches = shuffled_batches(np.arange(100, 100 + clips), 8, seed=1, epoch=0)
    assert [len(batch) for batch in batches] == sizes
    assert sorted(np.concatenate(batches)) == list(range(100, 100 + clips))


def test_order_depends_on_seed_and_epoch_only() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return np.concatenate(shuffled_batches(np.arange(40), 8, seed, epoch)).tolist()

    first = order(1, 0)
    torch.manual_seed(123)
    assert order(1, 0) == first
    assert order(1, 1) != first
    assert order(2, 0) != first
    assert first != sorted(first)


def test_queue_clips_are_withheld_from_epoch_0_only() -> None:
    run = Run()
    run.train()
    first, later = run.windows.reads[: CLIPS - QUEUE], run.windows.reads[CLIPS - QUEUE :]
    assert sorted(first) == sorted(set(range(CLIPS)) - set(run.withheld.tolist()))
    assert sorted(later) == sorted(2 * list(range(CLIPS)))


def test_batches_may_be_given() -> None:
    run = Run(batch_size=2)
    run.train(batches=[[[3, 1], [4, 1, 5]], [[9, 2]]], withheld=())
    assert run.windows.reads == [3, 1, 4, 1, 5, 9, 2]
    with pytest.raises(TrainingError, match="two clips or more"):
        run.train(batches=[[[3, 1], [4]]])


# ------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("queue_size", [30, 29])
def test_a_queue_of_all_clips_is_refused_before_a_window_is_read(queue_size: int) -> None:
    run = Run(queue_size=queue_size)
    with pytest.raises(
        TrainingError, match=f"queue_size is {queue_size}, but there are only 30 train clips.* 28 at most"
    ):
        run.train()
    assert run.windows.reads == []


def test_targets_must_be_unit_and_as_many_as_windows() -> None:
    run = Run()
    run.teacher = run.teacher * 2
    with pytest.raises(TrainingError, match="unit length"):
        run.train()
    run.teacher = F.normalize(run.teacher)[:-1]
    with pytest.raises(TrainingError, match="30 IMU windows and 29 targets"):
        run.train()


def test_a_window_that_is_not_finite_is_named() -> None:
    run = Run()
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

    run = Run()
    run.objective = Broken(run.teacher[run.withheld])
    with pytest.raises(
        TrainingError, match=r"the loss is nan at step 4 \(epoch 1\), on train clips clip \d+, clip"
    ) as error:
        run.train()
    clips = shuffled_batches(np.arange(CLIPS), 8, seed=42, epoch=1)[1].tolist()
    assert ", ".join(f"clip {clip}" for clip in clips) + ":" in str(error.value)
    assert [step for step, _, _ in run.steps] == [0, 1, 2, 3]


# ------------------------------------------------------------------------------------------------- what comes out


def test_history_and_callback() -> None:
    seen = []

    def on_epoch(epoch: int, student: Student, head: nn.Module) -> dict[str, float]:
        seen.append((epoch, student.training, head.training, torch.is_grad_enabled()))
        student.train()  # must not matter
        return {"zero_shot": np.float64(epoch / 10)}

    run = Run()
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

    run, modes = Run(), []
    run.train(on_epoch=on_epoch, on_step=lambda *_: modes.append((run.student.training, run.head.training)))
    assert modes == 11 * [(True, True)]


def test_same_seed_same_bits_other_seed_other_weights(undisturbed: Run) -> None:
    again, other = Run(), Run()
    torch.manual_seed(99)  # what the process did before must not matter
    state = torch.get_rng_state()
    again.train()
    assert torch.equal(torch.get_rng_state(), state)
    other.train(seed=43)
    assert same(again.weights(), undisturbed.weights())
    assert not same(other.weights(), undisturbed.weights())


def test_the_student_learns_what_the_teacher_sees() -> None:
    run = Run(clips=64, epochs=30, learning_rate=1e-2)
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


# --------------------------------------------------------------------------------------------------------- resuming


@pytest.mark.parametrize("stop_at", [1, 3, 6, 10])
def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path: Path, undisturbed: Run, stop_at: int) -> None:
    stopped = Run()
    with pytest.raises(Stop):
        stopped.train(stop_at=stop_at, state_dir=tmp_path, state_every_steps=2)
    resumed = Run()
    torch.manual_seed(stop_at)
    history = resumed.train(state_dir=tmp_path, state_every_steps=2)
    assert same(resumed.weights(), undisturbed.weights())
    assert resumed.steps == undisturbed.steps[-len(resumed.steps) :]
    assert len(resumed.steps) < len(undisturbed.steps) or stop_at == 1
    for row, expected in zip(history, undisturbed.history, strict=True):  # type: ignore[attr-defined]
        assert {**row, "seconds": 0} == {**expected, "seconds": 0}


def test_a_run_stopped_in_its_callback(tmp_path: Path, undisturbed: Run) -> None:
    def on_epoch(epoch: int, student: Student, head: nn.Module) -> dict[str, float]:
        if epoch == 1:
            raise Stop
        return {}

    with pytest.raises(Stop):
        Run().train(on_epoch=on_epoch, state_dir=tmp_path)
    resumed = Run()
    resumed.train(state_dir=tmp_path)
    assert [step for step, _, _ in resumed.steps] == list(range(3, 11))  # epoch 1 again, epoch 0 not
    assert same(resumed.weights(), undisturbed.weights())


def test_a_killed_run(tmp_path: Path, undisturbed: Run) -> None:
    source = Path(__file__).parents[3] / "src"
    environment = {**os.environ, "PYTHONPATH": f"{source}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    killed = subprocess.run([sys.executable, __file__, tmp_path, "8"], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    resumed = Run()
    resumed.train(state_dir=tmp_path, state_every_steps=2)
    assert resumed.steps[0][0] == 8
    assert same(resumed.weights(), undisturbed.weights())


def test_a_finished_run_is_not_trained_again(tmp_path: Path, undisturbed: Run) -> None:
    Run().train(state_dir=tmp_path)
    again = Run()
    history = again.train(state_dir=tmp_path)
    assert again.steps == []
    assert len(history) == 3
    assert same(again.weights(), undisturbed.weights())


def test_two_states_are_kept_and_no_leftovers(tmp_path: Path) -> None:
    (tmp_path / ".partial-1-state-000000004.pt").write_bytes(b"half")
    Run().train(state_dir=tmp_path, state_every_steps=2)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["state-000000010.pt", "state-000000011.pt"]


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "text"])
def test_a_broken_state_falls_back_to_the_one_before(
    tmp_path: Path, undisturbed: Run, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Stop):
        Run().train(stop_at=9, state_dir=tmp_path, state_every_steps=2)
    older, newest = sorted(tmp_path.iterdir())
    content = bytearray(newest.read_bytes())
    if damage == "flip":  # one bit of a weight, which torch itself would not notice
        weights = torch.load(newest, weights_only=True)["head"]["0.weight"]
        content[content.index(weights.numpy().tobytes()) + 100] ^= 1
    newest.write_bytes({"cut": content[:-500], "flip": content, "empty": b"", "text": b"state"}[damage])
    resumed = Run()
    resumed.train(state_dir=tmp_path, state_every_steps=2)
    assert resumed.steps[0][0] == int(older.stem.removeprefix("state-"))
    assert f"{newest} is not resumed: it is broken" in caplog.text
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
    def changed() -> tuple[Run, dict[str, Any]]:
        own = {name: value for name, value in change.items() if name in ExperimentSettings.model_fields}
        given = {"made_from": {"clip table": "this"}, **change}
        run = Run(**{name: value for name, value in own.items() if name not in ("teacher", "student")})
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
        Run().train(stop_at=6, state_dir=tmp_path, state_every_steps=2, made_from={"clip table": "this"})
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
    Run().train(state_dir=tmp_path)
    run = Run(eval_datasets=("d", "e"))
    run.train(state_dir=tmp_path)
    assert run.steps == []


if __name__ == "__main__":
    folder, last = sys.argv[1:]
    torch.set_num_threads(1)

    def kill(step: int, loss: float, rate: float) -> None:
        if step == int(last):
            os.kill(os.getpid(), signal.SIGKILL)

    Run().train(state_dir=Path(folder), state_every_steps=2, on_step=kill)
