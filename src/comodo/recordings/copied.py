"""Small video that is already as it should be: copied, if random access to the copy shows the right frames."""

from __future__ import annotations

import os
from collections import deque
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

from comodo.errors import DamageError
from comodo.layouts.media import declared_duration, open_video, video_stream
from comodo.recordings.frames import read_frames
from comodo.recordings.transcode import upright
from comodo.recordings.video_source import LONGEST_FREEZE_S, WholeFrames
from comodo.storage.files import atomic

MOST_BETWEEN_KEYFRAMES_S: Final = 30.0
"""With more time between keyframes, seeking to a clip is slow. x264's default is 25 s at 10 frames/s."""
CHECKED: Final = 24
"""Keyframes at either end of a copy around which frames are compared."""
SAME: Final = 1.5
"""Mean difference of pixel values below which two decoders show the same frame; they convert colours alike."""

Picture = NDArray[np.uint8]


class _NotSame(Exception):
    """A copy does not show what its source does."""


def copy_video(source: Path, target: Path, fps: Fraction, size: int) -> int:
    """Copy the pictures of a video that is as `extract` would make it; return their number, 0 if it is not so.

    It is H.264 of that rate and size, whole, upright, with square pixels and keyframes at hand; every packet has its
    times; and single frames read from the copy, at both ends and around keyframes, are those of a decoding from the
    start. An edit list, a keyframe that is no point of random access, or lost packets show there.
    """
    with open_video(source) as container:
        stream = video_stream(container, source)
        codec = stream.codec_context
        found = (codec.name, codec.width, codec.height, codec.pix_fmt, stream.average_rate)
        if found != ("h264", size, size, "yuv420p", fps) or (stream.sample_aspect_ratio or 1) != 1:
            return 0
        frames = WholeFrames(container, stream, 0.0, None)
        shown = _Shown()
        count = keyframe = 0
        for count, frame in enumerate(frames, start=1):
            keyframe = count if frame.key_frame else keyframe
            late = (count - keyframe) / fps > MOST_BETWEEN_KEYFRAMES_S
            if late or upright(frame) or frame.pts * stream.time_base != (count - 1) / fps:
                return 0
            shown.add(count - 1, frame)
        declared = declared_duration(container, stream)
        if frames.damage or count == 0 or (declared or 0.0) > frames.end + LONGEST_FREEZE_S:
            return 0
        container.seek(0)
        try:
            with atomic(target) as partial:
                _copy(container, stream, partial)
                _compare(partial, shown.pictures())
        except _NotSame:
            return 0
    return count


class _Shown:
    """Frames around keyframes as decoded from the start: those at the beginning, those at the end, and the last."""

    def __init__(self) -> None:
        self.first: list[tuple[int, Picture]] = []
        self.last: deque[tuple[int, Picture]] = deque(maxlen=3 * CHECKED)
        self.before: tuple[int, Any] | None = None
        self.after_keyframe = False

    def add(self, number: int, frame: Any) -> None:
        if frame.key_frame and self.before is not None:
            self._keep(*self.before)
        if frame.key_frame or self.after_keyframe:
            self._keep(number, frame)
        self.after_keyframe = frame.key_frame
        self.before = (number, frame)

    def _keep(self, number: int, frame: Any) -> None:
        picture = (number, frame.to_ndarray(format="rgb24"))
        if len(self.first) < 3 * CHECKED:
            self.first.append(picture)
        else:
            self.last.append(picture)

    def pictures(self) -> dict[int, Picture]:
        if self.before is not None:
            self._keep(*self.before)
        return dict([*self.first, *self.last])


def _copy(container: Any, stream: Any, target: Path) -> None:
    with av.open(os.fspath(target), "w", format="mp4", container_options={"fflags": "+bitexact"}) as output:
        copied = output.add_stream_from_template(stream)
        for packet in container.demux(stream):
            if packet.size == 0:  # the last one says that there are no more
                continue
            if packet.dts is None or packet.pts is None:
                raise _NotSame
            packet.stream = copied
            output.mux(packet)


def _compare(target: Path, pictures: dict[int, Picture]) -> None:
    """Raise `_NotSame` unless each picture is what random access to the copy shows."""
    try:
        for number, picture in pictures.items():
            (found,) = read_frames(target, [number])
            if np.abs(found.astype(np.int16) - picture).mean() > SAME:
                raise _NotSame
    except DamageError:
        raise _NotSame from None
