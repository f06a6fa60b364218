"""The training loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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
from comodo.distill.schedule import TrainingError, given_plan, learning_rate, schedule_steps, shuffled_plan
from comodo.distill.states import Position, Row, States, identity_of
from comodo.jobs.devices import autocast, send
from comodo.models.seeds import named_seed
from comodo.models.students import Student
from comodo.objectives.targets import Targets

_Batch = tuple[Indices, Tensor, Tensor | None, Tensor]  # clips, windows, mask, targets


def train_distillation(
    student: Student,
    head: nn.Module,
    objective: nn.Module,
    windows: Windows,
    targets: Targets,
    settings: ExperimentSettings,
    seed: int,
    *,
    withheld: Sequence[int] | Indices = (),
    batches: Sequence[Sequence[ArrayLike]] | None = None,
    on_epoch: Callable[[int, Student, nn.Module], Mapping[str, float]] | None = None,
    on_step: Callable[[int, float, float], None] | None = None,
    state_dir: Path | None = None,
    state_every_steps: int = 500,
    made_from: Mapping[str, str] | None = None,
    names: Sequence[str] | None = None,
    device: str = "cpu",
    progress: bool = True,
) -> list[Row]:
    """Teach `student` and `head`, in place, to see what the targets say; both end in eval mode.

    Args:
        student: the IMU encoder.
        head: its projection to the teacher's width, or its classifier.
        objective: (output of the head (B, d), targets (B, …)) → scalar loss.
        windows: the IMU windows of the n train clips, read batch by batch.
        targets: of the same clips: projected teacher embeddings (n, d) of unit length, or classes (n,).
        settings: the experiment; what the loop reads: epochs, batch_size, learning_rate, schedule, queue_size,
            precision, compile.
        seed: of shuffling and dropout.
        withheld: the clips whose embeddings fill the queue at the start; they join the training in epoch 1.
        batches: per epoch, the clips of each batch in order, in place of shuffled ones.
        on_epoch: called after each epoch with both models in eval mode; what it returns goes into the history.
        on_step: called after each step with (step from 0, loss, learning rate).
        state_dir: folder of the resumable state; a run that finds its own state there goes on from it.
        state_every_steps: steps between two states; each epoch's end writes one, too.
        made_from: names and digests of what only the caller knows (say, the clip table); a state made from anything
            else is not resumed.
        names: the train clips' ids, for messages; default their numbers.
        device: a torch device.
        progress: show a progress bar.

    Returns:
        The history: for each epoch its number, mean loss, last learning rate, seconds, and what `on_epoch` returned.

    Raises:
        TrainingError: before the first step, when clips and settings do not go together; during training, when a
            window or a loss is not finite.
    """
    _check(windows, targets, withheld, settings)
    plan = (
        given_plan(batches) if batches is not None else shuffled_plan(len(targets), withheld, settings, seed)
    )
    schedule = schedule_steps(plan, settings)
    student, head, objective = student.to(device), head.to(device), objective.to(device)
    parameters = [*student.parameters(), *head.parameters()]
    forward = torch.compile(student) if settings.compile else student
    optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate)
    parts: dict[str, Any] = {"student": student, "head": head, "objective": objective, "optimizer": optimizer}
    states = (
        States(state_dir, identity_of(parts, targets, plan, settings, seed, made_from)) if state_dir else None
    )

    def called(clips: Iterable[int]) -> str:
        return ", ".join(str(clip) if names is None else names[clip] for clip in clips)

    def load(indices: Indices) -> _Batch:
        found = [np.asarray(windows[int(index)], dtype=np.float32) for index in indices]
        if bad := [i for i, window in zip(indices, found, strict=True) if not np.isfinite(window).all()]:
            raise TrainingError(
                f"the IMU windows of train clips {called(bad)} hold values that are not finite"
            )
        batch, mask = student.collate(found)
        target = targets[torch.from_numpy(indices)]
        return (
            indices,
            send(batch, device),
            None if mask is None else send(mask, device),
            send(target, device),
        )

    with _own_generators(device, named_seed(seed, "dropout")):
        at = (states.resume(parts, device) if states else None) or Position()
        bar = tqdm(
            total=sum(map(len, plan)), initial=at.step, desc="distil", unit="step", disable=not progress
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
                value = loss.item()
                if not np.isfinite(value):
                    raise TrainingError(
                        f"the loss is {value} at step {at.step} (epoch {epoch}), on train clips {called(indices)}: "
                        "lower learning_rate, or look at these windows"
                    )
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

                at.losses.append(value)
                at.rate = rate
                if on_step is not None:
                    on_step(at.step, value, rate)
                at.step += 1
                at.batch += 1
                at.seconds = time.perf_counter() - began
                bar.update()
                bar.set_postfix(epoch=epoch, loss=f"{value:.3f}", refresh=False)
                if states and at.step % state_every_steps == 0 and at.batch < len(plan[epoch]):
                    states.write(at, parts, device)

            student.eval()
            head.eval()
            row = {"epoch": epoch, "loss": float(np.mean(at.losses)), "lr": at.rate, "seconds": at.seconds}
            if on_epoch is not None:
                with torch.no_grad():
                    row |= {name: float(figure) for name, figure in on_epoch(epoch, student, head).items()}
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
        raise TrainingError(f"{len(windows)} IMU windows and {n} targets: they must be of the same clips")
    if n - len(withheld) < 2:
        raise TrainingError(
            f"queue_size is {settings.queue_size}, but there are only {n} train clips, and those in the queue are "
            f"withheld from epoch 0: queue_size can be {max(n - 2, 0)} at most"
        )
    if isinstance(targets, Tensor) and targets.is_floating_point():
        lengths = targets.norm(dim=1)
        if not torch.allclose(lengths, torch.ones_like(lengths), atol=1e-3):
            raise TrainingError(
                "teacher embeddings must be finite and of unit length: project them with project_teacher"
            )


def _read_ahead(load: Callable[[Indices], _Batch], batches: Sequence[Indices]) -> Iterator[_Batch]:
    """Load each batch in a thread while the one before it is in use."""
    with ThreadPoolExecutor(1) as reader:
        coming = None
        for indices in [*batches, None]:
            ready, coming = coming, None if indices is None else reader.submit(load, indices)
            if ready is not None:
                yield ready.result()


@contextmanager
def _own_generators(device: str, seed: int) -> Iterator[None]:
    """Dropout draws from torch's global generators: seed them for the training, and give them back as they were."""
    with torch.random.fork_rng(devices=[device] if torch.device(device).type == "cuda" else []):
        torch.manual_seed(seed)
        yield
