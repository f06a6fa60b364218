"""Videos whose frames tell their time, and small video made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from comodo.recordings.small_video import ExtractedVideo, extract

FPS, SIZE, CLIP = 10.0, 32, 20  # of small video: frames per second, side in pixels, frames of a clip
Picture = NDArray[np.uint8]


def grey(time: float) -> int:
    """What a frame of the test videos shows: a brightness that tells its time, 20 levels per second."""
    return 20 + round(20 * time)


def flat(time: float, width: int, height: int) -> Picture:
    """A picture of that one brightness."""
    return np.full((height, width, 3), grey(time), dtype=np.uint8)


def write_at(
    path: Path,
    times: Sequence[float],
    width: int = 64,
    height: int = 48,
    picture: Callable[[float, int, int], Picture] = flat,
    rotation: int = 0,
    audio: bool = False,
    options: dict[str, str] | None = None,
) -> Path:
    """Write frames at the given times (s); the container's clock has 1 / 12000 s."""
    with av.open(str(path), "w", container_options=options or {}) as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "1", "g": "15", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv444p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, 12000)
        if rotation:
            stream.set_display_rotation(rotation)
        if audio:
            sound = container.add_stream("aac", rate=16000, layout="mono")
        for time in times:
            frame = av.VideoFrame.from_ndarray(picture(time, width, height), format="rgb24")
            frame.pts, frame.time_base = round(time * 12000), Fraction(1, 12000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio:
            for k in range(int(16 * (times[-1] + 1))):
                noise = np.random.default_rng(k).normal(0, 0.1, (1, 1000)).astype(np.float32)
                chunk = av.AudioFrame.from_ndarray(noise, format="fltp", layout="mono")
                chunk.sample_rate, chunk.pts, chunk.time_base = 16000, 1000 * k, Fraction(1, 16000)
                container.mux(sound.encode(chunk))
            container.mux(sound.encode(None))
    return path


def steady(seconds: float, fps: float = 30.0) -> list[float]:
    """Times of frames at a constant rate, s."""
    return [k / fps for k in range(round(seconds * fps))]


def extract_small(source: Path, target: Path, **more: float) -> ExtractedVideo:
    """Extract small video of these sizes."""
    return extract(source, target, fps=FPS, size=SIZE, clip_frames=CLIP, crf=10, **more)  # type: ignore[arg-type]


def keyframes(path: Path) -> list[int]:
    """Numbers of the frames that can be decoded alone."""
    with av.open(str(path)) as container:
        return [i for i, frame in enumerate(container.decode(video=0)) if frame.key_frame]
