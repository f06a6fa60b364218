"""Mp4 files whose sample tables claim more than the file holds."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.support.writers import write_video

MANY = 67_000_000
Content = Callable[[bytes], bytes]
PARENTS = {
    b"elst": (b"moov", b"trak", b"edts"),
    b"trun": (b"moof", b"traf"),
}
IN_A_TRACK = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


def numbers(*values: int) -> bytes:
    """Numbers of 32 bits."""
    return struct.pack(f">{len(values)}I", *values)


def patched(data: bytes, kind: bytes, content: Content) -> bytes:
    """Replace the content of the first box of a kind, and correct the sizes of the boxes around it."""
    place = data.index(kind) - 4
    (size,) = struct.unpack(">I", data[place : place + 4])
    made = content(data[place + 8 : place + size])
    whole = bytearray(data[:place] + numbers(len(made) + 8) + kind + made + data[place + size :])
    for parent in PARENTS.get(kind, IN_A_TRACK):
        begin = data.index(parent) - 4
        (before,) = struct.unpack(">I", whole[begin : begin + 4])
        whole[begin : begin + 4] = numbers(before + len(made) + 8 - size)
    return bytes(whole)


def sizes(count: int) -> Content:
    """A table of sizes: `count` samples of one byte."""
    return lambda _: numbers(0, 1, count)


def times(count: int) -> Content:
    """A table of times or of their offsets: one run of `count` samples."""
    return lambda old: numbers(0, 1, count) + old[12:16]


def in_chunks(count: int) -> Content:
    """A table of chunks: each holds `count` samples."""
    return lambda _: numbers(0, 1, 1, count, 1)


def write_claims(path: Path, **tables: Content) -> None:
    """Write an mp4 of 40 frames with some tables replaced."""
    data = write_video(path, 40).read_bytes()
    for kind, content in tables.items():
        data = patched(data, kind.encode(), content)
    path.write_bytes(data)


def write_edits(path: Path, frames: int, edits: int) -> None:
    """Write an mp4 whose edit list shows all of it again and again."""
    data = write_video(path, frames).read_bytes()
    path.write_bytes(patched(data, b"elst", lambda old: old[:4] + numbers(edits) + old[8:20] * edits))


def write_fragment(path: Path, count: int | None = None) -> None:
    """Write a fragmented mp4 of 40 frames; a fragment claims `count` samples of the usual size."""
    movflags = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    with av.open(str(path), "w", options=movflags) as container:
        stream = container.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for k in range(40):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), k, np.uint8), format="rgb24")
            frame.pts, frame.time_base = k, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    if count is not None:
        path.write_bytes(patched(path.read_bytes(), b"trun", lambda _: numbers(0, count)))


def write_sound_chunks(path: Path, count: int | None = None) -> None:
    """Write a MOV of uncompressed sound; 40 chunks of `count` samples each lie at one place."""
    with av.open(str(path), "w", format="mov") as container:
        stream = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        chunk = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.int16), format="s16", layout="mono")
        chunk.sample_rate, chunk.pts = 16000, 0
        container.mux(stream.encode(chunk))
        container.mux(stream.encode(None))
    if count is not None:
        data = patched(path.read_bytes(), b"stsc", in_chunks(count))
        path.write_bytes(patched(data, b"stco", lambda old: numbers(0, 40) + old[8:12] * 40))


def write_picture(path: Path, png: bytes, side: int) -> None:
    """Write a MOV of one picture that is coded as PNG."""
    with av.open(str(path), "w", format="mov") as container:
        stream = container.add_stream("png", rate=1)
        stream.width = stream.height = side
        stream.pix_fmt = "gray"
        packet = av.Packet(png)
        packet.stream, packet.pts, packet.dts, packet.duration = stream, 0, 0, 1
        packet.is_keyframe = True
        container.mux(packet)
