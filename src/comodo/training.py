"""Distillation: the training loop, its schedule, and a state that a killed run resumes from to the bit."""

from __future__ import annotations

import hashlib
import logging
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from tqdm.auto import tqdm

from comodo.artefacts import new_file
from comodo.config import ExperimentSettings
from comodo.devices import autocast, send
from comodo.models.projection import named_seed
from comodo.models.students import Student
from comodo.versions import VERSIONS

log = logging.getLogger(__name__)

Indices = NDArray[np.int64]
Row = dict[str, float]  # of the history
_Batch = tuple[Indices, Tensor, Tensor | None, Tensor]  # clips, windows, mask, targets
WARMUP = 0.1  # of the schedule's steps
STATES_KEPT = 2


class TrainingError(ValueError):
    """A training that cannot start, or cannot go on."""


class Targets(Protocol):
    """What the train clips shall be seen as: a tensor (n, d) or (n,), or what reads it when it is asked for."""

    def __len__(self) -> int:
        """Return the number of train clips."""

    def __getitem__(self, clips: Tensor, /) -> Tensor:
        """Return the targets (B, …) of clips (B,)."""


class Windows(Protocol):
    """The IMU windows of the train clips, read when they are asked for: window i is (6, T), float32."""

    def __len__(self) -> int:
        """Return the number of train clips."""

    def __getitem__(self, index: int, /) -> NDArray[np.float32]:
        """Return the window of one clip."""


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
    plan = _given(batches) if batches is not None else _shuffled(len(targets), withheld, settings, seed)
    schedule = schedule_steps(plan, settings)
    student, head, objective = student.to(device), head.to(device), objective.to(device)
    parameters = [*student.parameters(), *head.parameters()]
    forward = torch.compile(student) if settings.compile else student
    optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate)
    parts: dict[str, Any] = {"student": student, "head": head, "objective": objective, "optimizer": optimizer}
    states = (
        _States(state_dir, _identity(parts, targets, plan, settings, seed, made_from)) if state_dir else None
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
        at = (states.resume(parts, device) if states else None) or _Position()
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
            at = _Position(step=at.step, epoch=epoch + 1, history=[*at.history, row])
            if states:
                states.write(at, parts, device)
        bar.close()
    student.eval()
    head.eval()
    return at.history


def learning_rate(step: int, total: int, peak: float) -> float:
    """Learning rate of a step: linear warm-up over a tenth of `total` from 0 to `peak`, then linear decay to 0."""
    warmup = int(WARMUP * total)
    if step < warmup:
        return peak * step / warmup
    return peak * max(0, total - step) / (total - warmup)


def schedule_steps(plan: Sequence[Sequence[object]], settings: ExperimentSettings) -> int:
    """Total of steps that the learning rate is planned over.

    `linear`: as many as there are. `reference`: the published total, which adds the K queue *samples* to each later
    epoch's *batches*, so that such a run ends early in its schedule.
    """
    if settings.schedule == "reference":
        first = len(plan[0])
        return first + (first + settings.queue_size) * (len(plan) - 1)
    return sum(map(len, plan))


def shuffled_batches(clips: Indices, batch_size: int, seed: int, epoch: int) -> list[Indices]:
    """Divide clips into batches, in an order that depends on seed and epoch only.

    The last batch is smaller where the numbers do not divide. One clip alone has no batch statistics for the head, so
    it joins the batch before it.
    """
    generator = torch.Generator().manual_seed(named_seed(seed, f"shuffle epoch {epoch}"))
    order = clips[torch.randperm(len(clips), generator=generator).numpy()]
    starts = list(range(batch_size, len(order), batch_size))
    if starts and len(order) - starts[-1] == 1:
        starts.pop()
    return np.split(order, starts)


def _shuffled(
    n: int, withheld: Sequence[int] | Indices, settings: ExperimentSettings, seed: int
) -> list[list[Indices]]:
    everything = np.arange(n)
    first = np.setdiff1d(everything, np.asarray(withheld, dtype=np.int64))
    return [
        shuffled_batches(everything if epoch else first, settings.batch_size, seed, epoch)
        for epoch in range(settings.epochs)
    ]


def _given(batches: Sequence[Sequence[ArrayLike]]) -> list[list[Indices]]:
    plan = [[np.asarray(batch, dtype=np.int64) for batch in epoch] for epoch in batches]
    if not plan or any(len(batch) < 2 for epoch in plan for batch in epoch):
        raise TrainingError("a batch needs two clips or more: the projection head normalises over the batch")
    return plan


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


@dataclass
class _Position:
    """Where a training is: what a state holds beside the parts' own."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    rate: float = 0.0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    history: list[Row] = field(default_factory=list)


def _identity(
    parts: Mapping[str, Any],
    targets: Targets,
    plan: Sequence[Sequence[Indices]],
    settings: ExperimentSettings,
    seed: int,
    made_from: Mapping[str, str] | None,
) -> dict[str, str]:
    """What must agree for a state to be resumed, as text by name."""
    named = settings.model_dump(mode="json", exclude={"eval_datasets"})
    found = {name: str(value) for name, value in named.items()} | {"seed": str(seed)} | dict(made_from or {})
    found["version"] = str(VERSIONS["distill"])
    if isinstance(targets, Tensor):  # else `made_from` says what they are read from
        found["targets"] = _digest([targets])
    found["batches"] = _digest([torch.from_numpy(batch) for epoch in plan for batch in epoch])
    for name in ("student", "head", "objective"):
        found[f"{name}'s start weights"] = _digest(list(parts[name].state_dict().values()))
    return found


def _digest(tensors: Sequence[Tensor]) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


class _States:
    """The last states of a run, in a folder of their own: `state-<step>.pt`."""

    def __init__(self, folder: Path, identity: Mapping[str, str]) -> None:
        self.folder = folder
        self.identity = dict(identity)
        self.own: list[Path] = []

    def write(self, at: _Position, parts: Mapping[str, Any], device: str) -> None:
        """Write a state; keep it and the one before, and nothing else."""
        path = self.folder / f"state-{at.step:09d}.pt"
        generators = {"cpu": torch.get_rng_state()}
        if torch.device(device).type == "cuda":
            generators["cuda"] = torch.cuda.get_rng_state(device)
        with new_file(path) as file:
            torch.save(
                {
                    "identity": self.identity,
                    "position": asdict(at),
                    "generators": generators,
                    **{name: part.state_dict() for name, part in parts.items()},
                },
                file,
            )
        self.own = [*(kept for kept in self.own if kept != path), path][-STATES_KEPT:]
        for stale in [*self.folder.glob("state-*.pt"), *self.folder.glob(".partial-*")]:
            if stale not in self.own:
                stale.unlink()

    def resume(self, parts: Mapping[str, Any], device: str) -> _Position | None:
        """Bring the newest usable state into the parts and generators; none: start anew, and the log says why."""
        for path in sorted(self.folder.glob("state-*.pt"), reverse=True):
            state = _read_state(path)
            if state is None:
                continue
            found = state["identity"]
            differing = [
                key for key in {**self.identity, **found} if self.identity.get(key) != found.get(key)
            ]
            if differing:
                key = differing[0]
                log.warning(
                    "%s is not resumed: it was made with another %s (%s, now %s)",
                    path, ", ".join(differing), found.get(key), self.identity.get(key),
                )  # fmt: skip
                continue
            for name, part in parts.items():
                part.load_state_dict(state[name])
            torch.set_rng_state(state["generators"]["cpu"])
            if "cuda" in state["generators"]:
                torch.cuda.set_rng_state(state["generators"]["cuda"], device)
            at = _Position(**state["position"])
            log.info("resumed from %s: epoch %d, step %d", path, at.epoch, at.step)
            self.own = [path]
            return at
        return None


def _read_state(path: Path) -> dict[str, Any] | None:
    """A state that is whole, or none. torch does not look at the checksums of its own files, so zipfile does."""
    try:
        with zipfile.ZipFile(path) as archive:
            if (broken := archive.testzip()) is not None:
                raise zipfile.BadZipFile(f"{broken} has a wrong checksum")
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return state
    except Exception as error:  # whatever is wrong with it, there is one before it
        log.warning("%s is not resumed: it is broken (%s)", path, error)
        return None
