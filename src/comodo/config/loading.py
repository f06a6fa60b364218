"""From the merged YAML to a `Config`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import ValidationError

from comodo.config.block import Block
from comodo.config.faults import hint
from comodo.config.root import Config
from comodo.errors import ConfigError
from comodo.text import inert


def load(raw: Mapping[str, Any]) -> Config:
    """Validate a merged config.

    Raises:
        ConfigError: one line per fault, each naming its key and, for an unknown key, the nearest known one.
    """
    try:
        return Config.model_validate(dict(raw) if isinstance(raw, Mapping) else raw)
    except ValidationError as error:
        raise ConfigError("\n".join(inert(_fault(fault)) for fault in error.errors())) from None


def _fault(fault: Any) -> str:
    key = ".".join(str(part) for part in fault["loc"]).replace(".[key]", "")
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        return f"{key}: unknown key{hint(str(fault['loc'][-1]), _keys_beside(fault['loc']))}"
    if fault["type"] == "missing":
        return f"{key}: missing"
    given = fault["input"]
    shown = f" (got {given!r})" if isinstance(given, (str, int, float)) else ""
    return f"{key}: {message}{shown}" if key else message


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    """Known keys of the block that an unknown key stands in."""
    block: type[Block] = Config
    for part in location[:-1]:
        if part in block.model_fields:  # else it is a name in a dict of blocks
            nested = [
                kind for kind in _flatten(block.model_fields[str(part)].annotation) if isinstance(kind, type)
            ]
            block = next((kind for kind in nested if issubclass(kind, Block)), block)
    return list(block.model_fields)


def _flatten(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from _flatten(part)
