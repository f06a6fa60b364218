"""Checks of checkpoints, which may come from an untrusted source or a failed training run."""

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
from comodo.storage.artefacts import SUMS
from comodo.storage.files import strict_json
from comodo.storage.regular import read_bytes
from comodo.text import first_line

T = TypeVar("T", dict[str, Any], list[Any])

MOST_JSON: Final = 4 << 20
"""Maximum size of a JSON file, bytes; a config with a thousand class names has 0.1 MB."""
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
"""Numbers that a model may hold in addition to its weights: positions, masks."""
SHARE: Final = 4
"""Maximum ratio of a model's weights to those in its checkpoint, for models of which only a part is used."""


POINTERS: Final = (b"version https://git-lfs.github.com/spec/", b"version https://hawser.github.com/spec/")
"""How a pointer of git-lfs begins, today and before 2015."""
SHORTEST: Final = 1024
"""Bytes; a git-lfs pointer is shorter."""


def check_fetched(folder: Path, whose: str) -> None:
    """Raise `ModelError` if a file of a folder is a git-lfs pointer: its content was never downloaded."""
    if not folder.is_dir():
        return
    for file in sorted(folder.iterdir()):
        if not file.is_file() or (file.suffix not in {".json", ".safetensors", ".bin"} and file.name != SUMS):
            continue
        if file.suffix == ".bin" and (folder / "model.safetensors").is_file():
            continue  # never read
        if file.stat().st_size < SHORTEST and read_bytes(file).startswith(POINTERS):
            text = f"{file.name} is a git-lfs pointer, not the file itself: run `git lfs pull` in {folder}"
            raise ModelError(f"{whose}: {text}")


def read_json(path: Path, kind: type[T], largest: float = math.inf) -> T:
    """Read a small JSON file.

    Args:
        path: the file.
        kind: type of the outermost value, `dict` or `list`.
        largest: maximum absolute value of its numbers, which must be finite.

    Raises:
        ModelError: if the file is too large, not JSON, of another type, or nested too deeply, or a number is not
            finite or above `largest`.
    """
    try:
        if (size := path.stat().st_size) > MOST_JSON:
            raise ModelError(f"{path} has {size} bytes, too many for a config")
        value = strict_json(read_bytes(path))
        wrong = _first_wrong(value, largest)
    except (ValueError, RecursionError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{path} is not valid JSON: {first_line(error)}") from error
    if not isinstance(value, kind):
        raise ModelError(f"{path} holds a {type(value).__name__}, not a {kind.__name__}")
    if wrong is not None:
        raise ModelError(f"{path}: {wrong}")
    return value


def _first_wrong(value: Any, largest: float) -> str | None:
    """Describe the first number that is not finite or above `largest`, or too deep nesting; None if valid."""
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
    """Check the numbers of layers in a config, because the families' packages accept any without an error.

    Args:
        config: content of config.json. Keys such as `num_layers` and `transf_depth` are checked at any level.
        whose: the model, for the message.

    Raises:
        ModelError: if such a value is not an integer from 1 to 1024.
    """
    for key, value in config.items():
        if isinstance(value, dict):
            check_depths(value, whose)
        elif (
            key in DEPTHS and value is not None and (type(value) is not int or not 1 <= value <= MOST_LAYERS)
        ):
            raise ModelError(
                f"{whose}: config.json: {key}: {str(value)[:40]!r} is not a number of layers, 1 to {MOST_LAYERS}"
            )


def check_unused(unused: Iterable[str], used: Iterable[str], whose: str, every: bool = False) -> None:
    """Raise `ModelError` if the model omits layers that the checkpoint has.

    Args:
        unused: names of weights that only the checkpoint has.
        used: names of the model's weights.
        whose: the model, for the message.
        every: reject any unused weight. Otherwise only one whose name differs from a used name in a number.
    """
    kinds = {NUMBER.sub("#", name) for name in used}
    for name in sorted(unused):
        if every or (NUMBER.search(name) and NUMBER.sub("#", name) in kinds):
            raise ModelError(f"{whose}: config.json leaves out the weight {name!r}, which the checkpoint has")


def stored_weights(path: Path, whose: str) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return dtype and shape of each weight in a safetensors file; raise `ModelError` if it is invalid."""
    try:
        with safe_open(path, "pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 it is not a dict
            return {name: (part.get_dtype(), tuple(part.get_shape())) for name, part in slices.items()}
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"{whose}: {path.name} is not a valid safetensors file: {first_line(error)}"
        ) from error


def check_kinds(weights: Iterable[tuple[str, Tensor]], stored: dict[str, str], whose: str) -> None:
    """Raise `ModelError` if a stored dtype is not of the model's kind (float, integer), as torch would convert it."""
    for name, values in weights:
        kind = stored.get(name)
        real = kind is not None and kind.startswith(("F", "BF"))
        if kind is not None and (values.is_complex() or values.is_floating_point() != real):
            raise ModelError(
                f"{whose}: the weight {name!r} is stored as {kind}, but the model has {values.dtype}"
            )


@contextmanager
def sketched(weights: int, whose: str) -> Iterator[None]:
    """Build models on the meta device within this context, to check their size before memory is allocated.

    Args:
        weights: number of values in the checkpoint.
        whose: the model, for the message.

    Raises:
        ModelError: as soon as a model has far more weights than its checkpoint.
    """
    seen: dict[int, Tensor] = {}
    held = 0

    def add(_: nn.Module, name: str, values: Tensor | None) -> None:
        nonlocal held
        if values is not None and id(values) not in seen:
            seen[id(values)] = values  # a reference, so that the id is not reused
            held += values.numel()
            if held > SHARE * weights + SPARE or len(seen) > SHARE * weights + SPARE:
                raise ModelError(
                    f"{whose}: config.json requires far more weights than the {weights} in the checkpoint"
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
    """Raise `ModelError` if a weight is not finite. Takes one pass and no additional memory.

    Args:
        weights: names and values of weights and buffers, such as the items of a state dict.
        whose: the folder or file, for the message.
    """
    for name, values in weights:
        if values.is_floating_point() and values.numel() and not _all_finite(values):
            raise ModelError(
                f"{whose}: the weight {name!r} holds values that are not finite: use another checkpoint, or train "
                "again"
            )


def _all_finite(values: Tensor) -> bool:
    """Return whether all values are finite, from their extrema, which are NaN if any value is."""
    return bool(torch.isfinite(torch.stack(torch.aminmax(values.detach()))).all())
