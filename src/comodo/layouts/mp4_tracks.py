"""Tracks of an mp4 (MOV): place in the file and presentation time of each sample. Nothing is decoded.

Boxes: ISO/IEC 14496-12; Apple's QuickTime File Format.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from comodo.layouts.sample_tables import CONTAINERS, boxes

TABLES: Final = {b"stts", b"ctts", b"stsc", b"stsz", b"stco", b"co64", b"elst"}
MOST_SAMPLES: Final = 1 << 24  # of a track: a day at 194 frames per second
LARGEST_TABLE: Final = 1 << 27  # bytes: eight for each of them
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(slots=True)
class Track:
    """A track: its kind and its raw tables."""

    handler: str = ""  # "vide", "meta", …
    format: str = ""  # four characters of the first sample entry
    timescale: int = 0  # of the media
    movie_timescale: int = 0
    tables: dict[bytes, bytes] = field(default_factory=dict)

    def media_times(self) -> Floats:
        """Return the times (N,) of the samples in decoding order, with their composition offsets, s."""
        counts, deltas = _runs(self.tables.get(b"stts", b""), ">II")
        each = _expand(deltas, counts)
        times = np.concatenate([[0], np.cumsum(each)[:-1]]) if len(each) else np.zeros(0)
        counts, offsets = _runs(self.tables.get(b"ctts", b""), ">Ii")
        shift = _expand(offsets, counts)[: len(times)]
        times[: len(shift)] += shift
        result: Floats = times / self.timescale
        return result

    def durations(self) -> Floats:
        """Return how long each sample (N,) lasts, s."""
        counts, deltas = _runs(self.tables.get(b"stts", b""), ">II")
        result: Floats = _expand(deltas, counts) / self.timescale
        return result

    def start(self) -> float:
        """Return the media time that is presented at time 0, s: by the edit list, its empty edits included."""
        edits = self.tables.get(b"elst", b"")
        if len(edits) < 8:
            return 0.0
        code, size = (">qq", 20) if edits[0] == 1 else (">Ii", 12)
        empty = 0
        for place in range(
            8, 8 + size * min(struct.unpack(">I", edits[4:8])[0], (len(edits) - 8) // size), size
        ):
            duration, begin = struct.unpack_from(code, edits, place)
            if begin >= 0:
                return begin / self.timescale - empty / (self.movie_timescale or 1)
            empty += duration
        return 0.0

    def places(self) -> tuple[Ints, Ints]:
        """Return offset and size (N,) of the samples in the file, bytes."""
        sizes = self._sizes()
        chunks = self._chunks()
        table = self.tables.get(b"stsc", b"")
        rows = np.frombuffer(table[8 : 8 + len(table[8:]) // 12 * 12], ">u4").reshape(-1, 3).astype(np.int64)
        if not len(rows) or not len(chunks):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        chunk_of_run = rows[:, 0] - 1
        per_chunk = rows[np.searchsorted(chunk_of_run, np.arange(len(chunks)), side="right") - 1, 1]
        sizes = sizes[: int(per_chunk.sum())]
        chunk = _expand(np.arange(len(chunks)), per_chunk)[: len(sizes)]
        before = np.concatenate([[0], np.cumsum(sizes)[:-1]]) if len(sizes) else sizes
        first = np.concatenate([[True], np.diff(chunk) > 0]) if len(chunk) else np.zeros(0, bool)
        return chunks[chunk] + before - np.maximum.accumulate(np.where(first, before, 0)), sizes

    def _sizes(self) -> Ints:
        table = self.tables.get(b"stsz", b"")
        if len(table) < 12:
            return np.zeros(0, np.int64)
        same, count = struct.unpack(">II", table[4:12])
        if count > MOST_SAMPLES:
            raise ValueError(f"a track of {count} samples")
        if same:
            return np.full(count, same, np.int64)
        return np.frombuffer(table[12 : 12 + 4 * min(count, (len(table) - 12) // 4)], ">u4").astype(np.int64)

    def _chunks(self) -> Ints:
        kind, width = (b"co64", 8) if b"co64" in self.tables else (b"stco", 4)
        table = self.tables.get(kind, b"")[8:]
        return np.frombuffer(table[: len(table) // width * width], f">u{width}").astype(np.int64)


def read_tracks(file: BinaryIO) -> list[Track]:
    """Read the tracks of an mp4 whose claims were checked (`find_overclaim`); none of another format.

    Raises:
        ValueError: a table is too large. Methods of a track raise it for too many samples.
    """
    tracks: list[Track] = []
    movie = 0
    parts = [(0, file.seek(0, 2))]
    while parts:
        begin, end = parts.pop(0)
        for kind, start, stop in list(boxes(file, begin, end)):
            if kind == b"trak":
                tracks.append(Track())
                _read_track(file, start, stop, tracks[-1])
            elif kind == b"moov":
                parts.append((start, stop))
            elif kind == b"mvhd":
                movie = _timescale(file, start)
    for track in tracks:
        track.movie_timescale = movie
    return [track for track in tracks if track.timescale]


def _read_track(file: BinaryIO, begin: int, end: int, track: Track) -> None:
    for kind, start, stop in list(boxes(file, begin, end)):
        if kind in CONTAINERS:
            _read_track(file, start, stop, track)
        elif kind == b"mdhd":
            track.timescale = _timescale(file, start)
        elif kind == b"hdlr" and not track.handler:
            file.seek(start + 8)
            track.handler = file.read(4).decode("latin-1")
        elif kind == b"stsd":
            file.seek(start + 12)
            track.format = file.read(4).decode("latin-1")
        elif kind in TABLES:
            if stop - start > LARGEST_TABLE:
                raise ValueError(f"a table of {stop - start} bytes")
            file.seek(start)
            track.tables[kind] = file.read(stop - start)


def _timescale(file: BinaryIO, start: int) -> int:
    """The units per second of a box mdhd or mvhd."""
    file.seek(start)
    head = file.read(24)
    place = 20 if head[:1] == b"\1" else 12
    return int.from_bytes(head[place : place + 4], "big")


def _expand(values: Ints, counts: Ints) -> Ints:
    """Repeat values as often as counts (N,) say. Raises `ValueError` beyond `MOST_SAMPLES`."""
    if len(counts) and (counts.min() < 0 or counts.sum() > MOST_SAMPLES):
        raise ValueError(f"a table of {counts.sum()} samples")
    return np.repeat(values, counts)


def _runs(table: bytes, code: str) -> tuple[Ints, Ints]:
    """Counts and values (N,) of a table of runs."""
    rows = list(struct.iter_unpack(code, table[8 : 8 + (len(table) - 8) // 8 * 8])) if len(table) > 8 else []
    both = np.array(rows, dtype=np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]
