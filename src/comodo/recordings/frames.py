"""Frames of an extracted video, by random access (decord)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comodo.errors import DamageError
from comodo.layouts.sample_tables import find_overclaim
from comodo.storage.regular import open_regular


def read_frames(path: Path, indices: Sequence[int]) -> NDArray[np.uint8]:
    """Read frames of an extracted video: uint8 (n, H, W, 3), RGB.

    The decord reader lives in this call only: it hangs when a process that holds one forks.

    Raises:
        DamageError: the file is missing, cannot be decoded or has too few frames; it names the folder to delete.
    """
    import decord

    check_small_video(path)
    try:
        reader = decord.VideoReader(os.fspath(path), ctx=decord.cpu(0), num_threads=1)
        if len(reader) <= max(indices):
            raise DamageError(
                path.parent, f"{path.name} has {len(reader)} frames, not {max(indices) + 1} or more"
            )
        frames: NDArray[np.uint8] = reader.get_batch(list(indices)).asnumpy()
    except (decord.DECORDError, RuntimeError) as error:
        raise DamageError(path.parent, f"{path.name} cannot be decoded: {error}") from None
    return frames


def check_small_video(path: Path, digest: str | None = None) -> None:
    """Check that an extracted video is there, is an mp4, and has a `digest` (SHA-256) where one is known.

    Raises:
        DamageError: it does not; it names the folder to delete.
    """
    try:
        with open_regular(path) as file:
            head = file.read(8)
            claim = find_overclaim(file)
            file.seek(0)
            found = digest and hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise DamageError(path.parent, f"{path.name} does not exist") from None
    except OSError as error:
        raise DamageError(path.parent, f"{path.name} cannot be read: {error}") from None
    if head[4:] != b"ftyp":  # decord would open the files that a playlist names
        raise DamageError(path.parent, f"{path.name} is no mp4")
    if claim:
        raise DamageError(path.parent, f"{path.name}: {claim}")
    if found != digest:
        raise DamageError(path.parent, f"{path.name} is not the file that was extracted")
