"""Frames of small video, by each package that reads them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from comodo.errors import DamageError, DecoderError
from comodo.recordings.frames import read_frames
from comodo.recordings.small_video import extract
from tests.support.small_video import extract_small, grey, steady, write_at


@pytest.fixture(params=["decord", "torchcodec"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The package that reads; the other one is hidden."""
    package: str = request.param
    if package == "torchcodec":
        monkeypatch.setitem(sys.modules, "decord", None)
        try:
            import torchcodec.decoders  # noqa: F401
        except (ImportError, RuntimeError, OSError):
            pytest.skip(
                "torchcodec or the shared libraries of FFmpeg (apt-get install ffmpeg) are not installed"
            )
    else:
        pytest.importorskip("decord", reason="decord has no wheel for this machine")
    return package


def test_each_frame_is_the_one_that_was_asked_for(reader: str, tmp_path: Path) -> None:
    extract_small(write_at(tmp_path / "a.mp4", steady(7)), tmp_path / "out.mp4")
    wanted = [45, 0, 69, 45, 20, 19]
    frames = read_frames(tmp_path / "out.mp4", wanted)
    assert (frames.shape, frames.dtype) == ((6, 32, 32, 3), np.uint8)
    np.testing.assert_allclose(frames.mean(axis=(1, 2, 3)), [grey(k / 10) for k in wanted], atol=2.5)


def test_damage_names_the_folder(reader: str, tmp_path: Path) -> None:
    video = tmp_path / "video" / "a.mp4"
    video.parent.mkdir()
    extract_small(write_at(tmp_path / "a.mp4", steady(3)), video)
    with pytest.raises(DamageError, match="has 30 frames, not 31 or more"):
        read_frames(video, [30])
    data = video.read_bytes()
    video.write_bytes(data[: data.index(b"moov")] + b"\0" * (len(data) - data.index(b"moov")))
    with pytest.raises(DamageError, match=r"video .*a\.mp4"):
        read_frames(video, [0])
    with pytest.raises(DamageError, match=r"gone\.mp4 does not exist"):
        read_frames(video.with_name("gone.mp4"), [0])


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["hero7", "karma"])
def test_both_packages_give_equal_frames(
    realdata: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("decord", reason="decord has no wheel for this machine")
    extract(realdata / f"gopro/{name}.mp4", tmp_path / "out.mp4", 10, 224, 25, 18)
    by_decord = read_frames(tmp_path / "out.mp4", range(0, 110, 7))
    monkeypatch.setitem(sys.modules, "decord", None)
    try:
        by_torchcodec = read_frames(tmp_path / "out.mp4", range(0, 110, 7))
    except DecoderError:
        pytest.skip("torchcodec or the shared libraries of FFmpeg (apt-get install ffmpeg) are not installed")
    np.testing.assert_array_equal(by_torchcodec, by_decord)


def test_without_any_package_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extract_small(write_at(tmp_path / "a.mp4", steady(1)), tmp_path / "out.mp4")
    monkeypatch.setitem(sys.modules, "decord", None)
    monkeypatch.setitem(sys.modules, "torchcodec", None)
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", None)
    with pytest.raises(DecoderError, match=r"pip install comodo\[torchcodec\]"):
        read_frames(tmp_path / "out.mp4", [0])
