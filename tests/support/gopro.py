"""GoPro files made by hand: an mp4 with a track of GPMF payloads, edit lists, and frames that are never decoded."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SCALE = 1000  # counts per m/s² and per rad/s
Floats = NDArray[np.float64]


def box(kind: bytes, *content: bytes) -> bytes:
    data = b"".join(content)
    return struct.pack(">I4s", len(data) + 8, kind) + data


def words(*values: int) -> bytes:
    return struct.pack(f">{len(values)}i", *values)


def entry(key: bytes, kind: bytes, size: int, repeat: int, data: bytes) -> bytes:
    return struct.pack(">4scBH", key, kind, size, repeat) + data + b"\0" * (-len(data) % 4)


def payload(accel: Floats, gyro: Floats) -> bytes:
    """A payload of one device; accel and gyro (3, N) m/s² and rad/s. A sensor without samples has no stream."""
    streams = b""
    for key, unit, values in ((b"ACCL", b"m/s\xb2", accel), (b"GYRO", b"rad/s", gyro)):
        if values.shape[1]:
            counts = np.round(values * SCALE).astype(">i2").T.tobytes()
            content = entry(b"STNM", b"c", 1, 4, key) + entry(b"SIUN", b"c", len(unit), 1, unit)
            content += entry(b"SCAL", b"s", 2, 1, struct.pack(">h", SCALE))
            content += entry(key, b"s", 6, values.shape[1], counts)
            streams += entry(b"STRM", b"\0", 1, len(content), content)
    about = entry(b"DVID", b"L", 4, 1, struct.pack(">I", 1)) + entry(b"DVNM", b"c", 1, 12, b"Hero7 Black\0")
    return entry(b"DEVC", b"\0", 1, len(about + streams), about + streams)


@dataclass
class TrackOf:
    """Samples of a track: contents, how long each lasts in units of 1 / timescale s, and the edits."""

    handler: bytes
    format: bytes
    timescale: int
    samples: Sequence[bytes]
    lasts: int
    edits: Sequence[tuple[int, int]] = field(default_factory=list)  # duration (1/1000 s), media time

    def made(self, offset: int) -> bytes:
        sizes = [len(sample) for sample in self.samples]
        entry_of_format = box(self.format, b"\0" * 6 + struct.pack(">H", 1))
        table = box(
            b"stbl",
            box(b"stsd", words(0, 1), entry_of_format),
            box(b"stts", words(0, 1, len(sizes), self.lasts)),
            box(b"stsc", words(0, 1, 1, len(sizes), 1)),
            box(b"stsz", words(0, 0, len(sizes), *sizes)),
            box(b"stco", words(0, 1, offset)),
        )
        total = len(sizes) * self.lasts
        media = box(
            b"mdia",
            box(b"mdhd", words(0, 0, 0, self.timescale, total, 0)),
            box(b"hdlr", words(0, 0) + self.handler + b"\0" * 12 + b"\x0bGoPro MET  \0"),
            box(b"minf", table),
        )
        rows = b"".join(words(duration, begin, 1 << 16) for duration, begin in self.edits)
        edits = box(b"edts", box(b"elst", words(0, len(self.edits)), rows)) if self.edits else b""
        return box(b"trak", box(b"tkhd", words(0, 0, 0, 1, 0, total, *[0] * 15)), edits, media)


def write_gopro(
    path: Path,
    payloads: Sequence[bytes],
    frames: int,
    edits: Sequence[tuple[int, int]] = (),
    video_edits: Sequence[tuple[int, int]] = (),
) -> Path:
    """Write an mp4 whose payloads last 1.001 s each, and as many frames at 29.97 Hz as given."""
    tracks = [
        TrackOf(b"vide", b"avc1", 30000, [b"\0" * 16] * frames, 1001, video_edits),
        TrackOf(b"meta", b"gpmd", 1000, payloads, 1001, edits),
    ]
    head = box(b"ftyp", b"mp41", words(0), b"mp41")
    data, places = b"", []
    for track in tracks:
        places.append(len(head) + 8 + len(data))
        data += b"".join(track.samples)
    movie = box(b"mvhd", words(0, 0, 0, 1000, 0, *[0] * 20))
    made = box(b"moov", movie, *(track.made(place) for track, place in zip(tracks, places, strict=True)))
    path.write_bytes(head + box(b"mdat", data) + made)
    return path
