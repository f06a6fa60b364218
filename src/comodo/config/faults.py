"""Faults of a config: one line each, with the nearest known key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, get_args

from comodo.config.block import Block, hint
from comodo.config.root import Config
from comodo.text import did_you_mean


def fault_lines(faults: Iterable[Any]) -> list[str]:
    """Return the lines of pydantic's errors; a value that is in none of several lists of values has one line."""
    lines = []
    choices: dict[tuple[Any, ...], list[Any]] = {}
    for fault in faults:
        if fault["type"] == "literal_error" and str(fault["loc"][-1]).startswith("literal["):
            choices.setdefault(fault["loc"][:-1], []).append(fault)
        else:
            lines.append(fault_line(fault))
    for location, own in choices.items():
        known = [name for fault in own for name in re.findall(r"'([^']*)'", fault["ctx"]["expected"])]
        key, given = ".".join(map(str, location)), own[0]["input"]
        near = did_you_mean(given, known) if isinstance(given, str) else ""
        lines.append(f"{key}: {given!r} is none of {', '.join(known)}{near}")
    return lines


def fault_line(fault: Any) -> str:
    """Return the line of one of pydantic's errors: the key, the fault, and the nearest known key."""
    key = re.sub(
        r"\.\[\w+\]", "", ".".join(str(part) for part in fault["loc"])
    )  # no [key], no tag of a union
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        return f"{key}: unknown key{hint(str(fault['loc'][-1]), _keys_beside(fault['loc']))}"
    if fault["type"] == "missing":
        return f"{key}: missing"
    given = fault["input"]
    shown = f" (got {given!r})" if isinstance(given, (str, int, float)) else ""
    return f"{key}: {message}{shown}" if key else message


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    """Return the known keys of the block that holds an unknown key."""
    block: type[Block] = Config
    for part in location[:-1]:
        if part in block.model_fields:  # else it is a name in a dict of blocks
            nested = [
                kind for kind in _flatten(block.model_fields[str(part)].annotation) if isinstance(kind, type)
            ]
            block = next((kind for kind in nested if issubclass(kind, Block)), block)
    return list(block.written_keys())


def _flatten(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from _flatten(part)
