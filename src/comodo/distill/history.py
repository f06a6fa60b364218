"""Training history: one row per epoch, in a file next to the student."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from comodo.errors import DamageError
from comodo.models.distilled import saved_about
from comodo.models.students import OWN_FILE
from comodo.storage.artefacts import read_json
from comodo.storage.files import json_digest


def history_digest(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a digest of a history without its durations; it is saved with the student."""
    lasting = [{key: value for key, value in row.items() if key != "seconds"} for row in rows]
    return json_digest(lasting)


def read_history(path: Path) -> list[dict[str, Any]]:
    """Read a history, and compare it with the digest in the student next to it, if there is one.

    Raises:
        DamageError: if the file is not a history, was edited, or belongs to another student.
    """
    rows = read_json(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) and "epoch" in row for row in rows):
        raise DamageError(path, "it is not a list of epochs")
    student = path.parent / "student"
    expected = saved_about(student, "history") if (student / OWN_FILE).is_file() else None
    if expected is not None and expected != history_digest(rows):
        raise DamageError(path, f"it is not the history of {student}: it was replaced or edited")
    return rows
