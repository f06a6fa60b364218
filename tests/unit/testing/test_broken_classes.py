"""Each contract check fails on a class that breaks it, with a line that says what does not hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from comodo.errors import ClassPathError, TrainingError
from comodo.testing import check_objective, check_student, check_teacher
from tests.support import classes
from tests.support import odd_classes as odd

pytestmark = pytest.mark.slow


def test_a_good_student() -> None:
    check_student(classes.Good)
    check_student(classes.Good, width=7)
    check_student("tests.support.classes:WithBuffer")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (classes.NoDim, "a student must be a torch.nn.Module with an attribute `dim`"),
        (classes.WrongWidth, r"forward returns \(4, 3\); it should be \(4, 4\)"),
        (classes.NoTensor, r"forward returns list; it should be \(4, 4\)"),
        (classes.NotFinite, "embeddings of noise are not finite"),
        (classes.Random, "eval mode embeds one window differently each time"),
        (classes.Constant, "two different windows have the same embedding"),
        (classes.OfTheBatch, "the embedding of a window depends on the other windows"),
        (classes.SeesPadding, "samples where the mask is 0 change the embedding"),
        (classes.UnusedWeight, "2 weights get no gradient: unused.weight, unused.bias"),
        (classes.HiddenState, "cannot be loaded: .* embeds noise differently than when it was saved"),
        (classes.Picky, r"windows \(4, 6, 75\): RuntimeError: 100 samples, please \(.*classes.py, line"),
        (odd.OwnGenerator, "two students with the same seed have different weights"),
        (odd.Counting, "a resumed training gives a different result: keep the state in buffers"),
        (odd.HiddenProjection, "cannot be loaded: .* embeds noise differently than when it was saved"),
        (
            odd.FailingInTraining,
            r"in training mode: RuntimeError: no training, please \(.*odd_classes.py, line",
        ),
        (odd.Detached, "the embeddings have no gradient"),
        (odd.NanForPadding, "not finite"),
        (odd.AnyFloat, "forward returns torch.float64; it should be torch.float32"),
        (odd.WithoutMask, r"forward of a student must accept \(windows, mask=None\)"),
        (odd.Lazy, "linear.weight has no size yet"),
        (odd.Failing, "RuntimeError: a shape is wrong"),
    ],
)
def test_students(kind: type, message: str) -> None:
    with pytest.raises((AssertionError, ClassPathError), match=message) as caught:
        check_student(kind)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [odd.Tied, odd.Normalised, odd.NumpyWeights, odd.NumpyDim])
def test_odd_but_good_students(kind: type) -> None:
    check_student(kind)


def test_the_generators_stay_as_they_are() -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    check_student(odd.Normalised)
    check_objective(odd.LossWithWeights)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]  # noqa: NPY002


def test_a_good_teacher() -> None:
    check_teacher(classes.Teacher)
    check_teacher(classes.HalfTeacher)  # stores hold float32


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (classes.WideTeacher, r"encode returns \(3, 3\); it should be \(3, 4\)"),
        (classes.RandomTeacher, "one clip is embedded differently each time"),
        (classes.ConstantTeacher, "two different clips have the same embedding"),
        (classes.BatchTeacher, "the embedding of a clip depends on the other clips"),
        (classes.NanTeacher, "embeddings are not finite"),
        (classes.Frameless, "n_frames of a teacher is None, not a positive integer"),
        (classes.Speechless, r"a teacher must have a method encode\(pixels\)"),
    ],
)
def test_teachers(kind: type, message: str) -> None:
    with pytest.raises((AssertionError, ClassPathError), match=message) as caught:
        check_teacher(kind)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("list", r"encode returns list; it should be \(3, 3\)"),
        ("numpy", r"encode returns ndarray; it should be \(3, 3\)"),
        ("rank", r"encode returns \(3, 1, 3\); it should be \(3, 3\)"),
        ("integers", r"encode returns torch.int64; it should be torch.float32"),
        ("in place", r"encode changes its input in place: change a copy"),
        ("failing", r"clips \(3, 2, 3, 32, 32\): RuntimeError: no frames, please \(.*odd_classes.py, line"),
        ("alone", r"a single clip: RuntimeError: two clips, please"),
    ],
)
def test_what_teachers_return(how: str, message: str) -> None:
    with pytest.raises((AssertionError, ClassPathError), match=message):
        check_teacher(odd.PlainTeacher, how=how)


def test_odd_but_good_teachers() -> None:
    check_teacher(odd.PlainTeacher, how="doubles")
    check_teacher(odd.Numbers, image_size=16, mean=[0.5] * 3, std=(0.2, 0.3, 0.4))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"n_frames": 0}, "n_frames of a teacher is 0, not a positive integer"),
        ({"n_frames": 2.0}, "n_frames of a teacher is 2.0"),
        ({"dim": True}, "dim of a teacher is True"),
        ({"dim": "3"}, "dim of a teacher is 3"),
        ({"image_size": [224, 224]}, r"image_size of a teacher is \[224, 224\], not a positive integer"),
        ({"mean": [0.5, 0.5]}, r"mean of a teacher is \[0.5, 0.5\], not three numbers, one per colour"),
        ({"mean": 0.5}, "mean of a teacher is 0.5, not three numbers"),
        ({"mean": ["a", "b", "c"]}, "mean of a teacher is"),
        ({"std": [1, 0, 1]}, "std of a teacher is .*; it must not contain 0"),
        ({"std": [1, float("nan"), 1]}, "std of a teacher is .* not three numbers"),
    ],
)
def test_numbers_of_teachers(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ClassPathError, match=message):
        check_teacher(odd.Numbers, **more)


@pytest.mark.parametrize("kind", [classes.Loss, classes.RememberingLoss, classes.Lessons])
def test_good_objectives(kind: type) -> None:
    check_objective(kind)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (classes.ManyLosses, "the loss is .*; it should be a scalar"),
        (classes.FloatLoss, "the loss is float; it should be a scalar, a tensor"),
        (classes.DeadLoss, "the loss has no gradient"),
        (classes.TeacherLoss, "the student gets no gradient"),
        (classes.RandomLoss, "two runs with the same seed give different results"),
        (odd.IntLoss, r"the loss has no gradient|the loss is torch.int64"),
        (odd.NanLoss, r"the loss is nan"),
        (
            odd.FailingLoss,
            r"student \(4, 8\), targets \(4, 8\): ValueError: not these \(.*odd_classes.py, line",
        ),
        (odd.OneLoss, r"the loss is \(1,\); it should be a scalar"),
        (classes.ForgetfulLoss, "a resumed run gives a different result: keep the state in buffers"),
        (
            classes.NoObjective,
            r"an objective must be a torch.nn.Module \(a loss\) or a class with a method `lesson`",
        ),
    ],
)
def test_objectives(kind: type, message: str) -> None:
    with pytest.raises((AssertionError, ClassPathError, TrainingError), match=message) as caught:
        check_objective(kind)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "how", ["nothing", "role", "activation", "bias", "width", "trained", "loss", "train"]
)
def test_lessons(how: str) -> None:
    with pytest.raises(ClassPathError, match="the lesson is invalid"):
        check_objective(odd.OddLessons, how=how)


def test_other_good_objectives() -> None:
    check_objective("torch.nn:MSELoss")
    check_objective(odd.LossWithWeights)
    check_objective(odd.OddLessons, how="mlp")


def test_a_class_inside_a_function() -> None:
    class Inner(classes.Good):
        pass

    with pytest.raises(AssertionError, match="cannot be imported by another process"):
        check_student(Inner)
