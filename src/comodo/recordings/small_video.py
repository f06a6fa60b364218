"""Small video: raw footage as small clips at a constant rate, and frames out of those.

The filters are the published chain (fps, centre crop, scale). decord reads what was extracted.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av.filter
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from comodo.config import DatasetSettings, VideoSettings
from comodo.errors import VideoError
from comodo.layouts.ids import safe_name
from comodo.layouts.types import Recording
from comodo.recordings.video_source import (
    LONGEST_FREEZE_S,
    WholeFrames,
    declared_duration,
    open_video,
    video_stream,
)
from comodo.storage.artefacts import write_table
from comodo.storage.files import atomic

KEYFRAME_S = 5.0  # between keyframes, where the whole recording is one clip
# Clips of a copied file take long to reach when keyframes lie farther apart; x264 leaves 25 s at 10 frames/s.
MOST_BETWEEN_KEYFRAMES_S = 30.0
NO_PICTURE_TYPE = av.video.frame.PictureType.NONE  # else keyframes of the source become keyframes
TABLE_COLUMNS = ("recording", "file", "n_frames", "duration_s", "frozen", "reason", "detail")
# `frame.rotation` counts degrees counterclockwise that bring the picture upright.
_ROTATIONS: dict[int, tuple[tuple[str, str], ...]] = {
    90: (("transpose", "cclock"),),
    180: (("hflip", ""), ("vflip", "")),
    270: (("transpose", "clock"),),
}


@dataclass(frozen=True, slots=True)
class ExtractedVideo:
    """What became of a raw video. Frame k of the file shows the time k / fps."""

    n_frames: int
    duration_s: float  # of the source's part that was whole, from its first frame to the end of its last
    reason: str | None = None  # why the file holds less than the source declares
    detail: str = ""
    frozen: list[tuple[float, float]] = field(default_factory=list)  # stretches without source frames, s


def extract(
    source: Path,
    target: Path,
    fps: float,
    size: int,
    clip_frames: int,
    crf: int,
    start_s: float = 0.0,
    end_s: float | None = None,
    threads: int = 1,
) -> ExtractedVideo:
    """Write the part [start_s, end_s) of a video as H.264 with `fps` square frames of side `size` per second.

    Centre crop, rotation applied, no sound. Frame k shows the time `start_s` + k / fps of the source, counted from its
    first frame. A keyframe stands at each multiple of `clip_frames` and nowhere else, so that a clip can be read alone.
    Damaged parts are left out up to the next keyframe. The bytes depend on the arguments (but not `threads`, which
    serve decoding) and on the libraries' versions alone. `target` appears when it is whole.

    A source that is such a video already (H.264, that rate and size, whole, keyframes at hand) keeps its pictures: they
    are copied as they are coded, its own keyframes included.

    Raises
    ------
    VideoError
        Nothing can be decoded; `target` is not written.
    """
    rate = Fraction(fps).limit_denominator(1001)
    if start_s == 0 and end_s is None and (n_frames := _copy(source, target, rate, size)):
        return ExtractedVideo(n_frames, n_frames / fps)
    with open_video(source) as container, atomic(target) as partial:
        stream = video_stream(container, source)
        stream.codec_context.thread_count = threads
        stream.codec_context.thread_type = "AUTO"
        frames = WholeFrames(container, stream, start_s, end_s)
        longest = None if end_s is None else round((end_s - start_s) * fps)
        n_frames = _transcode(frames, stream.time_base, partial, rate, size, clip_frames, crf, longest)
        if n_frames == 0:
            raise VideoError("video_no_frames", f"{source}: no frame can be decoded from {start_s:g} s on")
        declared = declared_duration(container, stream)
    duration = frames.end - start_s
    expected = min(declared if declared else frames.end, end_s if end_s is not None else float("inf"))
    reason, detail = None, ""
    if frames.damage is not None:
        reason, detail = "video_damaged", f"{source}: {frames.damage}"
    if frames.end < expected - LONGEST_FREEZE_S:
        reason, detail = "video_truncated", f"{source}: whole until {frames.end:.2f} s of {expected:.2f} s"
    return ExtractedVideo(n_frames, duration, reason, detail, frames.frozen(max(LONGEST_FREEZE_S, 2 / fps)))


def extract_recordings(
    recordings: Iterable[Recording],
    folder: Path,
    chosen: VideoSettings,
    clip_s: float | None,
    threads: int = 1,
) -> Iterator[dict[str, Any]]:
    """Extract the video of each recording into `folder`, yielding rows of the video table (`TABLE_COLUMNS`).

    `clip_s` is the length of a clip in seconds, None where the whole recording is one.
    `file` is a name inside `folder`, "" where the video cannot be used; `reason` says why it is not or not wholly;
    `frozen` is a JSON list of [start_s, end_s].
    """
    for recording in recordings:
        row: dict[str, Any] = dict(recording=recording.id, file="", n_frames=0, duration_s=0.0, frozen="[]")
        name = f"{safe_name(recording.id)}.mp4"
        try:
            if recording.video is None:
                raise VideoError("video_missing_file", f"{recording.id} has no video file")
            video = extract(
                recording.video,
                folder / name,
                fps=chosen.fps,
                size=chosen.size,
                clip_frames=round((clip_s or KEYFRAME_S) * chosen.fps),
                crf=chosen.crf,
                start_s=recording.start_s,
                end_s=recording.end_s,
                threads=threads,
            )
        except VideoError as error:
            yield row | {"reason": error.reason, "detail": str(error)}
        else:
            yield row | {
                "file": name,
                "n_frames": video.n_frames,
                "duration_s": video.duration_s,
                "frozen": json.dumps(video.frozen),
                "reason": video.reason or "",
                "detail": video.detail,
            }


def extract_shard(
    recordings: Sequence[Recording], folder: Path, table: Path, settings: DatasetSettings, threads: int
) -> None:
    """Extract the small video of a shard.

    Args:
        recordings: of the shard.
        folder: receives one mp4 per recording.
        table: receives the video table (parquet), one row per recording.
        settings: of the dataset, which has video.
        threads: CPU threads to decode with.
    """
    if settings.video is None:
        raise ValueError("an IMU-only dataset (`video: null`) has no video to extract")
    with atomic(folder) as partial:
        partial.mkdir(parents=True)
        rows = extract_recordings(recordings, partial, settings.video, settings.clip_s, threads)
        progress = tqdm(rows, total=len(recordings), unit="recording", desc="extracting")
        found = pd.DataFrame(list(progress), columns=list(TABLE_COLUMNS))
    write_table(found, table)


def read_frames(path: Path, indices: Sequence[int]) -> NDArray[np.uint8]:
    """Read frames of an extracted video: uint8 (n, H, W, 3), RGB.

    The decord reader lives in this call only: it hangs when a process that holds one forks.
    """
    import decord

    reader = decord.VideoReader(os.fspath(path), ctx=decord.cpu(0), num_threads=1)
    frames: NDArray[np.uint8] = reader.get_batch(list(indices)).asnumpy()
    return frames


def _copy(source: Path, target: Path, fps: Fraction, size: int) -> int:
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


def _transcode(
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
