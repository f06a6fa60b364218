"""Contract check of students."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from comodo.errors import ComodoError
from comodo.models.base import Student
from comodo.models.by_class import ClassStudent, new_class_student
from comodo.models.seeds import seeded
from comodo.models.students import load_student, save_student
from comodo.testing.requirements import attempt, class_path_of, close, refused, require


def check_student(
    student: str | type[nn.Module] | nn.Module | Callable[[], nn.Module],
    *,
    channels: int = 6,
    length: int = 100,
    without_gradient: Collection[str] = (),
    **kwargs: Any,
) -> None:
    """Check a student: shapes, determinism, batches of one, padding, gradients, saving and errors.

    Args:
        student: class path, class, an instance created with `kwargs`, or a function that returns an instance. The
            class is a `torch.nn.Module` with `dim` and `forward(windows (B, C, T), mask=None) → (B, dim)`, or a
            built-in student.
        channels: C.
        length: T of the test windows. Windows of three quarters of this length are also tested.
        without_gradient: names of weights that need no gradient, or patterns such as `head.*`.
        **kwargs: arguments of the class.

    Raises:
        AssertionError: if the contract is violated.
        ClassPathError: if the class does not exist or cannot be instantiated.

    Example:
        >>> check_student("mylab.models:TinyGru", width=24)
    """
    made = _student(student, kwargs, channels).eval()
    if isinstance(student, (str, type)):
        again = _student(student, kwargs, channels)
        require(
            _same_weights(made, again),
            "two students with the same seed have different weights: draw weights from torch's global generator",
        )
    windows = [_window(seed, channels, length) for seed in range(4)]
    embeddings = _embedded(made, windows)
    require(
        embeddings.shape == (4, made.dim),
        f"embeddings have the shape {tuple(embeddings.shape)}, not (4, {made.dim})",
    )
    require(bool(embeddings.isfinite().all()), "embeddings of noise are not finite")
    require(
        torch.equal(embeddings, _embedded(made, windows)), "eval mode embeds one window differently each time"
    )
    require(not torch.equal(embeddings[0], embeddings[1]), "two different windows have the same embedding")
    alone = torch.cat([_embedded(made, [window]) for window in windows])
    require(close(alone, embeddings), "the embedding of a window depends on the other windows of its batch")
    shorter = _embedded(made, [window[:, : length * 3 // 4] for window in windows])
    require(
        shorter.shape == embeddings.shape,
        f"embeddings of shorter windows have the shape {tuple(shorter.shape)}",
    )
    _check_padding(made, windows)
    _check_saved(made, windows)
    if not made.fitted:
        _check_gradients(made, windows, without_gradient)
        if not isinstance(student, nn.Module):
            _check_resumed(lambda: _student(student, kwargs, channels), windows)
    refused(lambda: made(torch.zeros(2, channels + 1, length)), f"windows of {channels + 1} channels")
    refused(lambda: made(torch.zeros(channels, length)), "a window without a batch dimension")


def _student(given: Any, kwargs: dict[str, Any], channels: int) -> Student:
    if isinstance(given, Student):
        return given
    if isinstance(given, nn.Module):
        return ClassStudent(given, {"class": class_path_of(type(given)), "kwargs": kwargs}, channels)
    if isinstance(given, type):
        given = class_path_of(given)
    if isinstance(given, str):
        return new_class_student(given, kwargs, 0, channels)
    return _student(given(), kwargs, channels)


def _check_padding(student: Student, windows: Sequence[NDArray[np.float32]]) -> None:
    """Check that the content of padding has no effect, for students whose `collate` pads windows."""
    batch, mask = student.collate([windows[0], windows[1][:, ::2]])
    if mask is None:
        return
    other = torch.where(mask[:, None] > 0, batch, batch + 3)
    with torch.inference_mode():
        require(bool(student(batch, mask).isfinite().all()), "embeddings of padded windows are not finite")
        same = close(student(batch, mask), student(other, mask))
    require(same, "samples where the mask is 0 change the embedding: ignore these samples")


def _check_gradients(
    student: Student, windows: Sequence[NDArray[np.float32]], without: Collection[str]
) -> None:
    _step(student, windows)
    missing = [
        name
        for name, values in student.model.named_parameters()
        if values.requires_grad
        and not any(fnmatchcase(name, pattern) for pattern in without)
        and (values.grad is None or not bool(values.grad.any()))
    ]
    student.zero_grad()
    student.eval()
    require(not missing, f"{len(missing)} weights get no gradient: {', '.join(missing[:3])}")


def _step(student: Student, windows: Sequence[NDArray[np.float32]]) -> None:
    """Compute one gradient in training mode."""
    student.train()
    with seeded(0):
        output = attempt(lambda: student(*student.collate(windows)), "in training mode")
        require(output.requires_grad or not list(student.parameters()), "the embeddings have no gradient")
        if output.requires_grad:
            (output * torch.randn_like(output)).sum().backward()


def _check_resumed(make: Callable[[], Student], windows: Sequence[NDArray[np.float32]]) -> None:
    """Check that two steps give the same weights if another object, with copied state, takes the second step."""
    whole, first, second = make(), make(), make()
    first.load_state_dict(whole.state_dict())
    for one in (whole, first, whole):
        _descend(one, windows)
    second.load_state_dict(first.state_dict())
    _descend(second, windows)
    require(
        _same_weights(whole, second), "a resumed training gives a different result: keep the state in buffers"
    )


def _descend(student: Student, windows: Sequence[NDArray[np.float32]]) -> None:
    optimizer = torch.optim.SGD([*student.parameters(), torch.zeros(1, requires_grad=True)], lr=0.01)
    _step(student, windows)
    optimizer.step()
    optimizer.zero_grad()


def _same_weights(one: Student, other: Student) -> bool:
    mine, others = one.state_dict(), other.state_dict()
    return mine.keys() == others.keys() and all(torch.equal(mine[name], others[name]) for name in mine)


def _check_saved(student: Student, windows: Sequence[NDArray[np.float32]]) -> None:
    before = _embedded(student, windows)
    with TemporaryDirectory() as folder:
        save_student(student, Path(folder, "student"))
        try:
            loaded = load_student(Path(folder, "student"))
        except ComodoError as error:
            raise AssertionError(f"the saved student cannot be loaded: {error}") from error
        after = _embedded(loaded, windows)
    require(
        torch.equal(before, after),
        "embeddings differ after saving and loading: keep all state in kwargs, parameters and buffers",
    )


@torch.inference_mode()
def _embedded(student: Student, windows: Sequence[NDArray[np.float32]]) -> Tensor:
    batch, mask = student.collate(windows)
    embeddings: Tensor = attempt(lambda: student(batch, mask), f"windows {tuple(batch.shape)}")
    return embeddings


def _window(seed: int, channels: int, length: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((channels, length)).astype(np.float32)
