"""Small video of the published scripts, whose pictures are copied as they are coded."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from comodo.recordings.small_video import ExtractedVideo, read_frames
from tests.support.small_video import CLIP, SIZE, extract_small, flat, keyframes, steady


def coded(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def write_small(
    path: Path, times: Sequence[float], gop: int = 250, pix_fmt: str = "yuv420p", rotation: int = 0
) -> Path:
    """Write small video as the published scripts do: x264 by default, with sound."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"g": str(gop), "sc_threshold": "0"})
        stream.width, stream.height, stream.pix_fmt = SIZE, SIZE, pix_fmt
        if rotation:
            stream.set_display_rotation(rotation)
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        sound = container.add_stream("aac", rate=16000, layout="mono")
        for time in times:
            frame = av.VideoFrame.from_ndarray(flat(time % 10, SIZE, SIZE), format="rgb24")
            frame.pts, frame.time_base = round(time * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.sample_rate, silence.pts, silence.time_base = 16000, 0, Fraction(1, 16000)
        container.mux(sound.encode(silence))
        container.mux(sound.encode(None))
    return path


def test_small_video_is_copied_as_it_is_coded(tmp_path: Path) -> None:
    source = write_small(tmp_path / "a.mp4", steady(7, fps=10))
    video = extract_small(source, tmp_path / "out.mp4")
    assert video == ExtractedVideo(70, 7.0, decoder="")
    assert coded(tmp_path / "out.mp4") == coded(source)
    np.testing.assert_array_equal(
        read_frames(tmp_path / "out.mp4", range(70)), read_frames(source, range(70))
    )
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video"]
    extract_small(source, tmp_path / "again.mp4")
    assert (tmp_path / "again.mp4").read_bytes() == (tmp_path / "out.mp4").read_bytes()


@pytest.mark.parametrize(
    ("times", "more"),
    [
        ([*steady(3, fps=10), *(3.04 + time for time in steady(3, fps=10))], {}),  # a frame comes late
        (steady(7, fps=10), {"pix_fmt": "yuv444p"}),
        (steady(7, fps=10), {"rotation": 90}),
        (steady(40, fps=10), {"gop": 400}),  # the last clip would be 40 s from the next keyframe
    ],
)
def test_what_is_not_quite_small_video_is_coded_anew(
    tmp_path: Path, times: list[float], more: dict[str, int]
) -> None:
    source = write_small(tmp_path / "a.mp4", times, **more)  # type: ignore[arg-type]
    video = extract_small(source, tmp_path / "out.mp4")
    assert video.n_frames == len(times)
    assert keyframes(tmp_path / "out.mp4") == list(range(0, len(times), CLIP))


def test_damaged_small_video_is_coded_anew(tmp_path: Path) -> None:
    source = write_small(tmp_path / "a.mp4", steady(20, fps=10), gop=50)
    whole = coded(source)
    data = bytearray(source.read_bytes())
    place = data.index(whole[60])
    data[place + 4 : place + len(whole[60])] = b"\xff" * (len(whole[60]) - 4)
    source.write_bytes(bytes(data))
    video = extract_small(source, tmp_path / "out.mp4")
    assert video.reason == "video_damaged"
    assert keyframes(tmp_path / "out.mp4")[:2] == [0, CLIP]
