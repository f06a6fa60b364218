"""Encoding the frames of a video anew: H.264 at a constant rate, upright, centre crop, scale."""

from __future__ import annotations

import itertools
import math
import os
import struct
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av.filter

from comodo.errors import VideoError

LONGEST_SIDE = 1 << 14  # of a frame with square pixels
WIDEST = 8  # ratio of the sides of a pixel that is believed
NO_PICTURE_TYPE = av.video.frame.PictureType.NONE  # else keyframes of the source become keyframes


def transcode(
    frames: Iterable[Any],
    time_base: Fraction,
    target: Path,
    fps: Fraction,
    size: int,
    clip_frames: int,
    crf: int,
    longest: int | None,
    pixels: Fraction | None = None,
) -> int:
    """Filter and encode frames into an mp4; return how many that gave.

    Args:
        frames: with `pts` in units of `time_base`.
        time_base: s.
        target: the file to write.
        fps: frames per second of the result.
        size: side of its square frames.
        clip_frames: frames from one keyframe to the next.
        crf: quality of x264.
        longest: most frames of the result.
        pixels: width of a source pixel by its height; None: taken to be square.

    Raises:
        VideoError: a frame cannot be converted.
    """
    count = 0
    graph: Any = None
    shape: tuple[int, int, str] | None = None
    with av.open(os.fspath(target), "w", format="mp4", container_options={"fflags": "+bitexact"}) as output:
        stream = output.add_stream("libx264", rate=fps)
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.time_base = 1 / fps
        stream.codec_context.thread_count = 1  # the bytes depend on it
        stream.options = {
            "preset": "veryfast",
            "crf": str(crf),
            # mbtree: its look-ahead gives other bytes from one call to the next (seen with x264 of PyAV 18.1)
            "x264-params": f"keyint={clip_frames}:scenecut=0:mbtree=0",
        }

        def drain() -> None:
            nonlocal count
            while True:
                try:
                    frame = graph.vpull()
                except (av.error.BlockingIOError, av.error.EOFError):
                    return
                if longest is not None and count >= longest:
                    continue  # the last source frame lasts beyond the end
                if count == 0:  # colours stay as they are, so the file must say what they mean
                    for tag in ("color_range", "colorspace", "color_primaries", "color_trc"):
                        setattr(stream.codec_context, tag, int(getattr(frame, tag)))
                frame.pts, frame.time_base = count, 1 / fps
                frame.pict_type = NO_PICTURE_TYPE
                output.mux(stream.encode(frame))
                count += 1

        for frame in frames:
            if graph is None:
                shape = (frame.width, frame.height, frame.format.name)
                graph = _filters(frame, time_base, fps, size, pixels)
            elif shape and (frame.width, frame.height, frame.format.name) != shape:
                frame = frame.reformat(shape[0], shape[1], shape[2])  # a stream that changes its size midway
            try:
                graph.vpush(frame)
            except av.error.FFmpegError as error:
                raise VideoError("video_unreadable", f"a frame cannot be converted: {error}") from None
            drain()
        if graph is not None:
            graph.vpush(None)
            drain()
        output.mux(stream.encode(None))
    return count


def _filters(frame: Any, time_base: Fraction, fps: Fraction, size: int, pixels: Fraction | None) -> Any:
    """The published chain (constant rate, centre crop to a square, scale) after the frame is upright and square."""
    graph = av.filter.Graph()
    source = {
        "video_size": f"{frame.width}x{frame.height}",
        "pix_fmt": frame.format.name,
        "time_base": f"{time_base.numerator}/{time_base.denominator}",
        "range": int(frame.color_range),
        "colorspace": int(frame.colorspace),
    }
    stretched = pixels is not None and pixels != 1 and 1 / WIDEST <= pixels <= WIDEST
    stretched = stretched and max(frame.width, frame.height) * max(pixels or 1, 1) <= LONGEST_SIDE
    if stretched and pixels is not None:
        source["pixel_aspect"] = f"{pixels.numerator}/{pixels.denominator}"
    chain = [graph.add("buffer", ":".join(f"{key}={value}" for key, value in source.items()))]
    chain += [graph.add(name, options) for name, options in upright(frame)]
    if stretched:
        chain += [graph.add("scale", "w=max(2\\,trunc(iw*sar/2)*2):h=ih"), graph.add("setsar", "1")]
    chain += [
        graph.add("fps", f"fps={fps.numerator}/{fps.denominator}:start_time=0"),
        graph.add("crop", "w=min(iw,ih):h=min(iw,ih)"),
        graph.add("scale", f"{size}:{size}"),
        graph.add("format", "yuv420p"),
        graph.add("buffersink"),
    ]
    for before, after in itertools.pairwise(chain):
        before.link_to(after)
    graph.configure()
    return graph


def upright(frame: Any) -> list[tuple[str, str]]:
    """Return the filters, with their options, that turn and mirror a frame by its display matrix, as ffmpeg does."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return []
    matrix = struct.unpack("<9i", bytes(data)[:36])
    turned = round(math.degrees(math.atan2(matrix[1], matrix[0]))) % 360  # clockwise
    if turned == 90:
        return [("transpose", "cclock_flip" if matrix[3] > 0 else "clock")]
    if turned == 180:
        mirrored = [("hflip", "")] if matrix[0] < 0 else []
        return mirrored + ([("vflip", "")] if matrix[4] < 0 else [])
    if turned == 270:
        return [("transpose", "clock_flip" if matrix[3] < 0 else "cclock")]
    return [("vflip", "")] if matrix[4] < 0 else []
