"""Inputs of commands: text, JSON, the folder of a model. Faults are one-line errors."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from comodo.errors import CommandError
from comodo.storage import regular
from comodo.text import first_line


def read_text(path: Path) -> str:
    """Read a UTF-8 file. Raises `CommandError`."""
    try:
        return regular.read_text(path)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeError as error:
        raise CommandError(f"{path} is no text in UTF-8 ({first_line(error)})") from None


def read_json_object(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds keys and values. Raises `CommandError`."""
    text = read_text(path)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{path} is no JSON: {first_line(error)}") from error
    if not isinstance(content, dict):
        raise CommandError(f"{path} holds no JSON object, {{…}}")
    return content


def is_folder(given: str) -> bool:
    """Return whether a text, which may also be a hub id of any length, names a folder."""
    try:
        return bool(given) and Path(given).is_dir()
    except (OSError, ValueError):
        return False


def check_model(flag: str, given: str) -> None:
    """Check that a flag names a model: a hub id, or a folder with readable descriptions; not a file.

    Raises:
        CommandError: it is a file, or a folder with a broken config.json, comodo.json or SHA256SUMS.
    """
    folder = Path(given)
    if not is_folder(given):
        if given and len(given) < 256 and folder.is_file():
            raise CommandError(f"{flag} {given} is a file: give the model's folder, or its id on the hub")
        return
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise CommandError(f"{flag} {given} cannot be read: {error.strerror}") from None
    for name in {"config.json", "comodo.json"}.intersection(names):
        content = read_json_object(folder / name)
        if name == "comodo.json" and "reduction" not in content:
            raise CommandError(f"{folder / name} lacks the key 'reduction': it is not what `comodo` wrote")
    if "SHA256SUMS" in names:
        read_text(folder / "SHA256SUMS")
