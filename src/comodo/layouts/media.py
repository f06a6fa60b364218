"""Open a video file: only the formats of recordings, from this one file, in bounded memory (PyAV)."""

from __future__ import annotations

import logging
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import av.logging
import av.stream
from av.codec.hwaccel import HWAccel

from comodo.errors import VideoError
from comodo.layouts.sample_tables import find_overclaim
from comodo.storage.regular import open_regular
from comodo.text import first_line

log = logging.getLogger(__name__)

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
COVER = av.stream.Disposition.attached_pic
FORMATS = (
    "mov",
    "matroska",
    "avi",
    "mpegts",
    "mpeg",
    "flv",
    "asf",
)  # FFmpeg's names: mov is mp4, matroska is webm


def open_video(path: Path, hwaccel: str = "none") -> Any:
    """Open a container for reading; raise `VideoError` with the cause if that fails.

    Only the formats of recordings are read, from this one file: a playlist would have FFmpeg open others. A device
    `hwaccel` ("cuda") decodes where it can, software else.
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
                return _accelerated(path, file.fileno(), hwaccel) or _open(file.fileno())
        except (av.error.FFmpegError, ValueError, MemoryError) as error:
            refused = isinstance(error, av.error.ArgumentError) and _unknown_format(file.fileno())
            why = refused or getattr(error, "strerror", None) or error
            raise VideoError("video_unreadable", f"{path} is not a video that can be read: {why}") from None


def _accelerated(path: Path, file: int, hwaccel: str) -> Any:
    """Open a container for decoding by a device; None where no device is wanted or it refuses."""
    if hwaccel == "none":
        return None
    try:
        container = _open(file, HWAccel(device_type=hwaccel, allow_software_fallback=True))
    except (av.error.FFmpegError, ValueError, RuntimeError) as error:
        log.warning("%s: no device %s (%s): decoded by software", path, hwaccel, first_line(error))
        return None
    if not any(stream.codec_context.is_hwaccel for stream in container.streams.video):
        log.warning("%s: %s does not decode its codec: decoded by software", path, hwaccel)
    return container


def _open(file: int, hwaccel: HWAccel | None = None) -> Any:
    """Open a container by its file descriptor: FFmpeg would read some paths as URLs or patterns."""
    os.lseek(file, 0, os.SEEK_SET)
    options = {
        "fd": str(file),
        "format_whitelist": ",".join(FORMATS),
        "protocol_whitelist": "fd",
        "max_pixels": str(MOST_PIXELS),
    }
    return av.open("fd:", options=options, metadata_errors="replace", hwaccel=hwaccel)


def video_stream(container: Any, path: Path) -> Any:
    """The first video track that is no cover picture. Raises `VideoError` for no such track."""
    streams = [stream for stream in container.streams.video if not stream.disposition & COVER]
    if not streams:
        raise VideoError("video_no_stream", f"{path} has no video track")
    if streams[0].codec_context is None or streams[0].time_base is None:
        raise VideoError("video_unreadable", f"{path}: no decoder for its video track")
    streams[0].codec_context.options = {"max_pixels": str(MOST_PIXELS)}
    return streams[0]


def declared_duration(container: Any, stream: Any) -> float | None:
    """Length of the video track in seconds, else the end of the file less the track's start (Matroska)."""
    if stream.duration is not None:
        start = (
            (stream.start_time or 0) if container.format.name == "asf" else 0
        )  # there it is the track's end
        return float((stream.duration - start) * stream.time_base)
    if container.duration is None:
        return None
    return float(container.duration / av.time_base - (stream.start_time or 0) * stream.time_base)


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
