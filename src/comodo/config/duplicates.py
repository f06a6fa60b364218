"""Repeated keys in a block of a YAML file: parsers silently keep the last one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

from comodo.errors import ConfigError
from comodo.storage.regular import read_text


def check_duplicate_keys(path: Path) -> None:
    """Raise `ConfigError` for a key that a block of a config file has twice; it names the block and both lines.

    A key that overrides one of a merged block (`<<: *other`) is none. What cannot be read or parsed is left to the
    reader of the file.
    """
    try:
        root = yaml.compose(read_text(path), Loader=yaml.SafeLoader)
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return
    faults = list(_twice(root, ""))
    if faults:
        raise ConfigError("\n".join(f"{path}: {fault}" for fault in faults))


def _twice(root: yaml.Node | None, name: str) -> Iterator[str]:
    waiting, seen_nodes = [(name, root)], set[int]()
    while waiting:
        block, node = waiting.pop()
        if id(node) in seen_nodes:  # an anchor that is used again
            continue
        seen_nodes.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += [(block, item) for item in node.value]
        if not isinstance(node, yaml.MappingNode):
            continue
        lines: dict[str, int] = {}
        for key, value in node.value:
            text = str(getattr(key, "value", ""))
            place, line = f"{block}.{text}".lstrip("."), key.start_mark.line + 1
            if text in lines and text != "<<":
                yield f"{place} stands twice, in lines {lines[text]} and {line}: keep one"
            lines.setdefault(text, line)
            waiting.append((place, value))
