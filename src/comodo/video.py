"""Video: raw footage of any kind into small clips at a constant rate, and frames out of those.

PyAV decodes the raw file by its timestamps; the filters are the published chain (fps, centre crop, scale). decord reads
what was extracted.
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

import av
import av.filter
import numpy as np
from numpy.typing import NDArray

from comodo.config import VideoSettings
from comodo.files import atomic
from comodo.layouts import Recording, safe_name
from comodo.text import inert_line

# A longer pause between source frames freezes the picture: no clip is made of it.
LONGEST_FREEZE_S = 0.5
# Beyond so long a time without frames, all in all, timestamps are not believed: the gaps are filled with pictures.
LONGEST_STILL_S = 3600.0
MOST_PIXELS = 8192 * 8192  # of a frame; what a decoder takes for it the file's size does not tell
KEYFRAME_S = 5.0  # between keyframes, where the whole recording is one clip
# Clips of a copied file take long to reach when keyframes lie farther apart; x264 leaves 25 s at 10 frames/s.
MOST_BETWEEN_KEYFRAMES_S = 30.0
NO_PICTURE_TYPE = av.video.frame.PictureType.NONE  # else keyframes of the source become keyframes
TABLE_COLUMNS = ("recording", "file", "n_frames", "duration_s", "frozen", "reason", "detail")


class VideoError(Exception):
    """A video that cannot be used at all; `reason` is a key of `comodo.clips.REASONS`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(inert_line(message))
        self.reason = reason


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What the container says about a video."""

    duration_s: float
    width: int  # as displayed, rotation applied
    height: int
    fps: float  # mean rate; 0 where unknown
    n_frames: int | None  # None where the container does not say


@dataclass(frozen=True, slots=True)
class ExtractedVideo:
    """What became of a raw video. Frame k of the file shows the time k / fps."""

    n_frames: int
    duration_s: float  # of the source's part that was whole, from its first frame to the end of its last
    reason: str | None = None  # why the file holds less than the source declares
    detail: str = ""
    frozen: list[tuple[float, float]] = field(default_factory=list)  # stretches without source frames, s


def probe(path: Path) -> VideoInfo:
    """Read what the container says; decodes one frame. Raises `VideoError`."""
    with _open(path) as container:
        stream = _video_stream(container, path)
        try:
            frame = next(container.decode(stream), None)
        except av.error.FFmpegError as error:
            raise VideoError("video_unreadable", f"{path}: {error.strerror}") from None
        if frame is None:
            raise VideoError("video_no_frames", f"{path}: no frame can be decoded")
        sides = (frame.width, frame.height)
        width, height = sides if frame.rotation % 180 == 0 else sides[::-1]
        rate = stream.average_rate
        return VideoInfo(
            duration_s=_declared_duration(container, stream) or 0.0,
            width=width,
            height=height,
            fps=float(rate) if rate else 0.0,
            n_frames=stream.frames or None,
        )


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
    with _open(source) as container, atomic(target) as partial:
        stream = _video_stream(container, source)
        stream.codec_context.thread_count = threads
        stream.codec_context.thread_type = "AUTO"
        frames = _WholeFrames(container, stream, start_s, end_s)
        longest = None if end_s is None else round((end_s - start_s) * fps)
        n_frames = _transcode(frames, stream.time_base, partial, rate, size, clip_frames, crf, longest)
        if n_frames == 0:
            raise VideoError("video_no_frames", f"{source}: no frame can be decoded from {start_s:g} s on")
        declared = _declared_duration(container, stream)
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


def read_frames(path: Path, indices: Sequence[int]) -> NDArray[np.uint8]:
    """Read frames of an extracted video: uint8 (n, H, W, 3), RGB.

    The decord reader lives in this call only: it hangs when a process that holds one forks.
    """
    import decord

    reader = decord.VideoReader(os.fspath(path), ctx=decord.cpu(0), num_threads=1)
    frames: NDArray[np.uint8] = reader.get_batch(list(indices)).asnumpy()
    return frames


# ---------------------------------------------------------------------------------------------------------- inside


def _open(path: Path) -> Any:
    """Open a container for reading; say plainly what is wrong with a file that cannot be."""
    try:
        with open(path, "rb") as file:
            empty = not file.read(1)
    except FileNotFoundError:
        raise VideoError("video_missing_file", f"{path} does not exist") from None
    except (OSError, ValueError) as error:
        raise VideoError("video_unreadable", f"{path} cannot be read: {error}") from None
    if empty:
        raise VideoError("video_empty", f"{path} is empty")
    try:
        limit = {"max_pixels": str(MOST_PIXELS)}
        return av.open(os.fspath(path), options=limit, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        raise VideoError("video_unreadable", f"{path} is not a video that can be read: {error}") from None


def _video_stream(container: Any, path: Path) -> Any:
    streams = [stream for stream in container.streams.video if not stream.disposition & _COVER]
    if not streams:
        raise VideoError("video_no_stream", f"{path} has no video track")
    if streams[0].codec_context is None or streams[0].time_base is None:
        raise VideoError("video_unreadable", f"{path}: no decoder for its video track")
    streams[0].codec_context.options = {"max_pixels": str(MOST_PIXELS)}
    return streams[0]


_COVER = av.stream.Disposition.attached_pic


def _declared_duration(container: Any, stream: Any) -> float | None:
    """Length of the video track in seconds, else the end of the file less the track's start (Matroska)."""
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    if container.duration is None:
        return None
    return float(container.duration / av.time_base - (stream.start_time or 0) * stream.time_base)


class _WholeFrames:
    """The undamaged frames of a part of a video, with `pts` counted from the part's start.

    The last frame before the part comes too (at a negative time): it is what the part's first instant shows. After the
    iteration the attributes tell what was found.
    """

    def __init__(self, container: Any, stream: Any, start_s: float, end_s: float | None) -> None:
        self.container, self.stream = container, stream
        self.start_s, self.end_s = start_s, float("inf") if end_s is None else end_s
        self.first_pts: int | None = stream.start_time
        self.end = start_s  # end of the last frame, s of the source
        self.damage: str | None = None
        self.holes: list[tuple[float, float]] = []  # between frames, s of the part; all longer than a freeze
        self.still = 0.0  # their sum

    def __iter__(self) -> Iterator[Any]:
        base = self.stream.time_base
        usual = 1 / self.stream.average_rate if self.stream.average_rate else Fraction(0)
        if self.start_s > 0:
            self._seek(base)
        last = None
        for frame in self._decode():
            if self.first_pts is None:
                self.first_pts = frame.pts
            time = float((frame.pts - self.first_pts) * base)
            if time >= self.end_s:
                break
            if last is not None and time <= last:  # two frames at one time: the filters want increasing ones
                continue
            end = time + float(frame.duration * base if frame.duration else usual)
            if end > self.start_s and (before := max(self.end, self.start_s)) < time - LONGEST_FREEZE_S:
                if not self._believes(time - before):
                    break
                self.holes.append((before - self.start_s, time - self.start_s))
            if time + LONGEST_FREEZE_S < end and end > self.start_s:
                since, until = max(time, self.start_s), min(end, self.end_s)
                if not self._believes(until - since):
                    frame.duration = round(min(usual, Fraction(LONGEST_FREEZE_S)) / base)
                    end = time + float(frame.duration * base)
                else:
                    self.holes.append((since - self.start_s, until - self.start_s))
            self.end = max(self.end, min(end, self.end_s))
            last = time
            frame.pts = frame.pts - self.first_pts - round(self.start_s / base)
            yield frame

    def frozen(self, longest: float) -> list[tuple[float, float]]:
        """Holes of the part longer than `longest` seconds, those that touch joined."""
        joined: list[tuple[float, float]] = []
        for begin, end in self.holes:
            if end - begin <= longest + 1e-6:
                continue
            if joined and begin <= joined[-1][1] + 1e-6:
                joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
            else:
                joined.append((begin, end))
        return joined

    def _believes(self, hole: float) -> bool:
        """Whether what is missing so far, `hole` seconds more, can be true."""
        self.still += hole
        if self.still > LONGEST_STILL_S:
            self.damage = self.damage or f"no frames for {self.still:.0f} s after {self.end:.2f} s"
        return self.still <= LONGEST_STILL_S

    def _seek(self, base: Fraction) -> None:
        """Go to the keyframe before the start; where that fails, decoding from the file's start does as well."""
        try:
            place = (self.first_pts or 0) + int(self.start_s / base)
            self.container.seek(place, stream=self.stream, backward=True)
        except av.error.FFmpegError:
            self.damage = "cannot seek"

    def _decode(self) -> Iterator[Any]:
        """Decode; after damage go on at the next keyframe, for what lies between is made of guesses."""
        waiting = False
        packets = self.container.demux(self.stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as error:
                self.damage = self.damage or f"read error after {self.end:.2f} s ({error.strerror})"
                packet = None
            try:
                frames = self.stream.decode(packet) if packet is None or not packet.is_corrupt else None
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                frames = None
            if frames is None:
                self.damage = self.damage or f"damaged after {self.end:.2f} s"
                waiting = True
                frames = []
            for frame in frames:
                if frame.is_corrupt:
                    self.damage = self.damage or f"damaged after {self.end:.2f} s"
                    waiting = True
                    continue
                waiting = waiting and not frame.key_frame
                if not waiting and frame.pts is not None:
                    yield frame
            if packet is None:
                return


def _copy(source: Path, target: Path, fps: Fraction, size: int) -> int:
    """Copy the pictures of a video that is as `extract` would make it; return their number, 0 where it is not so."""
    with _open(source) as container:
        stream = _video_stream(container, source)
        codec = stream.codec_context
        found = (codec.name, codec.width, codec.height, codec.pix_fmt, stream.average_rate)
        if found != ("h264", size, size, "yuv420p", fps):
            return 0
        frames = _WholeFrames(container, stream, 0.0, None)
        count = keyframe = 0
        for count, frame in enumerate(frames, start=1):
            keyframe = count if frame.key_frame else keyframe
            late = (count - keyframe) / fps > MOST_BETWEEN_KEYFRAMES_S
            if late or frame.rotation % 360 or frame.pts * stream.time_base != (count - 1) / fps:
                return 0
        declared = _declared_duration(container, stream)
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


# `frame.rotation` counts degrees counterclockwise that bring the picture upright.
_ROTATIONS: dict[int, tuple[tuple[str, str], ...]] = {
    90: (("transpose", "cclock"),),
    180: (("hflip", ""), ("vflip", "")),
    270: (("transpose", "clock"),),
}
