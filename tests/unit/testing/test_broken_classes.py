"""Each contract check fails on a class that breaks it, with a line that says what does not hold."""

from __future__ import annotations

import pytest

from comodo.errors import ClassPathError
from comodo.testing import check_objective, check_student, check_teacher
from tests.support import classes


def test_a_good_student() -> None:
    check_student(classes.Good)
    check_student(classes.Good, width=7)
    check_student("tests.support.classes:WithBuffer")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (classes.NoDim, "a student is a torch.nn.Module with an attribute `dim`"),
        (classes.WrongWidth, r"forward returns \(4, 3\); it should be \(4, 4\)"),
        (classes.NoTensor, r"forward returns list; it should be \(4, 4\)"),
        (classes.NotFinite, "embeddings of noise are not finite"),
        (classes.Random, "eval mode embeds one window differently each time"),
        (classes.Constant, "two different windows have the same embedding"),
        (classes.OfTheBatch, "a window has another embedding alone than in a batch"),
        (classes.SeesPadding, "what stands where the mask is 0 changes the embedding"),
        (classes.UnusedWeight, "no gradient reaches 2 weights: unused.weight, unused.bias"),
        (classes.HiddenState, "cannot be loaded: .* embeds noise differently than when it was saved"),
        (classes.Picky, "100 samples, please"),
    ],
)
def test_students(kind: type, message: str) -> None:
    with pytest.raises((AssertionError, ClassPathError, RuntimeError), match=message):
        check_student(kind)


def test_a_good_teacher() -> None:
    check_teacher(classes.Teacher)
    check_teacher(classes.HalfTeacher)  # stores hold float32


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (classes.WideTeacher, r"encode returns \(3, 3\); it should be \(3, 4\)"),
        (classes.RandomTeacher, "one clip is embedded differently each time"),
        (classes.ConstantTeacher, "two different clips have the same embedding"),
        (classes.BatchTeacher, "a clip has another embedding alone than in a batch"),
        (classes.NanTeacher, "embeddings are not finite"),
        (classes.Framelesss, "n_frames of a teacher is None, not a number from 1"),
        (classes.Speechless, r"a teacher has a method encode\(pixels\)"),
    ],
)
def test_teachers(kind: type, message: str) -> None:
    with pytest.raises((AssertionError, ClassPathError), match=message):
        check_teacher(kind)


@pytest.mark.parametrize("kind", [classes.Loss, classes.RememberingLoss, classes.Lessons])
def test_good_objectives(kind: type) -> None:
    check_objective(kind)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (classes.ManyLosses, "the loss is .*; it should be one number"),
        (classes.FloatLoss, "the loss is float; it should be one number, as a tensor"),
        (classes.DeadLoss, "no gradient flows from the loss"),
        (classes.TeacherLoss, "no gradient reaches the student"),
        (classes.RandomLoss, "two runs with one seed end differently"),
        (classes.ForgetfulLoss, "a resumed run ends differently: keep its state in buffers"),
        (
            classes.NoObjective,
            "an objective is a torch.nn.Module, the loss, or a class with a method `lesson`",
        ),
    ],
)
def test_objectives(kind: type, message: str) -> None:
    with pytest.raises((AssertionError, ClassPathError), match=message):
        check_objective(kind)


def test_a_class_inside_a_function() -> None:
    class Inner(classes.Good):
        pass

    with pytest.raises(AssertionError, match="cannot be imported by another process"):
        check_student(Inner)
