"""Objectives of users' classes: losses and whole objectives; unsound ones are refused before a training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from comodo.config import ExperimentSettings
from comodo.distill.loop import Run, train_distillation
from comodo.embeddings.anchors import select_anchors
from comodo.embeddings.store import open_store, write_store
from comodo.errors import ClassPathError, TrainingError
from comodo.models.by_class import ClassStudent
from comodo.models.seeds import seeded
from comodo.objectives import Inputs, Lesson, objective_of
from tests.support.classes import Good
from tests.support.tables import window_table

ODD = "tests.support.odd_classes:"
SPLITS = ["train"] * 8 + ["val"] * 4 + ["test"] * 4
WINDOWS = window_table(
    {f"r{n}": 1 for n in range(16)}, label=[f"class {n % 2}" for n in range(16)], split=SPLITS
)
EMBEDDINGS = np.random.default_rng(0).standard_normal((16, 8)).astype(np.float32)


@pytest.fixture
def inputs(tmp_path: Path) -> Iterator[Inputs]:
    write_store(tmp_path / "store.h5", WINDOWS, 8, [EMBEDDINGS], {"teacher": "t"})
    select_anchors(tmp_path / "store.h5", tmp_path / "anchors.h5")
    with open_store(tmp_path / "store.h5") as store:
        yield Inputs(WINDOWS, 4, 0, store, tmp_path / "anchors.h5")


def settings(path: str, **kwargs: Any) -> ExperimentSettings:
    raw = {"dataset": "d", "student": "s", "teacher": "t", "class": path, "kwargs": kwargs}
    return ExperimentSettings.model_validate({**raw, "epochs": 1, "batch_size": 4})


def lesson_of(inputs: Inputs, path: str, **kwargs: Any) -> Lesson:
    return objective_of(settings(path, **kwargs)).lesson(inputs)


def train(lesson: Lesson) -> list[Any]:
    with seeded(0):
        student = ClassStudent(Good(), {"class": "tests.support.classes:Good", "kwargs": {}})
    windows = np.random.default_rng(1).standard_normal((8, 6, 50)).astype(np.float32)
    return train_distillation(
        student, lesson, list(windows), settings("torch.nn:MSELoss"), Run(progress=False)
    )


@pytest.mark.parametrize(
    "path", ["torch.nn:MSELoss", f"{ODD}OneLoss", f"{ODD}LossWithWeights", f"{ODD}OddLessons"]
)
def test_what_goes(inputs: Inputs, path: str) -> None:
    assert np.isfinite(train(lesson_of(inputs, path))[0]["loss"])


def test_a_loss_gets_unit_embeddings_and_a_linear_head(inputs: Inputs) -> None:
    lesson = lesson_of(inputs, "torch.nn:MSELoss")
    assert torch.allclose(lesson.targets[torch.arange(8)].norm(dim=1), torch.ones(8))
    assert (lesson.head.in_features, lesson.head.out_features) == (4, 8)


def test_weights_of_a_loss_are_of_the_seed(inputs: Inputs) -> None:
    """Else two runs of one seed would differ."""
    state = torch.get_rng_state()
    losses = [lesson_of(inputs, f"{ODD}LossWithWeights").loss for _ in range(2)]
    assert torch.equal(losses[0].linear.weight, losses[1].linear.weight)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("IntLoss", r"the loss is torch.int64; it should be a float"),
        ("NanLoss", r"the loss is nan at step 0"),
    ],
)
def test_losses_that_cannot_be_trained(inputs: Inputs, name: str, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        train(lesson_of(inputs, ODD + name))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ManyLosses", r"the loss has the shape \(4, 8\); it should be a scalar"),
        ("FloatLoss", r"the loss is a float; it should be a tensor with one value"),
        ("DeadLoss", r"the loss has no gradient: compute it from the student's output"),
        ("TeacherLoss", r"the student gets no gradient from the loss"),
    ],
)
def test_losses_without_a_use(inputs: Inputs, name: str, message: str) -> None:
    with pytest.raises(TrainingError, match=message) as caught:
        train(lesson_of(inputs, f"tests.support.classes:{name}"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("nothing", r"it is a NoneType, not a comodo.objectives.Lesson"),
        ("role", r"the head 'own' is unknown; expected one of student, teacher, classifier"),
        ("activation", r"the head 'student' is Sequential; it must be a torch.nn.Linear with bias or a"),
        ("bias", r"the head 'student' is Linear; it must be a torch.nn.Linear with bias"),
        ("identity", r"the head 'student' is Identity"),
        ("width", r"the input width of the head 'student' is 5, but the student's embeddings have 4"),
        ("trained", r"trained is 'classifier', which is not a head of the lesson"),
        ("loss", r"the loss is function, not a torch.nn.Module"),
        ("train", r"it has 8 targets for 7 train windows"),
        ("table", r"train and val are not tables of windows"),
        ("classes", r"classes are not a list of strings"),
        ("classifier", r"the classifier has 3 outputs for 2 classes"),
    ],
)
def test_invalid_lessons(inputs: Inputs, how: str, message: str) -> None:
    """Else most of them would be trained for hours, and not be saved or loaded."""
    with pytest.raises(ClassPathError, match=rf"OddLessons: the lesson is invalid: {message}"):
        lesson_of(inputs, f"{ODD}OddLessons", how=how)


def test_a_lesson_with_an_mlp(inputs: Inputs) -> None:
    assert np.isfinite(train(lesson_of(inputs, f"{ODD}OddLessons", how="mlp"))[0]["loss"])


@pytest.mark.parametrize(
    ("path", "kwargs", "message"),
    [
        (
            "tests.support.classes:NoObjective",
            {},
            r"an objective must be a torch.nn.Module \(a loss\) or a class with",
        ),
        ("tests.support.classes:Loss", {"scale": 2}, r"Loss\(scale=2\) failed: TypeError"),
        ("tests.support.classes:Lessons", {"depth": 2}, r"Lessons\(depth=2\) failed: TypeError"),
        ("tests.support.classes:Losss", {}, "has no class 'Losss'; did you mean 'Loss'"),
    ],
)
def test_what_is_no_objective(inputs: Inputs, path: str, kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ClassPathError, match=message):
        lesson_of(inputs, path, **kwargs)


def test_a_loss_without_a_teacher() -> None:
    with pytest.raises(ClassPathError, match="a loss needs a teacher: set `teacher` in the experiment"):
        lesson_of(Inputs(WINDOWS, 4, 0), "torch.nn:MSELoss")


def test_targets_that_are_numbers(inputs: Inputs) -> None:
    """One float per window, say a speed: no embeddings, which have unit length."""
    lesson = lesson_of(inputs, f"{ODD}OddLessons")
    lesson.targets = torch.linspace(0, 5, 8)[:, None].squeeze(1)
    lesson.loss = torch.nn.MSELoss()
    lesson.heads["student"] = torch.nn.Linear(4, 1)
    with pytest.warns(UserWarning, match="target size"):
        assert np.isfinite(train(lesson)[0]["loss"])
