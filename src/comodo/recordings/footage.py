"""The frames of a recording, whose camera may have written several files (chapters)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

from comodo.errors import VideoError
from comodo.layouts.chapters import chapter_starts
from comodo.layouts.media import declared_duration, open_video, video_stream
from comodo.recordings.video_source import LONGEST_FREEZE_S, WholeFrames, joined_holes


class Footage:
    """The undamaged frames of a part of a recording, file by file, with `pts` counted from the part's start.

    After the iteration the attributes hold the findings.
    """

    def __init__(
        self, parts: Sequence[tuple[Path, float, WholeFrames]], start_s: float, end_s: float | None
    ) -> None:
        """Take (file, its begin in the recording, its frames) for each file that the part [start_s, end_s) needs."""
        self.parts, self.start_s = parts, start_s
        _, begin, last = parts[-1]
        declared = declared_duration(last.container, last.stream)
        stop = float("inf") if end_s is None else end_s
        self.expected = min(begin + declared, stop) if declared else None  # end by the declared length, s
        self.end = start_s  # end of the last frame, s of the recording
        self.damage: str | None = None
        self.holes: list[tuple[float, float]] = []  # without frames, s of the part

    @property
    def stream(self) -> Any:
        """The video track of the first file."""
        return self.parts[0][2].stream

    @property
    def decoder(self) -> str:
        """What decodes: "software", "hardware"; both with a plus sign where chapters differ."""
        kinds = ["hardware" if f.stream.codec_context.is_hwaccel else "software" for _, _, f in self.parts]
        return "+".join(sorted(set(kinds)))

    @property
    def untimed(self) -> int:
        """Number of frames without a timestamp."""
        return sum(frames.untimed for _, _, frames in self.parts)

    def __iter__(self) -> Iterator[Any]:
        base = self.stream.time_base
        for path, begin, frames in self.parts:
            shift = max(0.0, begin - self.start_s)
            before, first = self.end, True
            for frame in frames:
                if first and begin + frames.start_s - before > LONGEST_FREEZE_S:
                    self.holes.append((before - self.start_s, shift))
                first = False
                if frames is not self.parts[0][2]:
                    frame.pts = round(frame.pts * frames.stream.time_base / base + Fraction(shift) / base)
                yield frame
            self.end = max(self.end, begin + frames.end)
            self.holes += [(since + shift, until + shift) for since, until in frames.holes]
            if frames.damage is not None:
                self.damage = self.damage or f"{path}: {frames.damage}"

    def frozen(self, longest: float) -> list[tuple[float, float]]:
        """Holes of the part longer than `longest` seconds, those that touch joined."""
        return joined_holes(self.holes, longest)


@contextmanager
def open_footage(
    files: Sequence[Path], start_s: float, end_s: float | None, threads: int, hwaccel: str = "none"
) -> Iterator[Footage]:
    """Open the part [start_s, end_s) of the files of a recording, decoded by `threads` threads or a device `hwaccel`.

    Raises:
        VideoError: a file cannot be opened, its length is unknown, or its frames have another size than the first's.
    """
    starts = chapter_starts(files)
    stops = [*starts[1:], float("inf")]
    stop_s = float("inf") if end_s is None else end_s
    with ExitStack() as stack:
        parts = []
        for path, begin, stop in zip(files, starts, stops, strict=True):
            if stop <= start_s or 0 < begin >= stop_s:
                continue
            container = stack.enter_context(open_video(path, hwaccel))
            stream = video_stream(container, path)
            stream.codec_context.thread_count = threads
            stream.codec_context.thread_type = "AUTO"
            until = min(stop, stop_s) - begin
            frames = WholeFrames(
                container, stream, max(0.0, start_s - begin), None if until == float("inf") else until
            )
            parts.append((path, begin, frames))
            _check_same_size(parts)
        yield Footage(parts, start_s, end_s)


def _check_same_size(parts: Sequence[tuple[Path, float, WholeFrames]]) -> None:
    (first, _, one), (path, _, other) = parts[0], parts[-1]
    sizes = [
        (frames.stream.codec_context.width, frames.stream.codec_context.height) for frames in (one, other)
    ]
    if sizes[0] != sizes[1]:
        shown = " and ".join(f"{width} × {height}" for width, height in sizes)
        text = f"{first} and {path} are chapters of one recording, but their frames are {shown} pixels"
        raise VideoError("video_unreadable", text)
