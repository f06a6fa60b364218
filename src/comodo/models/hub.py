"""Saved students on the Hugging Face Hub: the whole folder, with heads, anchors and description."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from comodo.errors import ModelError
from comodo.text import first_line

PATTERNS: Final = ["*.json", "*.safetensors", "README.md", "SHA256SUMS"]
"""Files of a saved student. Nothing else is downloaded."""


def whole_folder(student: str | os.PathLike[str], revision: str | None = None) -> Path:
    """Return the folder of a student; one on the hub is downloaded to the hub's cache first.

    Args:
        student: a folder, or an id on the hub.
        revision: pinned revision of the id.

    Raises:
        ModelError: if there is no such folder and no such model.
    """
    name = os.fspath(student)
    if os.path.isdir(name):
        return Path(name)
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=PATTERNS))
    except (OSError, ValueError) as error:  # no network, no such model, or an invalid id
        raise ModelError(
            f"student {name!r} is neither a folder nor a model on the hub: {first_line(error)}"
        ) from error


def has_file(student: str, file: str, revision: str | None = None) -> bool:
    """Return whether a model on the hub has a file; False without network and for a folder."""
    if os.path.isdir(student):
        return False
    from huggingface_hub import hf_hub_download

    try:
        hf_hub_download(student, file, revision=revision)
    except (OSError, ValueError):
        return False
    return True
