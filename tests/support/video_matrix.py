"""What becomes of raw video, by container, codec and fault: the table of docs/video.md.

`python -m tests.support.video_matrix` writes the table; tests/unit/recordings/test_video_matrix.py compares it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np

from comodo.errors import VideoError
from comodo.recordings.small_video import ExtractedVideo, extract, read_frames
from tests.support.project import ROOT
from tests.support.small_video import grey

PAGE: Final = ROOT / "docs/video.md"
MARK: Final = "<!-- video: written by `python -m tests.support.video_matrix` -->"
END: Final = "<!-- end -->"
SECONDS, FPS = 6, 25
os.environ.setdefault("SVT_LOG", "0")  # its encoder of AV1 prints its settings
HELD_S: Final = 0.6  # a picture may be held that long without being reported: half a second and a frame


@dataclass(frozen=True)
class Kind:
    """A container with a codec, as cameras and tools write them."""

    container: str  # for people
    codec: str
    format: str  # FFmpeg's muxer
    encoder: str
    pix_fmt: str = "yuv420p"
    b_frames: bool = False  # the encoder makes them, and the container can time them
    sound: str = "aac"
    timed: bool = True  # the container holds a time for each frame


KINDS: Final = (
    Kind("mp4", "H.264", "mp4", "libx264", b_frames=True),
    Kind("mp4", "HEVC", "mp4", "libx265", b_frames=True),
    Kind("mp4", "HEVC, 10 bit", "mp4", "libx265", "yuv420p10le", b_frames=True),
    Kind("mp4", "AV1", "mp4", "libsvtav1"),
    Kind("mp4", "MPEG-4", "mp4", "mpeg4"),
    Kind("MOV", "H.264", "mov", "libx264", b_frames=True),
    Kind("MOV", "ProRes", "mov", "prores_ks", "yuv422p10le"),
    Kind("MOV", "MJPEG", "mov", "mjpeg", "yuvj420p"),
    Kind("MKV", "H.264", "matroska", "libx264", b_frames=True),
    Kind("MKV", "HEVC", "matroska", "libx265", b_frames=True),
    Kind("MKV", "FFV1", "matroska", "ffv1"),
    Kind("WebM", "VP8", "webm", "libvpx", sound="libopus"),
    Kind("WebM", "VP9", "webm", "libvpx-vp9", sound="libopus"),
    Kind("AVI", "MPEG-4", "avi", "mpeg4", sound="pcm_s16le", timed=False),
    Kind("AVI", "MJPEG", "avi", "mjpeg", "yuvj420p", sound="pcm_s16le", timed=False),
    Kind("TS", "H.264", "mpegts", "libx264", b_frames=True),
    Kind("TS", "MPEG-2", "mpegts", "mpeg2video", b_frames=True, sound="mp2"),
    Kind("M2TS, MTS", "H.264", "mpegts m2ts", "libx264", b_frames=True),
    Kind("FLV", "H.264", "flv", "libx264", b_frames=True),
    Kind("ASF, WMV", "WMV 2", "asf", "wmv2", sound="pcm_s16le"),
)


def write(
    path: Path,
    kind: Kind,
    times: list[float],
    b_frames: int = 0,
    sound_s: float | None = None,
    at_s: float = 0.0,
) -> None:
    """Write frames whose mean brightness tells their time since the first one; sound begins `sound_s` before them."""
    form, *modes = kind.format.split()
    options = {"mpegts_m2ts_mode": "1"} if modes else {}
    with av.open(str(path), "w", format=form, container_options=options) as container:
        stream = container.add_stream(kind.encoder, rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 96, 64, kind.pix_fmt
        stream.options = {"g": "25", "crf": "8", "cpu-used": "8", "deadline": "realtime", "q": "3"}
        if kind.encoder in ("libx264", "libx265"):
            stream.options |= {
                "preset": "ultrafast",
                "bf": str(b_frames),
                "x265-params": f"log-level=none:bframes={b_frames}:keyint=25",
            }
        elif b_frames:
            stream.codec_context.max_b_frames = b_frames
        if kind.encoder in ("mpeg4", "mjpeg", "wmv2", "mpeg2video", "libvpx", "libvpx-vp9"):
            stream.bit_rate = 8_000_000
        if kind.encoder == "libsvtav1":
            stream.options = {"preset": "12", "crf": "20", "svtav1-params": "keyint=25"}
        if kind.timed:
            stream.codec_context.time_base = Fraction(1, 1000)
        base = stream.codec_context.time_base or Fraction(1, FPS)
        if kind.encoder in ("mpeg2video", "wmv2"):
            base = stream.codec_context.time_base = Fraction(1, FPS)
        shift = at_s + (sound_s or 0.0)
        sound = None
        if sound_s is not None:
            sound = container.add_stream(kind.sound, rate=48000 if kind.sound == "libopus" else 44100)
            sound.layout = "mono"
            _write_sound(container, sound, at_s, sound_s + 1)
        for number, time in enumerate(times):
            draw = np.random.default_rng(number)
            picture = grey(time) + draw.integers(-12, 13, (64, 96, 1)).repeat(3, axis=2)
            frame = av.VideoFrame.from_ndarray(np.clip(picture, 0, 255).astype(np.uint8), format="rgb24")
            frame.pts, frame.time_base = round((time + shift) / base), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _write_sound(
    container: av.container.OutputContainer, sound: av.AudioStream, at_s: float, seconds: float
) -> None:
    rate, size = sound.codec_context.sample_rate, 1000
    form = sound.codec_context.format.name
    for k in range(int(rate * seconds / size)):
        dtype = np.int16 if form.startswith("s16") else np.float32
        chunk = av.AudioFrame.from_ndarray(np.zeros((1, size), dtype), format=form, layout="mono")
        chunk.sample_rate, chunk.pts, chunk.time_base = rate, round(at_s * rate) + k * size, Fraction(1, rate)
        container.mux(sound.encode(chunk))
    container.mux(sound.encode(None))


STEADY: Final = [k / FPS for k in range(SECONDS * FPS)]
VARIABLE: Final = [t for k, t in enumerate(STEADY) if not (1 < t < 3 and k % 3)]


def outcome(source: Path, target: Path, start_s: float = 0.0, end_s: float | None = None) -> str:
    """Say what extraction gives: "right", or the reason with what is still right; "WRONG…" for anything else."""
    try:
        video = extract(source, target, 10, 32, 20, 5, start_s, end_s)
    except VideoError as error:
        return f"dropped: `{error.reason}`"
    expected = round(10 * ((end_s or SECONDS) - start_s))
    shown = read_frames(target, range(video.n_frames)).mean(axis=(1, 2, 3))
    held = [k for k, value in enumerate(shown) if abs(value - grey(start_s + k / 10)) > 3]
    unexplained = [k for k in held if not _explained(k, shown, video, start_s)]
    if len(unexplained) == 1:
        return "a wrong frame, unnoticed"
    if unexplained:
        return f"WRONG at {unexplained}: {shown[unexplained]}"
    if video.reason is None and video.frozen and held:
        return "`video_gap`"
    if video.reason is None:
        if not held and video.n_frames < expected - 1:
            return "right, to the end of the file"
        if held or abs(video.n_frames - expected) > 1:
            return f"WRONG: {video.n_frames} frames of {expected}, held {held}"
        return "right"
    return f"`{video.reason}`"


def _explained(number: int, shown: np.ndarray, video: ExtractedVideo, start_s: float) -> bool:
    """A frame inside a reported hole, or one that holds a picture for less than half a second."""
    if any(begin - 0.11 <= number / 10 <= end + 0.11 for begin, end in video.frozen):
        return True
    since = (shown[number] - 20) / 20 - start_s  # the time that it shows
    return video.reason is not None and -0.05 <= number / 10 - since <= HELD_S


def _whole(path: Path, kind: Kind) -> None:
    write(path, kind, STEADY)


def _cut_short(path: Path, kind: Kind) -> None:
    _whole(path, kind)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])


def _damaged(path: Path, kind: Kind) -> None:
    _whole(path, kind)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4000] = bytes(4000)
    path.write_bytes(data)


MAKERS: Final[dict[str, tuple[Callable[[Path, Kind], None], dict[str, float]]]] = {
    "whole": (_whole, {}),
    "cut out by `start_s`, `end_s`": (_whole, {"start_s": 2.3, "end_s": 4.3}),
    "B-frames": (lambda path, kind: write(path, kind, STEADY, b_frames=2), {}),
    "variable rate": (lambda path, kind: write(path, kind, VARIABLE), {}),
    "clock from 10 s": (lambda path, kind: write(path, kind, STEADY, at_s=10.0), {}),
    "sound 1 s earlier": (lambda path, kind: write(path, kind, STEADY, sound_s=1.0), {}),
    "file cut short": (_cut_short, {}),
    "4 kB lost": (_damaged, {}),
}


TIMED: Final = ("variable rate", "clock from 10 s", "sound 1 s earlier")
NOT_TIMED: Final = "–"


def cells(kind: Kind) -> Iterator[str]:
    """The outcomes of a kind of file, one per fault."""
    for fault in MAKERS:
        if (fault == "B-frames" and not kind.b_frames) or (fault in TIMED and not kind.timed):
            yield NOT_TIMED
            continue
        with tempfile.TemporaryDirectory() as folder:
            yield outcome_of(kind, fault, Path(folder))


def outcome_of(kind: Kind, fault: str, folder: Path) -> str:
    """The outcome of a kind of file with a fault."""
    make, cut = MAKERS[fault]
    make(folder / "a.bin", kind)
    return outcome(folder / "a.bin", folder / "out.mp4", **cut)


def row(kind: Kind) -> str:
    """A row of the table."""
    return f"| {kind.container} | {kind.codec} | {' | '.join(cells(kind))} |"


if __name__ == "__main__":
    lines = [f"| container | codec | {' | '.join(MAKERS)} |", "|---" * (len(MAKERS) + 2) + "|"]
    for kind in KINDS:
        lines.append(row(kind))
        print(lines[-1], flush=True)
    text = PAGE.read_text()
    head, _, rest = text.partition(MARK)
    PAGE.write_text(f"{head}{MARK}\n\n" + "\n".join(lines) + f"\n\n{END}" + rest.partition(END)[2])
