"""Small video of a recording whose camera wrote several files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest

from comodo.config import VideoSettings
from comodo.errors import VideoError
from comodo.layouts.types import Recording
from comodo.recordings.frames import read_frames
from comodo.recordings.raw_files import fingerprint
from comodo.recordings.small_video import ExtractedVideo, extract, extract_recordings
from tests.support.small_video import CLIP, FPS, SIZE, flat, grey, keyframes, steady, write_at


def chapters(folder: Path, *lengths: float, **more: int) -> list[Path]:
    """Files whose frames tell their time in the recording."""
    files, begin = [], 0.0
    for n, length in enumerate(lengths):

        def picture(time: float, width: int, height: int, begin: float = begin) -> np.ndarray:
            return flat(begin + time, width, height)

        files.append(write_at(folder / f"{n}.mp4", steady(length), picture=picture, **more))
        begin += length
    return files


def small(
    files: Sequence[Path], target: Path, start_s: float = 0.0, end_s: float | None = None
) -> ExtractedVideo:
    return extract(files[0], target, FPS, SIZE, CLIP, 10, start_s, end_s, chapters=files[1:])


@pytest.mark.parametrize(
    ("start", "end", "count"),
    [(0, None, 70), (1, 6, 50), (2.5, 4, 15), (2.05, 2.95, 9), (2, 5, 30), (5.5, None, 15), (4, 4.5, 5)],
)
def test_three_chapters_are_one_video(tmp_path: Path, start: float, end: float | None, count: int) -> None:
    """Frame k shows `start` + k / fps: the frame before each border is of one file, the one after it of the next."""
    video = small(chapters(tmp_path, 2, 3, 2), tmp_path / "out.mp4", start, end)
    assert (video.n_frames, video.reason, video.frozen) == (count, None, [])
    assert video.duration_s == pytest.approx(count / 10, abs=0.01)
    shown = read_frames(tmp_path / "out.mp4", range(count)).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(shown, [grey(start + k / 10) for k in range(count)], atol=2.5)
    assert keyframes(tmp_path / "out.mp4") == list(range(0, count, CLIP))


def test_a_chapter_that_ends_early_is_a_hole(tmp_path: Path) -> None:
    files = chapters(tmp_path, 2, 3, 2)
    data = bytearray(files[1].read_bytes())
    with av.open(str(files[1])) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    for place, size in packets[30:]:
        data[place + 4 : place + size] = b"\xff" * (size - 4)
    files[1].write_bytes(data)
    video = small(files, tmp_path / "out.mp4")
    assert (video.n_frames, video.reason) == (70, "video_damaged")
    assert video.detail.startswith(str(files[1]))
    shown = read_frames(tmp_path / "out.mp4", range(70)).mean(axis=(1, 2, 3))
    right = [k for k in range(70) if not 30 <= k < 50]
    np.testing.assert_allclose(shown[right], [grey(k / 10) for k in right], atol=2.5)
    np.testing.assert_allclose(video.frozen, [(3, 5)], atol=0.05)


def test_a_lost_chapter_drops_the_recording(tmp_path: Path) -> None:
    files = chapters(tmp_path, 2, 2)
    with pytest.raises(VideoError, match=r"gone\.mp4 does not exist"):
        small([*files, tmp_path / "gone.mp4"], tmp_path / "out.mp4")
    with pytest.raises(VideoError, match=r"gone\.mp4 does not exist"):
        small([files[0], tmp_path / "gone.mp4", files[1]], tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_chapters_have_one_size(tmp_path: Path) -> None:
    files = chapters(tmp_path, 2)
    other = write_at(tmp_path / "b.mp4", steady(2), width=32, height=48)
    with pytest.raises(VideoError, match="64 × 48 and 32 × 48 pixels"):
        small([*files, other], tmp_path / "out.mp4")


def test_the_table_and_the_digest_know_the_chapters(tmp_path: Path) -> None:
    files = chapters(tmp_path, 2, 3)
    one = Recording("a", "train", "x", files[0], files[0], chapters=tuple(files[1:]))
    (row,) = extract_recordings([one], tmp_path / "clips", VideoSettings(size=32), clip_s=1)
    assert (row["n_frames"], row["reason"]) == (50, "")
    before = fingerprint([one])
    files[1].write_bytes(files[1].read_bytes() + b"\0")
    assert fingerprint([one]) != before
