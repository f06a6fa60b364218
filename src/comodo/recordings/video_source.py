"""Raw video of any kind, decoded by its timestamps (PyAV); damage is noticed and left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

import av.filter

# A longer pause between source frames freezes the picture: no clip is made of it.
LONGEST_FREEZE_S = 0.5
# Total gap length above which timestamps are treated as corrupt: gaps are filled with pictures.
LONGEST_STILL_S = 3600.0
SEEKS_S = (0.0, 5.0, 30.0, None)  # before a start, one after the other; None: the beginning of the file


class WholeFrames:
    """The undamaged frames of a part of a video, with `pts` counted from the part's start.

    The last frame before the part comes too (at a negative time): it is what the part's first instant shows. After the
    iteration the attributes hold the findings.
    """

    def __init__(self, container: Any, stream: Any, start_s: float, end_s: float | None) -> None:
        self.container, self.stream = container, stream
        self.start_s, self.end_s = start_s, float("inf") if end_s is None else end_s
        self.first_pts: int | None = stream.start_time
        self.end = start_s  # end of the last frame, s of the source
        self.damage: str | None = None
        self.holes: list[tuple[float, float]] = []  # between frames, s of the part; all longer than a freeze
        self.still = 0.0  # their sum
        self.untimed = 0  # frames without a timestamp

    def __iter__(self) -> Iterator[Any]:
        base = self.stream.time_base
        usual = 1 / self.stream.average_rate if self.stream.average_rate else Fraction(0)
        last = None
        for frame in self._from_start(base):
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

    def _believes(self, hole: float) -> bool:
        """Return whether the total of missing time, with `hole` seconds more, is plausible."""
        self.still += hole
        if self.still > LONGEST_STILL_S:
            self.damage = self.damage or f"no frames for {self.still:.0f} s after {self.end:.2f} s"
        return self.still <= LONGEST_STILL_S

    def _from_start(self, base: Fraction) -> Iterator[Any]:
        """Decode from a keyframe at or before the start; from the file's start if no seek lands there.

        In a transport stream or AVI a seek may land later.
        """
        if self.start_s <= 0:
            yield from self._decode()
            return
        for back in SEEKS_S:
            self.damage = None
            try:
                if back is None:
                    self.container.seek(0)
                else:
                    place = (self.first_pts or 0) + int(max(0.0, self.start_s - back) / base)
                    self.container.seek(place, stream=self.stream, backward=True)
            except av.error.FFmpegError:
                self.damage = "cannot seek"
            frames = self._decode()
            first = next(frames, None)
            if first is not None and float((first.pts - (self.first_pts or 0)) * base) <= self.start_s:
                break
        if first is not None:
            yield first
            yield from frames

    def _decode(self) -> Iterator[Any]:
        """Decode; after damage continue at the next keyframe, as frames before it are concealed."""
        waiting = False
        resume: int | None = None  # time of the first keyframe after damage
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
                waiting, resume = True, None
                frames = []
            elif waiting and resume is None and packet is not None and packet.is_keyframe:
                resume = packet.pts
            for frame in frames:
                if frame.is_corrupt:
                    self.damage = self.damage or f"damaged after {self.end:.2f} s"
                    waiting, resume = True, None
                    continue
                # AV1 shows a keyframe of before the damage again, and calls that a keyframe too.
                whole = frame.key_frame and (
                    frame.pts is None or (resume is not None and frame.pts >= resume)
                )
                waiting = waiting and not whole
                self.untimed += frame.pts is None
                if not waiting and frame.pts is not None:
                    yield frame
            if packet is None:
                return


def joined_holes(holes: Iterable[tuple[float, float]], longest: float) -> list[tuple[float, float]]:
    """Return the holes (begin, end), s, that are longer than `longest` seconds; those that touch are joined."""
    joined: list[tuple[float, float]] = []
    for begin, end in holes:
        if end - begin <= longest + 1e-6:
            continue
        if joined and begin <= joined[-1][1] + 1e-6:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined
