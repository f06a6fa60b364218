"""Pictures as they are shown: turned, mirrored, with pixels that are not square; and cuts where seeks land late."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from comodo.errors import VideoError
from comodo.recordings.frames import read_frames
from comodo.recordings.small_video import extract
from tests.support.mp4 import patched
from tests.support.small_video import grey

ONE = 1 << 16
RED, GREEN, BLUE, YELLOW = (200, 30, 30), (30, 200, 30), (30, 30, 200), (220, 220, 40)
STORED = np.array([[RED, GREEN], [BLUE, YELLOW]])
MATRICES = {
    "hflip": ((-ONE, 0, 0, ONE), STORED[:, ::-1]),
    "vflip": ((ONE, 0, 0, -ONE), STORED[::-1]),
    "rot180": ((-ONE, 0, 0, -ONE), STORED[::-1, ::-1]),
    "clockwise": ((0, ONE, -ONE, 0), np.rot90(STORED, -1)),
    "counterclockwise": ((0, -ONE, ONE, 0), np.rot90(STORED)),
    "transposed": ((0, ONE, ONE, 0), STORED.swapaxes(0, 1)),
    "transposed the other way": ((0, -ONE, -ONE, 0), STORED[::-1, ::-1].swapaxes(0, 1)),
}


def write(
    path: Path, picture: np.ndarray, frames: int = 20, pixels: Fraction | None = None, **options: str
) -> Path:
    """Write one picture (H, W, 3) again and again, 10 times a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "5", **options})
        stream.height, stream.width = picture.shape[:2]
        stream.pix_fmt = "yuv444p"
        if pixels:
            stream.codec_context.sample_aspect_ratio = pixels
        for k in range(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = k, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def small(source: Path, target: Path, size: int = 64, **more: float | bool) -> np.ndarray:
    """A frame of the small video, (size, size, 3)."""
    extract(source, target, 10, size, 20, 10, **more)  # type: ignore[arg-type]
    return read_frames(target, [5])[0].astype(int)


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("already_small", [False, True])
def test_a_display_matrix_turns_and_mirrors(tmp_path: Path, name: str, already_small: bool) -> None:
    side = 64 if already_small else 96
    quarters = STORED.astype(np.uint8).repeat(side // 2, axis=0).repeat(side // 2, axis=1)
    data = write(tmp_path / "a.mp4", quarters).read_bytes()
    (a, b, c, d), expected = MATRICES[name]
    matrix = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    place = data.index(b"tkhd") + 4 + 40
    (tmp_path / "a.mp4").write_bytes(data[:place] + matrix + data[place + 36 :])
    shown = small(tmp_path / "a.mp4", tmp_path / "out.mp4")
    found = shown[16::32, 16::32]
    assert np.abs(found - expected).max() < 40, found.tolist()


@pytest.mark.parametrize("pixels", [Fraction(4, 3), Fraction(3, 4), None])
def test_pixels_become_square(tmp_path: Path, pixels: Fraction | None) -> None:
    """Bars that are equally wide as shown; the published chain squeezes them."""
    wide = 240
    picture = np.zeros((180, wide, 3), np.uint8)
    picture[:, 100:140] = 255
    source = write(tmp_path / "a.mp4", picture, pixels=pixels)
    shown = {
        square: int((small(source, tmp_path / f"{square}.mp4", 90, square=square)[45, :, 0] > 128).sum())
        for square in (True, False)
    }
    ratio = float(pixels or 1)
    side = min(180.0, wide * ratio)
    assert shown[True] == pytest.approx(40 * ratio * 90 / side, abs=2)
    assert shown[False] == pytest.approx(40 * 90 / 180, abs=2)


@pytest.mark.parametrize("container", ["mpegts", "avi", "matroska", "mp4"])
@pytest.mark.parametrize("gop", ["250", "20", "3"])
def test_a_cut_shows_its_own_frames(tmp_path: Path, container: str, gop: str) -> None:
    """Each frame's brightness is its time. Seeks in transport streams land seconds late."""
    path = tmp_path / "a.bin"
    with av.open(str(path), "w", format=container) as output:
        bframes = "0" if container == "avi" else "2"
        stream = output.add_stream("libx264", rate=25, options={"g": gop, "bf": bframes, "crf": "1"})
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for k in range(250):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), grey(k / 25), np.uint8), format="rgb24")
            frame.pts, frame.time_base = k, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    video = extract(path, tmp_path / "out.mp4", 10, 32, 20, 5, start_s=6.3, end_s=8.3)
    assert (video.n_frames, video.frozen) == (20, [])
    shown = read_frames(tmp_path / "out.mp4", range(20)).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(shown, [grey(6.3 + k / 10) for k in range(20)], atol=2.5)


@pytest.mark.parametrize("container", ["mpegts", "matroska"])
@pytest.mark.parametrize("cut", [(0.0, None), (3.3, 5.3)])
def test_a_video_that_begins_after_its_sound_counts_from_its_first_frame(
    tmp_path: Path, container: str, cut: tuple[float, float | None]
) -> None:
    path = tmp_path / "a.bin"
    with av.open(str(path), "w", format=container) as output:
        sound = output.add_stream("mp2", rate=48000, layout="mono")
        stream = output.add_stream("libx264", rate=25, options={"g": "50", "bf": "2", "crf": "1"})
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for k in range(8 * 48000 // 1152):
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1152), np.int16), format="s16", layout="mono")
            silence.sample_rate, silence.pts, silence.time_base = 48000, k * 1152, Fraction(1, 48000)
            output.mux(sound.encode(silence))
        for k in range(150):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), grey(k / 25), np.uint8), format="rgb24")
            frame.pts, frame.time_base = k + 50, Fraction(1, 25)  # 2 s later
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    video = extract(path, tmp_path / "out.mp4", 10, 32, 20, 5, start_s=cut[0], end_s=cut[1])
    assert video.n_frames == (20 if cut[1] else 60)
    shown = read_frames(tmp_path / "out.mp4", range(20)).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(shown, [grey(cut[0] + k / 10) for k in range(20)], atol=2.5)


def test_a_bare_stream_gets_the_remedy(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.h264"), "w", format="h264") as output:
        stream = output.add_stream("libx264", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for k in range(20):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 5 * k, np.uint8), format="rgb24")
            frame.pts, frame.time_base = k, Fraction(1, 10)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with pytest.raises(
        VideoError, match=r"no timestamps: put it into a container .* ffmpeg -r 30 -i in\.h264"
    ):
        extract(tmp_path / "a.h264", tmp_path / "out.mp4", 10, 32, 20, 18)


def numbered(path: Path, frames: int = 120, **options: str) -> Path:
    """Small video as it should be, whose frames tell their number; with B-frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=10, options={"bf": "3", "g": "30", "crf": "5", **options}
        )
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for k in range(frames):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 2 * k, np.uint8), format="rgb24")
            frame.pts, frame.time_base = k, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def shown_at(path: Path, number: int) -> float:
    """The number of the source frame that random access shows."""
    return float(read_frames(path, [number])[0].mean() / 2)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
@pytest.mark.parametrize("options", [{}, {"x264-params": "open-gop=1"}, {"bf": "0"}, {"g": "1"}])
def test_random_access_shows_what_a_decoding_shows(
    tmp_path: Path, suffix: str, options: dict[str, str]
) -> None:
    source = numbered(tmp_path / f"a.{suffix}", **options)
    video = extract(source, tmp_path / "out.mp4", 10, 32, 50, 5)
    assert video.n_frames == 120
    for number in (0, 1, 7, 29, 30, 31, 50, 59, 60, 61, 100, 119):
        assert shown_at(tmp_path / "out.mp4", number) == pytest.approx(number, abs=0.9)


def test_a_trim_without_encoding_is_encoded_anew(tmp_path: Path) -> None:
    """An edit list that begins within a group of pictures: frame k shows k + 16, wherever reading begins."""
    data = numbered(tmp_path / "whole.mp4").read_bytes()

    def later(content: bytes) -> bytes:
        count, duration, begin = struct.unpack(">Iii", content[4:16])
        scale = 10240  # units of a second in the media
        return (
            content[:4] + struct.pack(">Iii", count, duration - 1600, begin + 16 * scale // 10) + content[16:]
        )

    (tmp_path / "a.mp4").write_bytes(patched(data, b"elst", later))
    video = extract(tmp_path / "a.mp4", tmp_path / "out.mp4", 10, 32, 50, 5)
    assert video.n_frames == 104
    for number in (0, 10, 40, 75, 103):
        assert shown_at(tmp_path / "out.mp4", number) == pytest.approx(number + 16, abs=0.9)
