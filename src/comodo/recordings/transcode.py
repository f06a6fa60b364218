"""Copying or coding anew the frames of a video: H.264 at a constant rate, centre crop, scale."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av.filter

from comodo.errors import VideoError
from comodo.layouts.media import open_video
from comodo.recordings.video_source import (
    LONGEST_FREEZE_S,
    WholeFrames,
    declared_duration,
    video_stream,
)
from comodo.storage.files import atomic

# Clips of a copied file take long to reach when keyframes lie farther apart; x264 leaves 25 s at 10 frames/s.
MOST_BETWEEN_KEYFRAMES_S = 30.0
NO_PICTURE_TYPE = av.video.frame.PictureType.NONE  # else keyframes of the source become keyframes


def copy_video(source: Path, target: Path, fps: Fraction, size: int) -> int:
    """Copy the pictures of a video that is as `extract` would make it; return their number, 0 where it is not so."""
    with open_video(source) as container:
        stream = video_stream(container, source)
        codec = stream.codec_context
        found = (codec.name, codec.width, codec.height, codec.pix_fmt, stream.average_rate)
        if found != ("h264", size, size, "yuv420p", fps):
            return 0
        frames = WholeFrames(container, stream, 0.0, None)
        count = keyframe = 0
        for count, frame in enumerate(frames, start=1):
            keyframe = count if frame.key_frame else keyframe
            late = (count - keyframe) / fps > MOST_BETWEEN_KEYFRAMES_S
            if late or frame.rotation % 360 or frame.pts * stream.time_base != (count - 1) / fps:
                return 0
        declared = declared_duration(container, stream)
        if frames.damage or count == 0 or (declared or 0.0) > frames.end + LONGEST_FREEZE_S:
            return 0
        container.seek(0)
        with (
            atomic(target) as partial,
            av.open(
                os.fspath(partial), "w", format="mp4", container_options={"fflags": "+bitexact"}
            ) as output,
        ):
            copied = output.add_stream_from_template(stream)
            for packet in container.demux(stream):
                if packet.dts is not None:  # the last one says that there are no more
                    packet.stream = copied
                    output.mux(packet)
    return count


def transcode(
    frames: Iterable[Any],
    time_base: Fraction,
    target: Path,
    fps: Fraction,
    size: int,
    clip_frames: int,
    crf: int,
    longest: int | None,
) -> int:
    """Filter and encode `frames` into `target`; return how many frames that gave, at most `longest`."""
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
                graph = _filters(frame, time_base, fps, size)
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


def _filters(frame: Any, time_base: Fraction, fps: Fraction, size: int) -> Any:
    """The published chain: rotation, constant rate, centre crop to a square, scale."""
    graph = av.filter.Graph()
    source = {
        "video_size": f"{frame.width}x{frame.height}",
        "pix_fmt": frame.format.name,
        "time_base": f"{time_base.numerator}/{time_base.denominator}",
        "range": int(frame.color_range),
        "colorspace": int(frame.colorspace),
    }
    chain = [graph.add("buffer", ":".join(f"{key}={value}" for key, value in source.items()))]
    chain += [graph.add(name, options) for name, options in _ROTATIONS.get(frame.rotation % 360, ())]
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


# `frame.rotation` counts degrees counterclockwise that bring the picture upright.
_ROTATIONS: dict[int, tuple[tuple[str, str], ...]] = {
    90: (("transpose", "cclock"),),
    180: (("hflip", ""), ("vflip", "")),
    270: (("transpose", "clock"),),
}
