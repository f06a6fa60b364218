"""Checks of checkpoints, which anybody may have written or a broken training may have left."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_parameter_registration_hook,
)

from comodo.errors import ModelError
from comodo.storage.files import strict_json
from comodo.storage.regular import read_bytes
from comodo.text import first_line

T = TypeVar("T", dict[str, Any], list[Any])

MOST_JSON: Final = 4 << 20
"""Bytes of a JSON file; configs with a thousand class names have 0.1 MB."""
DEEPEST: Final = 16
DEPTHS: Final = {
    "num_layers",
    "num_decoder_layers",
    "num_hidden_layers",
    "pred_num_hidden_layers",
    "transf_depth",
    "e_layers",
}
MOST_LAYERS: Final = 1024
NUMBER: Final = re.compile(r"(?<=\.)\d+(?=\.)")
SPARE: Final = 1 << 24
"""Numbers that a model may hold beyond its weights: positions, masks."""
SHARE: Final = 4
"""A model that is made whole and used in part has no more than so many times the weights."""


def read_json(path: Path, kind: type[T], largest: float = math.inf) -> T:
    """Read a small JSON file whose outermost value is a `kind`, and its numbers finite and at most `largest`.

    Raises:
        ModelError: for any other file.
    """
    try:
        if (size := path.stat().st_size) > MOST_JSON:
            raise ModelError(f"{path} has {size} bytes, too much for a config")
        value = strict_json(read_bytes(path))
        wrong = _first_wrong(value, largest)
    except (ValueError, RecursionError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{path} is no JSON: {first_line(error)}") from error
    if not isinstance(value, kind):
        raise ModelError(f"{path} holds a {type(value).__name__}, not a {kind.__name__}")
    if wrong is not None:
        raise ModelError(f"{path}: {wrong}")
    return value


def _first_wrong(value: Any, largest: float) -> str | None:
    """What no config holds: numbers without end or above `largest`, lists in lists in lists …."""
    level = [value]
    for _ in range(DEEPEST):
        for part in level:
            if isinstance(part, (int, float)) and not (
                abs(part) <= largest and part not in (math.inf, -math.inf)
            ):
                return f"{str(part)[:40]} is too large a number"
        level = [
            inner
            for part in level
            if isinstance(part, (dict, list))
            for inner in (part.values() if isinstance(part, dict) else part)
        ]
    return "it is nested too deeply" if level else None


def check_depths(config: Any, whose: str) -> None:
    """Refuse numbers of layers that are none, or that no model has: packages make as many, or none at all, in silence.

    Raises:
        ModelError: for a key such as `num_layers` or `transf_depth`, at any level of a config of `read_json`.
    """
    for key, value in config.items():
        if isinstance(value, dict):
            check_depths(value, whose)
        elif (
            key in DEPTHS and value is not None and (type(value) is not int or not 1 <= value <= MOST_LAYERS)
        ):
            raise ModelError(f"{whose}: config.json: {key}: {str(value)[:40]!r} is no number of layers")


def check_unused(unused: Iterable[str], used: Iterable[str], whose: str, every: bool = False) -> None:
    """Refuse a model that leaves out layers that the checkpoint has.

    Args:
        unused, used: names of the checkpoint's weights that the model does not have, and of the model's.
        whose: to name.
        every: refuse any weight that is not used; else only those that are named as the model's but for a number.
    """
    kinds = {NUMBER.sub("#", name) for name in used}
    for name in sorted(unused):
        if every or (NUMBER.search(name) and NUMBER.sub("#", name) in kinds):
            raise ModelError(f"{whose}: config.json leaves out the weight {name!r}, which the checkpoint has")


def stored_weights(path: Path, whose: str) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Kinds and shapes of the weights in a safetensors file by their names; raises `ModelError`."""
    try:
        with safe_open(path, "pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 it is no dict
            return {name: (part.get_dtype(), tuple(part.get_shape())) for name, part in slices.items()}
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{whose}: {path.name} is broken ({first_line(error)})") from error


def check_kinds(weights: Iterable[tuple[str, Tensor]], stored: dict[str, str], whose: str) -> None:
    """Refuse weights that are stored as another kind of number than the model has; torch would convert them."""
    for name, values in weights:
        kind = stored.get(name)
        real = kind is not None and kind.startswith(("F", "BF"))
        if kind is not None and (values.is_complex() or values.is_floating_point() != real):
            raise ModelError(
                f"{whose}: the weight {name!r} is stored as {kind}, but the model's is {values.dtype}"
            )


@contextmanager
def sketched(weights: int, whose: str) -> Iterator[None]:
    """Within, models are made without memory for their weights, to see whether these can be in the checkpoint.

    Args:
        weights: numbers that the checkpoint holds.
        whose: to name.

    Raises:
        ModelError: as soon as a model has many more of them.
    """
    seen: dict[int, Tensor] = {}
    held = 0

    def add(_: nn.Module, name: str, values: Tensor | None) -> None:
        nonlocal held
        if values is not None and id(values) not in seen:
            seen[id(values)] = values  # kept, so that no other gets its id
            held += values.numel()
            if held > SHARE * weights + SPARE or len(seen) > SHARE * weights + SPARE:
                raise ModelError(
                    f"{whose}: config.json asks for far more weights than the {weights} in the checkpoint"
                )

    hooks = [
        register(add)
        for register in (
            register_module_parameter_registration_hook,
            register_module_buffer_registration_hook,
        )
    ]
    try:
        with torch.device("meta"):
            yield
    finally:
        for hook in hooks:
            hook.remove()


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
