"""Raw video by its timestamps: pauses, damage, and files that are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from comodo.errors import VideoError
from comodo.layouts.media import open_video, video_stream
from comodo.recordings.small_video import extract, read_frames
from tests.support.small_video import CLIP, FPS, SIZE, Picture, extract_small, steady, write_at
from tests.support.video_matrix import KINDS, outcome_of
from tests.support.writers import write_sound


def test_a_part_beyond_the_end_has_no_frames(tmp_path: Path) -> None:
    source = write_at(tmp_path / "a.mp4", steady(2))
    with pytest.raises(VideoError) as error:
        extract_small(source, tmp_path / "out.mp4", start_s=5.0)
    assert error.value.reason == "video_no_frames"
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_last_frame_that_lasts_beyond_the_cut_is_cut(tmp_path: Path) -> None:
    source = write_at(tmp_path / "a.mp4", [*steady(1), 4.0, 4.1])
    video = extract_small(source, tmp_path / "out.mp4", end_s=2.0)
    assert video.n_frames == 20
    assert video.duration_s == pytest.approx(2.0)


def test_short_and_slow_videos(tmp_path: Path) -> None:
    short = extract_small(write_at(tmp_path / "a.mp4", steady(0.4)), tmp_path / "out.mp4")
    assert (short.n_frames, short.reason) == (4, None)
    assert short.duration_s == pytest.approx(0.4, abs=0.01)
    slow = extract_small(write_at(tmp_path / "b.mp4", [0.0, 1.0, 2.0, 3.0]), tmp_path / "out.mp4")
    assert slow.frozen[0][0] == 0
    assert slow.frozen[0][1] >= 3
    assert len(slow.frozen) == 1


def test_a_pause_of_the_camera_is_reported(tmp_path: Path) -> None:
    times = [time for time in steady(9) if not 3 < time < 6]
    video = extract_small(write_at(tmp_path / "a.mp4", times), tmp_path / "out.mp4")
    assert video.n_frames == 90
    ((begin, end),) = video.frozen
    assert begin == pytest.approx(3, abs=0.05)
    assert end == pytest.approx(6, abs=0.05)
    part = extract(tmp_path / "a.mp4", tmp_path / "out.mp4", FPS, SIZE, CLIP, 10, start_s=4.0, end_s=8.0)
    ((begin, end),) = part.frozen
    assert begin == 0
    assert end == pytest.approx(2, abs=0.05)


def noise(time: float, width: int, height: int) -> Picture:
    return np.random.default_rng(int(30 * time)).integers(0, 255, (height, width, 3), dtype=np.uint8)


def pan(time: float, width: int, height: int) -> Picture:
    """Noise that moves at each tenth of a second: frames lean on the ones before."""
    return np.roll(noise(0, width, height), 3 * int(10 * time + 1e-6), axis=1)


def count_held(shown: NDArray[np.uint8], whole: NDArray[np.uint8]) -> int:
    """Check that each frame is the right one or an earlier one, held; return how many are held."""
    held = 0
    for k, frame in enumerate(shown.astype(float)):
        errors = [np.abs(frame - whole[j]).mean() for j in range(max(0, k - 9), k + 1)]
        assert min(errors) < 4
        held += int(np.argmin(errors)) < len(errors) - 1
    return held


def test_a_file_cut_short_gives_what_is_whole(tmp_path: Path) -> None:
    source = write_at(tmp_path / "a.mp4", steady(10), picture=pan, options={"movflags": "faststart"})
    extract_small(source, tmp_path / "whole.mp4")
    content = source.read_bytes()
    source.write_bytes(content[: len(content) * 6 // 10])
    video = extract_small(source, tmp_path / "out.mp4")
    assert video.reason == "video_truncated"
    assert "of 10.00 s" in video.detail
    assert 5 < video.duration_s < 6.5
    assert video.n_frames == pytest.approx(video.duration_s * FPS, abs=1)
    shown, whole = (read_frames(tmp_path / name, range(video.n_frames)) for name in ("out.mp4", "whole.mp4"))
    assert count_held(shown, whole) <= 1


def test_a_damaged_middle_is_left_out(tmp_path: Path) -> None:
    source = write_at(tmp_path / "a.mp4", steady(10), picture=pan)
    extract_small(source, tmp_path / "whole.mp4")
    content = bytearray(source.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = bytes(3000)
    source.write_bytes(bytes(content))
    video = extract_small(source, tmp_path / "out.mp4")
    assert video.reason == "video_damaged"
    assert video.n_frames == 100
    assert str(source) in video.detail
    shown, whole = (read_frames(tmp_path / name, range(100)) for name in ("out.mp4", "whole.mp4"))
    assert 1 <= count_held(shown, whole) <= 9


def test_frames_of_before_the_damage_are_no_keyframes_after_it(tmp_path: Path) -> None:
    """AV1 shows a keyframe again under a later time, also after damage: it is not taken for a new beginning."""
    kind = next(kind for kind in KINDS if kind.codec == "AV1")
    assert outcome_of(kind, "4 kB lost", tmp_path) == "`video_damaged`"


def cut_without_index(path: Path) -> None:
    content = write_at(path, steady(3)).read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])


BAD_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "video_missing_file"),
    "empty": (lambda path: path.write_bytes(b""), "video_empty"),
    "text": (lambda path: path.write_text("not a video\n" * 100), "video_unreadable"),
    "folder": (lambda path: path.mkdir(), "video_unreadable"),
    "symlink loop": (lambda path: path.symlink_to(path), "video_unreadable"),
    "cut at 60 %": (cut_without_index, "video_unreadable"),
    "sound only": (write_sound, "video_no_stream"),
}


def open_track(source: Path) -> None:
    with open_video(source) as container:
        video_stream(container, source)


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_have_their_reason(tmp_path: Path, name: str) -> None:
    make, reason = BAD_FILES[name]
    source = tmp_path / "a.mp4"
    make(source)
    for call in (lambda: extract_small(source, tmp_path / "out.mp4"), lambda: open_track(source)):
        with pytest.raises(VideoError, match=r"a\.mp4") as error:
            call()
        assert error.value.reason == reason
    assert not list(tmp_path.glob("*out*"))


def test_no_permission_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("comodo.layouts.media.open_regular", refuse)
    with pytest.raises(VideoError, match="Permission denied") as error:
        extract_small(tmp_path / "a.mp4", tmp_path / "out.mp4")
    assert error.value.reason == "video_unreadable"
