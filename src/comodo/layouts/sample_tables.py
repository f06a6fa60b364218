"""What the sample tables of an mp4 (MOV, 3GP, …) claim, against the size of the file.

Every reader of mp4 makes an index of all samples. A table says in 20 bytes that there are 4·10⁹ of them, so a file of
3 kB can take any amount of memory. Boxes: ISO/IEC 14496-12; Apple's QuickTime File Format.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

CONTAINERS: Final = {b"moov", b"trak", b"edts", b"mdia", b"minf", b"stbl", b"moof", b"traf"}
BLOCK: Final = 512  # bytes, the unit of `st_blocks`
USUAL_EDITS: Final = 4  # each edit may repeat the whole index
MOST_BOXES: Final = 1 << 21  # a day of fragments of a second has half of them


@dataclass
class _Track:
    """What the tables of a track claim."""

    samples: int = 0  # by the table of sizes, or in fragments
    chunks: int = 0
    edits: int = 0
    runs: tuple[
        tuple[int, int], ...
    ] = ()  # first chunk (counted from 1), samples in each chunk from there on

    def claimed(self) -> int:
        """The number of samples in a reader's index."""
        ends = [first for first, _ in self.runs[1:]] + [self.chunks + 1]
        laid = sum(
            max(0, min(end, self.chunks + 1) - max(first, 1)) * samples
            for (first, samples), end in zip(self.runs, ends, strict=False)
        )
        return max(self.samples, laid) * max(1, self.edits // USUAL_EDITS)


def find_overclaim(file: BinaryIO) -> str:
    """Say which claim of an mp4's sample tables its size cannot hold; "" for no such claim, and for other formats.

    A sample takes a byte or more, so there are no more samples than bytes. Truncated files pass.
    The holes of a sparse file are no bytes. The position in `file` moves.
    """
    about = os.fstat(file.fileno())
    size = about.st_size
    held = min(size, BLOCK * about.st_blocks or size)  # some network disks count no blocks
    fragments = _Track()
    tracks = [fragments]
    parts = [(0, size, fragments)]
    number = 0
    while parts:
        begin, end, track = parts.pop()
        for kind, start, stop in boxes(file, begin, end):
            number += 1
            if number > MOST_BOXES:
                return f"it has more than {MOST_BOXES} boxes"
            if kind == b"cmov":
                return "its header is compressed"
            if kind in CONTAINERS:
                if kind == b"trak":
                    tracks.append(_Track())
                parts.append((start, stop, tracks[-1] if kind == b"trak" else track))
            else:
                _read(file, kind, start, stop, track)
    claimed = sum(track.claimed() for track in tracks)
    return f"its tables claim {claimed} samples in {held} bytes" if claimed > held else ""


def boxes(file: BinaryIO, begin: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the boxes in a part of a file: kind, begin and end of the content."""
    while begin + 8 <= end:
        file.seek(begin)
        head = file.read(16)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head[:8])
        start = begin + 8
        if length == 1 and len(head) == 16:
            (length,) = struct.unpack(">Q", head[8:])
            start += 8
        stop = end if length == 0 else min(end, begin + length)
        if stop < start:
            return
        yield kind, start, stop
        begin = stop


def _read(file: BinaryIO, kind: bytes, start: int, stop: int, track: _Track) -> None:
    """Add the claims of a box to its track."""
    if kind not in (b"stsz", b"stz2", b"stco", b"co64", b"elst", b"trun", b"stsc"):
        return
    file.seek(start)
    head = file.read(min(12, stop - start)).ljust(12, b"\0")
    _, first, second = struct.unpack(">III", head)
    if kind in (b"stsz", b"stz2"):
        track.samples += second
    elif kind == b"trun":
        track.samples += first
    elif kind in (b"stco", b"co64"):
        track.chunks += min(first, (stop - start) // (4 if kind == b"stco" else 8))
    elif kind == b"elst":
        track.edits += min(first, (stop - start) // 12)
    else:
        file.seek(start + 8)
        content = file.read(min(12 * first, max(0, stop - start - 8)) // 12 * 12)
        track.runs += tuple((chunk, samples) for chunk, samples, _ in struct.iter_unpack(">III", content))
