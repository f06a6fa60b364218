"""Contract check of teachers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from comodo.models.class_teacher import ClassTeacher
from comodo.models.teachers import Teacher
from comodo.testing.requirements import attempt, class_path_of, close, refused, require


def check_teacher(
    teacher: str | type[Any] | Teacher | Callable[[], Teacher], *, size: int = 32, **kwargs: Any
) -> None:
    """Check a teacher: shapes, determinism, batches of one, no gradient and errors.

    Args:
        teacher: class path or class of an object with `n_frames`, `dim` and `encode(pixels) → (B, dim)`. Also a
            built-in teacher, or a function that returns one.
        size: side of the test frames, pixels.
        **kwargs: arguments of the class.

    Raises:
        AssertionError: if the contract is violated.
        ClassPathError: if the class does not exist or cannot be instantiated.

    Example:
        >>> check_teacher("mylab.video:MeanColour", size=64)
    """
    if isinstance(teacher, type):
        teacher = class_path_of(teacher)
    if isinstance(teacher, str):
        teacher = ClassTeacher(teacher, kwargs, "cpu")
    made = teacher if isinstance(teacher, Teacher) else teacher()
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (3, made.n_frames, size, size, 3), dtype=np.uint8)
    pixels = made.normalise(frames)
    before = pixels.clone()
    embeddings = attempt(lambda: made.encode(pixels), f"clips {tuple(pixels.shape)}")
    require(torch.equal(pixels, before), "encode changes its input in place: change a copy")
    require(
        embeddings.shape == (3, made.dim),
        f"embeddings have the shape {tuple(embeddings.shape)}, not (3, {made.dim})",
    )
    require(embeddings.dtype == torch.float32, f"embeddings are {embeddings.dtype}, not float32")
    require(bool(embeddings.isfinite().all()), "embeddings are not finite")
    require(not embeddings.requires_grad, "embeddings require a gradient, but a teacher is frozen")
    require(torch.equal(embeddings, made.encode(pixels)), "one clip is embedded differently each time")
    require(not torch.equal(embeddings[0], embeddings[1]), "two different clips have the same embedding")
    alone = torch.cat([_alone(made, pixels[i : i + 1]) for i in range(3)])
    require(close(alone, embeddings), "the embedding of a clip depends on the other clips of its batch")
    refused(lambda: made.encode(pixels.repeat(1, 2, 1, 1, 1)), f"clips of {2 * made.n_frames} frames")
    refused(lambda: made.encode(pixels[:, :, :1]), "frames of one colour")


def _alone(teacher: Teacher, pixels: torch.Tensor) -> torch.Tensor:
    return attempt(lambda: teacher.encode(pixels), "a single clip")
