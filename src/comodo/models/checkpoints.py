"""Checks of checkpoints, which anybody may have written or a broken training may have left."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from comodo.errors import ModelError


def check_finite(weights: Iterable[tuple[str, Tensor]], whose: str) -> None:
    """Refuse weights that are not finite, in one pass that takes no memory; raises `ModelError`.

    Args:
        weights: names and values, say the items of a state dict; buffers count.
        whose: the folder or file to name.
    """
    for name, values in weights:
        if values.is_floating_point() and values.numel() and not _all_finite(values):
            raise ModelError(
                f"{whose}: the weight {name!r} holds values that are not finite: take another checkpoint, or train "
                "again"
            )


def _all_finite(values: Tensor) -> bool:
    """NaN goes through the extrema, infinity is one of them."""
    return bool(torch.isfinite(torch.stack(torch.aminmax(values.detach()))).all())
