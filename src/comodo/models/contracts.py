"""Checks of user-defined students and teachers."""

from __future__ import annotations

import operator

import torch
from torch import Tensor

from comodo.errors import ClassPathError


def count_of(value: object) -> int | None:
    """Return a positive integer as int, and None for anything else."""
    try:
        number = None if isinstance(value, (bool, Tensor)) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None
    return number if number is not None and number >= 1 else None


def checked_output(output: object, shape: tuple[int, int], whose: str, any_float: bool = False) -> Tensor:
    """Check and return the output of a user-defined model.

    Args:
        output: the output.
        shape: its required shape.
        whose: the model, for the message.
        any_float: accept any floating-point dtype. Otherwise only float32 and, under autocast, its dtype.

    Raises:
        ClassPathError: if the output is not a floating-point tensor of this shape.
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
