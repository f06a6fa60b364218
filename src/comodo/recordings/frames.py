"""Frames of an extracted video, by random access: decord, or torchcodec where decord has no wheel (Linux on Arm)."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comodo.errors import ComodoError, DamageError, DecoderError
from comodo.layouts.sample_tables import find_overclaim
from comodo.storage.regular import open_regular
from comodo.text import first_line


def read_frames(path: Path, indices: Sequence[int]) -> NDArray[np.uint8]:
    """Read frames of an extracted video: uint8 (n, H, W, 3), RGB.

    decord and torchcodec give equal frames.

    Raises:
        DamageError: the file is missing, cannot be decoded or has too few frames; it names the folder to delete.
        DecoderError: neither package can be used.
    """
    check_small_video(path)
    read = _read_by_decord if importlib.util.find_spec("decord") else _read_by_torchcodec
    try:
        return read(path, list(indices))
    except (RuntimeError, ValueError, IndexError) as error:
        if isinstance(error, ComodoError):
            raise
        raise DamageError(path.parent, f"{path.name} cannot be decoded: {error}") from None


def _read_by_decord(path: Path, indices: list[int]) -> NDArray[np.uint8]:
    """The reader lives in this call only: decord hangs when a process that holds one forks."""
    import decord

    try:
        reader = decord.VideoReader(os.fspath(path), ctx=decord.cpu(0), num_threads=1)
        _check_length(path, len(reader), indices)
        frames: NDArray[np.uint8] = reader.get_batch(indices).asnumpy()
    except decord.DECORDError as error:
        raise RuntimeError(str(error)) from None
    return frames


def _read_by_torchcodec(path: Path, indices: list[int]) -> NDArray[np.uint8]:
    try:
        from torchcodec.decoders import VideoDecoder
    except (ImportError, RuntimeError, OSError) as error:  # RuntimeError: no shared libraries of FFmpeg
        raise DecoderError(
            "no reader of small video: `pip install decord`, or where it has no wheel `pip install comodo[torchcodec]` "
            f"and the shared libraries of FFmpeg ({first_line(error)})"
        ) from None
    decoder = VideoDecoder(os.fspath(path), dimension_order="NHWC", num_ffmpeg_threads=1)
    _check_length(path, len(decoder), indices)
    frames: NDArray[np.uint8] = decoder.get_frames_at(indices).data.numpy()
    return frames


def _check_length(path: Path, length: int, indices: list[int]) -> None:
    if length <= max(indices):
        raise DamageError(path.parent, f"{path.name} has {length} frames, not {max(indices) + 1} or more")


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
