"""Contract check of objectives."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import h5py
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from comodo.clips.tables import COLUMNS
from comodo.config import ExperimentSettings
from comodo.distill.loop import Run, train_distillation
from comodo.embeddings.anchors import select_anchors
from comodo.embeddings.store import open_store, write_store
from comodo.models.by_class import ClassStudent
from comodo.models.distilled import load_distilled, save_distilled
from comodo.models.seeds import seeded
from comodo.objectives import Inputs, Lesson, objective_of
from comodo.testing.requirements import attempt, class_path_of, require

SPLIT_OF: Final = ["train"] * 12 + ["val"] * 4 + ["test"] * 4
WIDTH: Final = 8  # width of the teacher's embeddings
SAMPLES: Final = 50
SIZES: Final[dict[str, Any]] = {
    "queue_size": 4,
    "batch_size": 4,
    "epochs": 1,
    "projection_hidden": 8,
    "projection_dim": 4,
}


def check_objective(objective: str | type[Any], *, teacher: bool = True, **kwargs: Any) -> None:
    """Check an objective with a small student on noise: losses, gradients, determinism, resuming and saving.

    Args:
        objective: class path or class of a loss or of an objective with `lesson`, or the name of a built-in objective.
            A loss is a `torch.nn.Module` that maps student (B, d) and teacher (B, d) embeddings to a scalar.
        teacher: train with a teacher.
        **kwargs: arguments of the class.

    Raises:
        AssertionError: if the contract is violated.
        ClassPathError: if the class does not exist or cannot be instantiated.
        TrainingError: if the loss is not finite or not a scalar.

    Example:
        >>> check_objective("mylab.losses:Cosine")
    """
    if isinstance(objective, type):
        objective = class_path_of(objective)
    named = {"class": objective, "kwargs": kwargs} if ":" in objective else {"objective": objective}
    settings = ExperimentSettings.model_validate(
        {"dataset": "d", "student": "s", "teacher": "t" if teacher else None, **named, **SIZES}
    )
    with TemporaryDirectory() as given:
        folder, windows = Path(given), _windows()
        embeddings = np.random.default_rng(0).standard_normal((len(windows), WIDTH)).astype(np.float32)
        write_store(folder / "store.h5", windows, WIDTH, [embeddings], {"model": "noise"})
        select_anchors(folder / "store.h5", folder / "anchors.h5")
        with open_store(folder / "store.h5") as store:
            _check(settings, windows, folder, store if settings.sees_video else None)


def _check(
    settings: ExperimentSettings, windows: pd.DataFrame, folder: Path, store: h5py.File | None
) -> None:
    anchors = folder / "anchors.h5" if store is not None else None

    def start() -> tuple[ClassStudent, Lesson]:
        with seeded(0):
            student = ClassStudent(MeanStudent(), {"class": class_path_of(MeanStudent), "kwargs": {}})
        return student, objective_of(settings).lesson(Inputs(windows, student.dim, 0, store, anchors))

    student, lesson = start()
    if lesson.loss is not None:
        require(
            lesson.trained in lesson.heads,
            f"trained is {lesson.trained!r}, which is not a head of the lesson",
        )
        require(
            len(lesson.targets) == len(lesson.train),
            f"there are {len(lesson.targets)} targets for {len(lesson.train)} windows",
        )
        _check_gradient(*start())
        _train(settings, student, lesson)
        again, other = start()
        _train(settings, again, other)
        require(_same(student, lesson, again, other), "two runs with the same seed give different results")
        resumed, third = start()
        _train(settings, resumed, third, folder / "state", stop_after=1)
        resumed, third = start()
        _train(settings, resumed, third, folder / "state")
        require(
            _same(student, lesson, resumed, third),
            "a resumed run gives a different result: keep the state in buffers",
        )
    save_distilled(
        folder / "student", student, lesson.heads, lesson.classes, objective=settings.objective_name
    )
    loaded = load_distilled(folder / "student", "cpu")
    probe = torch.from_numpy(np.stack([_window(row) for row in range(4)]))
    for role, head in lesson.heads.items():
        if role != "teacher":
            same = torch.equal(head.eval()(student(probe)), loaded.heads[role](loaded.student(probe)))
            require(same, f"the head {role!r} gives a different output after saving and loading")


def _check_gradient(student: ClassStudent, lesson: Lesson) -> None:
    assert lesson.loss is not None
    windows = torch.from_numpy(np.stack([_window(number) for number in lesson.train["window"][:4]]))
    outputs, targets, criterion = lesson.head(student(windows)), lesson.targets[torch.arange(4)], lesson.loss
    loss = attempt(
        lambda: criterion(outputs, targets), f"student {tuple(outputs.shape)}, targets {tuple(targets.shape)}"
    )
    shape = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
    require(shape == (), f"the loss is {shape}; it should be a scalar, a tensor without dimensions")
    require(loss.requires_grad, "the loss has no gradient: does it use the student's embeddings?")
    loss.backward()
    reached = [values.grad is not None and bool(values.grad.any()) for values in student.parameters()]
    require(any(reached), "the student gets no gradient")


class _Stop(Exception):
    """Interrupts a training run, like a crash."""


def _train(
    settings: ExperimentSettings,
    student: ClassStudent,
    lesson: Lesson,
    state: Path | None = None,
    stop_after: int = 0,
) -> None:
    def on_step(step: int, loss: float, rate: float) -> None:
        if step == stop_after > 0:
            raise _Stop

    windows = _Noise(lesson.train["window"].tolist())
    run = Run(seed=0, on_step=on_step, state_dir=state, state_every_steps=1, progress=False)
    try:
        train_distillation(student, lesson, windows, settings, run)
    except _Stop:
        return


def _same(student: nn.Module, lesson: Lesson, other: nn.Module, others: Lesson) -> bool:
    mine = [*student.state_dict().values(), *lesson.head.state_dict().values()]
    return all(map(torch.equal, mine, [*other.state_dict().values(), *others.head.state_dict().values()]))


class MeanStudent(nn.Module):
    """Small student: a linear map of the mean and standard deviation of each channel."""

    dim = 6

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(12, self.dim)

    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        """Embed windows (B, 6, T) → (B, 6)."""
        embeddings: Tensor = self.linear(torch.cat([windows.mean(dim=2), windows.std(dim=2)], dim=1))
        return embeddings


class _Noise:
    """Noise windows of the train clips, by index."""

    def __init__(self, numbers: list[int]) -> None:
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int, /) -> NDArray[np.float32]:
        return _window(self.numbers[index])


def _window(number: int) -> NDArray[np.float32]:
    return np.random.default_rng(number).standard_normal((6, SAMPLES)).astype(np.float32)


def _windows() -> pd.DataFrame:
    """Return a table of windows of 20 recordings of two classes, all of them pairs."""
    rows = [
        (f"r{n}#0", f"r{n}", split, f"class {n % 2}", n, 0.0, 5.0, 0, SAMPLES, 0, 50, "", "")
        for n, split in enumerate(SPLIT_OF)
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS).assign(shard=0, paired=True)
    return table.drop(columns=["reason", "detail"])
