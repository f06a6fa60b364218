"""Training loop of distillation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from tqdm.auto import tqdm

from comodo.clips.imu_windows import Windows
from comodo.clips.sampling import Indices
from comodo.config import ExperimentSettings
from comodo.distill.schedule import given_plan, learning_rate, schedule_steps, shuffled_plan
from comodo.distill.states import Position, Row, States, identity_of
from comodo.errors import TrainingError
from comodo.jobs.devices import autocast, send
from comodo.models.seeds import named_seed
from comodo.models.students import Student
from comodo.objectives.lesson import Lesson
from comodo.objectives.targets import Targets

_Batch = tuple[Indices, Tensor, Tensor | None, Tensor]  # clips, windows, mask, targets


@dataclass(frozen=True)
class Run:
    """Options of a training run that are not part of the experiment.

    Attributes:
        seed: seed of shuffling and dropout.
        device: a torch device.
        batches: indices of train windows, per epoch and batch. None: shuffled batches.
        on_epoch: callback after each epoch, called with (epoch, student, head), both in eval mode. Its result is added
            to the history.
        on_step: callback after each step, called with (step from 0, loss, learning rate).
        state_dir: folder of the resumable state. If it holds a matching state, training resumes from it.
        state_every_steps: steps between two states. A state is also written after each epoch.
        made_from: names and digests of the caller's inputs, such as the clip table. A state is resumed only if they
            match.
        progress: show a progress bar.
    """

    seed: int = 42
    device: str = "cpu"
    batches: Sequence[Sequence[ArrayLike]] | None = None
    on_epoch: Callable[[int, Student, nn.Module], Mapping[str, float]] | None = None
    on_step: Callable[[int, float, float], None] | None = None
    state_dir: Path | None = None
    state_every_steps: int = 500
    made_from: Mapping[str, str] = field(default_factory=dict)
    progress: bool = True


def train_distillation(
    student: Student, lesson: Lesson, windows: Windows, settings: ExperimentSettings, run: Run | None = None
) -> list[Row]:
    """Train a student and the head of its lesson in place, and set both to eval mode.

    Args:
        student: the IMU encoder.
        lesson: targets, head, loss and withheld windows of an objective.
        windows: IMU windows of the n train clips, read batch by batch.
        settings: the experiment. Used here: epochs, batch_size, learning_rate, schedule, queue_size, precision and
            compile. A state is resumed only if all settings match.
        run: seed, device, callbacks and resumable state. Default: `Run()`.

    Returns:
        The history: for each epoch its number, mean loss, last learning rate, seconds, and the result of `on_epoch`.

    Raises:
        TrainingError: if clips and settings do not fit each other, or if a window or a loss is not finite.
    """
    run = run or Run()
    if lesson.loss is None:
        raise TrainingError("the lesson has no loss: there is nothing to train")
    targets, device = lesson.targets, run.device
    _check(windows, targets, lesson.withheld, settings)
    if run.batches is not None:
        plan = given_plan(run.batches)
    else:
        plan = shuffled_plan(len(targets), lesson.withheld, settings, run.seed)
    schedule = schedule_steps(plan, settings)
    student, head, objective = student.to(device), lesson.head.to(device), lesson.loss.to(device)
    parameters = [*student.parameters(), *head.parameters(), *objective.parameters()]
    forward = torch.compile(student) if settings.compile else student
    optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate)
    parts: dict[str, Any] = {"student": student, "head": head, "objective": objective, "optimizer": optimizer}
    states = None
    if run.state_dir:
        identity = identity_of(parts, targets, plan, settings, run.seed, run.made_from)
        states = States(run.state_dir, identity)

    def named(clips: Iterable[int]) -> str:
        return ", ".join(map(lesson.named, clips))

    def load(indices: Indices) -> _Batch:
        found = [np.asarray(windows[int(index)], dtype=np.float32) for index in indices]
        if bad := [i for i, window in zip(indices, found, strict=True) if not np.isfinite(window).all()]:
            raise TrainingError(
                f"the IMU windows of train clips {named(bad)} hold values that are not finite"
            )
        batch, mask = student.collate(found)
        target = targets[torch.from_numpy(indices)]
        return (
            indices,
            send(batch, device),
            None if mask is None else send(mask, device),
            send(target, device),
        )

    with _own_generators(device, named_seed(run.seed, "dropout")):
        at = (states.resume(parts, device) if states else None) or Position()
        bar = tqdm(
            total=sum(map(len, plan)), initial=at.step, desc="distil", unit="step", disable=not run.progress
        )
        for epoch in range(at.epoch, len(plan)):
            student.train()
            head.train()
            began = time.perf_counter() - at.seconds
            for indices, batch, mask, target in _read_ahead(load, plan[epoch][at.batch :]):
                rate = learning_rate(at.step, schedule, settings.learning_rate)
                for group in optimizer.param_groups:
                    group["lr"] = rate
                with autocast(device, settings.precision):
                    projected = head(forward(batch, mask))
                loss = objective(projected.float(), target)
                check_loss(loss)
                value = loss.item()
                if not np.isfinite(value):
                    raise TrainingError(
                        f"the loss is {value} at step {at.step} (epoch {epoch}), on train clips {named(indices)}: "
                        "lower learning_rate, or check these windows"
                    )
                optimizer.zero_grad()
                loss.backward()
                if at.step == 0:
                    check_gradient(student, head)
                optimizer.step()

                at.losses.append(value)
                at.rate = rate
                if run.on_step is not None:
                    run.on_step(at.step, value, rate)
                at.step += 1
                at.batch += 1
                at.seconds = time.perf_counter() - began
                bar.update()
                bar.set_postfix(epoch=epoch, loss=f"{value:.3f}", refresh=False)
                if states and at.step % run.state_every_steps == 0 and at.batch < len(plan[epoch]):
                    states.write(at, parts, device)

            student.eval()
            head.eval()
            row = {"epoch": epoch, "loss": float(np.mean(at.losses)), "lr": at.rate, "seconds": at.seconds}
            if run.on_epoch is not None:
                with torch.no_grad():
                    row |= {
                        name: float(figure) for name, figure in run.on_epoch(epoch, student, head).items()
                    }
            at = Position(step=at.step, epoch=epoch + 1, history=[*at.history, row])
            if states:
                states.write(at, parts, device)
        bar.close()
    student.eval()
    head.eval()
    return at.history


def _check(
    windows: Windows, targets: Targets, withheld: Sequence[int] | Indices, settings: ExperimentSettings
) -> None:
    n = len(targets)
    if len(windows) != n:
        raise TrainingError(f"{len(windows)} IMU windows and {n} targets: their numbers must be equal")
    if n - len(withheld) < 2:
        raise TrainingError(
            f"queue_size is {settings.queue_size}, but there are only {n} train clips, and those in the queue are "
            f"withheld from epoch 0: set queue_size to {max(n - 2, 0)} at most"
        )
    if isinstance(targets, Tensor) and targets.is_floating_point() and targets.ndim > 1:
        lengths = targets.norm(dim=1)
        if not torch.allclose(lengths, torch.ones_like(lengths), atol=1e-3):
            raise TrainingError(
                "teacher embeddings must be finite and of unit length: project them with project_teacher"
            )


def check_loss(loss: object) -> None:
    """Raise `TrainingError` unless the loss is a floating-point scalar with a gradient."""
    if not isinstance(loss, Tensor):
        raise TrainingError(f"the loss is a {type(loss).__name__}; it should be a tensor with one value")
    if loss.numel() != 1:
        raise TrainingError(f"the loss has the shape {tuple(loss.shape)}; it should be a scalar")
    if not loss.is_floating_point():
        raise TrainingError(f"the loss is {loss.dtype}; it should be a float")
    if not loss.requires_grad:
        raise TrainingError("the loss has no gradient: compute it from the student's output")


def check_gradient(student: nn.Module, head: nn.Module) -> None:
    """Raise `TrainingError` if the backward pass gave no gradient for the student and its head."""
    weights = [w for w in (*student.parameters(), *head.parameters()) if w.requires_grad]
    if weights and all(w.grad is None for w in weights):
        raise TrainingError(
            "the student gets no gradient from the loss: compute the loss from the student's output"
        )


def _read_ahead(load: Callable[[Indices], _Batch], batches: Sequence[Indices]) -> Iterator[_Batch]:
    """Yield batches, and load the next one in a thread."""
    with ThreadPoolExecutor(1) as reader:
        coming = None
        for indices in [*batches, None]:
            ready, coming = coming, None if indices is None else reader.submit(load, indices)
            if ready is not None:
                yield ready.result()


@contextmanager
def _own_generators(device: str, seed: int) -> Iterator[None]:
    """Seed torch's global generators, which dropout uses, and restore their state afterwards."""
    with torch.random.fork_rng(devices=[device] if torch.device(device).type == "cuda" else []):
        torch.manual_seed(seed)
        yield
