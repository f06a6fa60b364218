"""Checks of students and teachers of users' classes."""

from __future__ import annotations

import operator

import torch
from torch import Tensor

from comodo.errors import ClassPathError


def count_of(value: object) -> int | None:
    """Return a number from 1 as int; None for anything else."""
    try:
        number = None if isinstance(value, (bool, Tensor)) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None
    return number if number is not None and number >= 1 else None


def checked_output(output: object, shape: tuple[int, int], whose: str, any_float: bool = False) -> Tensor:
    """Return what a user's model returned. Raises `ClassPathError` for no floats of that shape.

    Args:
        output: to check.
        shape: that it should have.
        whose: to name.
        any_float: allow float64 and half precision where no autocast is on as well.
    """
    if not isinstance(output, Tensor) or output.shape != shape:
        found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ClassPathError(f"{whose} returns {found}; it should be {shape}")
    kind = output.device.type
    cast = {torch.get_autocast_dtype(kind)} if torch.is_autocast_enabled(kind) else set()
    allowed = output.is_floating_point() if any_float else output.dtype in {torch.float32} | cast
    if not allowed:
        raise ClassPathError(f"{whose} returns {output.dtype}; it should be torch.float32")
    return output
