"""Open a video file: only the formats of recordings, from this one file, in bounded memory (PyAV)."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import av.logging

from comodo.errors import VideoError
from comodo.layouts.sample_tables import find_overclaim
from comodo.storage.regular import open_regular

BARE = (
    "h264",
    "hevc",
    "m4v",
    "mpegvideo",
    "av1",
    "obu",
    "vvc",
)  # FFmpeg's names of streams without a container
MOST_PIXELS = 8192 * 8192  # of a frame; a small file can ask a decoder for any amount of memory
MOST_MEMORY = 1 << 31  # bytes for the index of a file and the first frames of its tracks
FORMATS = (
    "mov",
    "matroska",
    "avi",
    "mpegts",
    "mpeg",
    "flv",
    "asf",
)  # FFmpeg's names: mov is mp4, matroska is webm


def open_video(path: Path) -> Any:
    """Open a container for reading; raise `VideoError` with the cause if that fails.

    Only the formats of recordings are read, from this one file: a playlist would have FFmpeg open others.
    """
    try:
        file = open_regular(path)
    except FileNotFoundError:
        raise VideoError("video_missing_file", f"{path} does not exist") from None
    except (OSError, ValueError) as error:
        raise VideoError("video_unreadable", f"{path} cannot be read: {error}") from None
    with file:
        if not file.read(1):
            raise VideoError("video_empty", f"{path} is empty")
        if claim := find_overclaim(file):
            raise VideoError("video_unreadable", f"{path} is not a video that can be read: {claim}")
        try:
            with limit_memory(MOST_MEMORY):
                return _open(file.fileno())
        except (av.error.FFmpegError, ValueError, MemoryError) as error:
            refused = isinstance(error, av.error.ArgumentError) and _unknown_format(file.fileno())
            why = refused or getattr(error, "strerror", None) or error
            raise VideoError("video_unreadable", f"{path} is not a video that can be read: {why}") from None


def _open(file: int) -> Any:
    """Open a container by its file descriptor: FFmpeg would read some paths as URLs or patterns."""
    os.lseek(file, 0, os.SEEK_SET)
    options = {
        "fd": str(file),
        "format_whitelist": ",".join(FORMATS),
        "protocol_whitelist": "fd",
        "max_pixels": str(MOST_PIXELS),
    }
    return av.open("fd:", options=options, metadata_errors="replace")


def _unknown_format(file: int) -> str:
    """The format of a file that was not opened because it is none of `FORMATS`, from FFmpeg's log; "" if it is."""
    level, skips = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)  # else messages of an earlier file come now
    try:
        with av.logging.Capture() as messages, suppress(av.error.FFmpegError, ValueError, MemoryError):
            _open(file).close()
    finally:
        av.logging.set_level(level)
        av.logging.set_skip_repeated(skips)
    found = [name for _, name, message in messages if "not on whitelist" in message]
    if not found:
        return ""
    text = f"its format is {found[0]}, which is none of {', '.join(FORMATS)}"
    if found[0] in BARE:
        text += "; a bare stream has no timestamps: put it into a container at its frame rate, as in: ffmpeg -r 30 -i "
        text += "in.h264 -c copy out.mp4"
    return text


@contextmanager
def limit_memory(most: int) -> Iterator[None]:
    """Let the process take no more than `most` bytes on top of what it has; allocations beyond fail."""
    try:
        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:  # not Linux
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limits = [limit for limit in (held + most, soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min(limits), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
