"""The contract of a student."""

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
    """Check a student: shapes, determinism, batches of one, padding, gradients, saving, and errors.

    Args:
        student: a `torch.nn.Module` with `dim` and `forward(windows (B, C, T), mask=None) → (B, dim)`: its class path,
            its class, a module that was made from `kwargs`, or a function that makes one. Also a student of comodo.
        channels: C.
        length: T of the windows it is tried on; another one is three quarters of it.
        without_gradient: names of weights that no gradient needs to reach, or patterns (`head.*`).
        **kwargs: arguments of the class.

    Raises:
        AssertionError: it names what does not hold.
        ClassPathError: no such class, or it cannot be made.

    Example:
        >>> check_student("mylab.models:TinyGru", width=24)
    """
    made = _student(student, kwargs, channels).eval()
    if isinstance(student, (str, type)):
        again = _student(student, kwargs, channels)
        require(
            _same_weights(made, again),
            "two students of one seed have different weights: draw them from torch's global generator",
        )
    windows = [_window(seed, channels, length) for seed in range(4)]
    embeddings = _embedded(made, windows)
    require(
        embeddings.shape == (4, made.dim), f"embeddings are {tuple(embeddings.shape)}, not (4, {made.dim})"
    )
    require(bool(embeddings.isfinite().all()), "embeddings of noise are not finite")
    require(
        torch.equal(embeddings, _embedded(made, windows)), "eval mode embeds one window differently each time"
    )
    require(not torch.equal(embeddings[0], embeddings[1]), "two different windows have the same embedding")
    alone = torch.cat([_embedded(made, [window]) for window in windows])
    require(close(alone, embeddings), "a window has another embedding alone than in a batch")
    shorter = _embedded(made, [window[:, : length * 3 // 4] for window in windows])
    require(shorter.shape == embeddings.shape, f"shorter windows have embeddings of {tuple(shorter.shape)}")
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
    """Windows of several lengths are padded, or stretched by `collate`: the content of the padding has no effect."""
    batch, mask = student.collate([windows[0], windows[1][:, ::2]])
    if mask is None:
        return
    other = torch.where(mask[:, None] > 0, batch, batch + 3)
    with torch.inference_mode():
        require(bool(student(batch, mask).isfinite().all()), "embeddings of padded windows are not finite")
        same = close(student(batch, mask), student(other, mask))
    require(same, "what stands where the mask is 0 changes the embedding: leave these samples out")


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
    require(not missing, f"no gradient reaches {len(missing)} weights: {', '.join(missing[:3])}")


def _step(student: Student, windows: Sequence[NDArray[np.float32]]) -> None:
    """One gradient, as in training."""
    student.train()
    with seeded(0):
        output = attempt(lambda: student(*student.collate(windows)), "in training mode")
        require(
            output.requires_grad or not list(student.parameters()), "no gradient flows from the embeddings"
        )
        if output.requires_grad:
            (output * torch.randn_like(output)).sum().backward()


def _check_resumed(make: Callable[[], Student], windows: Sequence[NDArray[np.float32]]) -> None:
    """Two steps, and two with the weights and buffers handed on to another object in between, end the same."""
    whole, first, second = make(), make(), make()
    first.load_state_dict(whole.state_dict())
    for one in (whole, first, whole):
        _descend(one, windows)
    second.load_state_dict(first.state_dict())
    _descend(second, windows)
    require(_same_weights(whole, second), "a resumed training ends differently: keep its state in buffers")


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
            raise AssertionError(f"it is saved, but cannot be loaded: {error}") from error
        after = _embedded(loaded, windows)
    require(
        torch.equal(before, after),
        "saved and loaded, it embeds differently: what it needs must be in kwargs, parameters and buffers",
    )


@torch.inference_mode()
def _embedded(student: Student, windows: Sequence[NDArray[np.float32]]) -> Tensor:
    batch, mask = student.collate(windows)
    embeddings: Tensor = attempt(lambda: student(batch, mask), f"windows {tuple(batch.shape)}")
    return embeddings


def _window(seed: int, channels: int, length: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((channels, length)).astype(np.float32)
