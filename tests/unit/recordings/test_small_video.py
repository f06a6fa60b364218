"""Small video: frames at a constant rate, square, in clips that can be read alone."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from comodo.config import DatasetSettings, VideoSettings
from comodo.layouts.types import Recording
from comodo.recordings.small_video import TABLE_COLUMNS, extract, extract_recordings, read_frames
from tests.support.small_video import (
    CLIP,
    FPS,
    SIZE,
    Picture,
    extract_small,
    grey,
    keyframes,
    steady,
    write_at,
)


def brightness(path: Path, n_frames: int) -> NDArray[np.float64]:
    return read_frames(path, range(n_frames)).mean(axis=(1, 2, 3))


def test_frame_k_shows_the_time_k_over_fps(tmp_path: Path) -> None:
    source = write_at(tmp_path / "a.mp4", steady(7))
    video = extract_small(source, tmp_path / "out.mp4")
    assert (video.n_frames, video.reason, video.frozen) == (70, None, [])
    assert video.duration_s == pytest.approx(7, abs=0.01)
    np.testing.assert_allclose(
        brightness(tmp_path / "out.mp4", 70), [grey(k / 10) for k in range(70)], atol=2.5
    )


def test_a_clip_is_read_alone(tmp_path: Path) -> None:
    extract_small(write_at(tmp_path / "a.mp4", steady(7)), tmp_path / "out.mp4")
    assert keyframes(tmp_path / "out.mp4") == [0, 20, 40, 60]
    frames = read_frames(tmp_path / "out.mp4", [45, 40, 59, 45])
    assert frames.shape == (4, SIZE, SIZE, 3)
    assert frames.dtype == np.uint8
    np.testing.assert_allclose(
        frames.mean(axis=(1, 2, 3)), [grey(k / 10) for k in (45, 40, 59, 45)], atol=2.5
    )


def test_scene_cuts_make_no_keyframes(tmp_path: Path) -> None:
    def flicker(time: float, width: int, height: int) -> Picture:
        return np.random.default_rng(int(time)).integers(0, 255, (height, width, 3), dtype=np.uint8)

    extract_small(write_at(tmp_path / "a.mp4", steady(7), picture=flicker), tmp_path / "out.mp4")
    assert keyframes(tmp_path / "out.mp4") == [0, 20, 40, 60]


def test_variable_rate_goes_by_timestamps(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.01, 0.2, 70))
    times -= times[0]
    video = extract_small(write_at(tmp_path / "a.mp4", times), tmp_path / "out.mp4")
    shown = brightness(tmp_path / "out.mp4", video.n_frames)
    # nearest 1 / fps, as ffmpeg
    expected = [grey(times[times < (k + 0.5) / FPS][-1]) for k in range(video.n_frames)]
    np.testing.assert_allclose(shown[:-1], expected[:-1], atol=2.5)
    assert video.n_frames == pytest.approx(times[-1] * FPS, abs=2)


def test_times_count_from_the_first_frame(tmp_path: Path) -> None:
    source = write_at(tmp_path / "a.mkv", [time + 4.0 for time in steady(4)])
    video = extract_small(source, tmp_path / "out.mp4")
    assert video.n_frames == 40
    assert video.duration_s == pytest.approx(4, abs=0.01)
    assert video.reason is None
    np.testing.assert_allclose(
        brightness(tmp_path / "out.mp4", 40), [grey(4 + k / 10) for k in range(40)], atol=2.5
    )


@pytest.mark.parametrize(("start", "end"), [(0.0, 2.0), (1.3, 3.0), (2.05, None), (3.9, 9.0)])
def test_a_part_is_cut_out(tmp_path: Path, start: float, end: float | None) -> None:
    source = write_at(tmp_path / "a.mp4", steady(6))
    video = extract(source, tmp_path / "out.mp4", FPS, SIZE, CLIP, 10, start_s=start, end_s=end)
    length = min(end or 6.0, 6.0) - start
    assert video.duration_s == pytest.approx(length, abs=0.01)
    assert video.n_frames == pytest.approx(length * FPS, abs=0.5)
    assert video.reason is None
    assert keyframes(tmp_path / "out.mp4") == list(range(0, video.n_frames, CLIP))
    shown = brightness(tmp_path / "out.mp4", video.n_frames)
    np.testing.assert_allclose(shown, [grey(start + k / 10) for k in range(video.n_frames)], atol=2.5)


@pytest.mark.parametrize(("color_range", "colorspace"), [(2, 1), (1, 1), (1, 5), (0, 2)])
def test_colours_survive(tmp_path: Path, color_range: int, colorspace: int) -> None:
    source = tmp_path / "a.mkv"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.color_range, stream.codec_context.colorspace = color_range, colorspace
        plain = av.VideoFrame.from_ndarray(
            np.full((48, 64, 3), (200, 90, 30), dtype=np.uint8), format="rgb24"
        )
        for k in range(30):
            matrix = colorspace if colorspace != 2 else 5  # unspecified means BT.601
            frame = plain.reformat(format="yuv420p", dst_colorspace=matrix, dst_color_range=color_range or 1)
            frame.pts, frame.time_base = k, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    extract_small(source, tmp_path / "out.mp4")
    shown = read_frames(tmp_path / "out.mp4", [5])[0]
    np.testing.assert_allclose(shown.mean(axis=(0, 1)), [200, 90, 30], atol=3)


def test_cuts_of_a_file_are_its_windows(tmp_path: Path) -> None:
    source = write_at(tmp_path / "a.mp4", steady(6))
    extract_small(source, tmp_path / "whole.mp4")
    extract(source, tmp_path / "part.mp4", FPS, SIZE, CLIP, 10, start_s=2.0, end_s=4.0)
    whole, part = (
        read_frames(tmp_path / "whole.mp4", range(20, 40)),
        read_frames(tmp_path / "part.mp4", range(20)),
    )
    assert np.abs(whole.astype(float) - part).mean() < 1


@pytest.mark.parametrize(("width", "height"), [(65, 47), (47, 65), (100, 33)])
def test_odd_sizes_are_cropped_at_the_centre(tmp_path: Path, width: int, height: int) -> None:
    def square(time: float, width: int, height: int) -> Picture:
        picture = np.zeros((height, width, 3), dtype=np.uint8)
        side = min(width, height)
        top, left = (height - side) // 2, (width - side) // 2
        picture[top : top + side, left : left + side] = 200
        return picture

    video = extract_small(
        write_at(tmp_path / "a.mp4", steady(1), width, height, square), tmp_path / "out.mp4"
    )
    frame = read_frames(tmp_path / "out.mp4", [3])[0]
    assert video.n_frames == 10
    assert frame.shape == (SIZE, SIZE, 3)
    assert frame[2:-2, 2:-2].min() > 190


def corners(time: float, width: int, height: int) -> Picture:
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    picture[: height // 2, : width // 2] = 80  # top left
    picture[: height // 2, width // 2 :] = 150  # top right
    picture[height // 2 :, width // 2 :] = 220  # bottom right
    return picture


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_rotation_metadata_is_honoured(tmp_path: Path, rotation: int) -> None:
    source = write_at(tmp_path / "a.mp4", steady(1), 64, 48, corners, rotation=rotation)
    extract_small(source, tmp_path / "out.mp4")
    frame = read_frames(tmp_path / "out.mp4", [3])[0].astype(int)
    # The matrix asks players to turn the picture counterclockwise.
    upright = np.rot90(np.array([[80, 150], [0, 220]]), rotation // 90)
    shown = frame[[[8], [24]], [8, 24]].mean(axis=2)
    np.testing.assert_allclose(shown, upright, atol=4)


def test_sound_and_other_tracks_are_ignored(tmp_path: Path) -> None:
    source = write_at(tmp_path / "a.mp4", steady(2), audio=True)
    video = extract_small(source, tmp_path / "out.mp4")
    assert (video.n_frames, video.reason) == (20, None)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"


def test_the_same_bytes_each_time_whatever_the_threads(tmp_path: Path) -> None:
    source = write_at(tmp_path / "a.mp4", steady(3))
    for name, threads in (("x.mp4", 1), ("y.mp4", 1), ("z.mp4", 2)):
        extract_small(source, tmp_path / name, threads=threads)
    assert (tmp_path / "x.mp4").read_bytes() == (tmp_path / "y.mp4").read_bytes()
    assert (tmp_path / "x.mp4").read_bytes() == (tmp_path / "z.mp4").read_bytes()


def test_one_bad_recording_harms_no_other(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    write_at(raw / "good.mp4", steady(3))
    (raw / "bad.mp4").write_text("x")
    names = ["bad", "a/../ü", "gone"]
    files = [raw / "bad.mp4", raw / "good.mp4", raw / "gone.mp4"]
    recordings = [
        Recording(n, "train", "x", f, f, start_s=float(i == 1))
        for i, (n, f) in enumerate(zip(names, files, strict=True))
    ]
    names.append("none")
    recordings.append(Recording("none", "train", "x", None, raw / "none.csv"))
    rows = list(extract_recordings(recordings, tmp_path / "clips", VideoSettings(size=32), clip_s=1))
    assert [row["recording"] for row in rows] == names
    assert [row["reason"] for row in rows] == ["video_unreadable", "", *["video_missing_file"] * 2]
    assert [row["n_frames"] for row in rows] == [0, 20, 0, 0]
    assert all(set(row) == set(TABLE_COLUMNS) for row in rows)
    assert [path.name for path in (tmp_path / "clips").iterdir()] == [rows[1]["file"]]
    assert keyframes(tmp_path / "clips" / rows[1]["file"]) == [0, 10]


def test_a_recording_that_is_one_clip_has_keyframes_too(tmp_path: Path) -> None:
    source = write_at(tmp_path / "a.mp4", steady(11, fps=25))
    one = Recording("x/a", "train", "x", source, source)
    (row,) = extract_recordings([one], tmp_path / "clips", VideoSettings(size=32, fps=25), clip_s=None)
    assert (row["n_frames"], row["reason"]) == (275, "")
    assert keyframes(tmp_path / "clips" / row["file"]) == [0, 125, 250]


def test_without_a_device_software_decodes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The pictures are the same; the log and the table say what decoded."""
    source = write_at(tmp_path / "a.mp4", steady(3))
    one = Recording("a", "train", "x", source, source)
    (plain,) = extract_recordings([one], tmp_path / "plain", VideoSettings(size=32), clip_s=1)
    (row,) = extract_recordings([one], tmp_path / "cuda", VideoSettings(size=32), clip_s=1, hwaccel="cuda")
    assert plain["decoder"] == "software"
    if row["decoder"] == "software":
        assert row == plain
        assert "decoded by software" in caplog.text
    frames = [read_frames(tmp_path / name / row["file"], range(30)) for name in ("plain", "cuda")]
    assert np.abs(frames[0].astype(int) - frames[1]).mean() < 1


def test_the_decoding_device_reruns_nothing() -> None:
    settings = {"layout": "ego4d", "root": ".", "video": {"hwaccel": "cuda"}}
    assert "hwaccel" not in str(DatasetSettings.model_validate(settings).used({"video"}))
    with pytest.raises(ValueError, match="hwaccel"):
        VideoSettings(hwaccel="vaapi")  # type: ignore[arg-type]


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "duration_s", "n_frames"),
    [("hero7", 11.745, 117), ("max-heromode", 10.51, 105), ("karma", 12.079, 121)],
)
def test_gopro_files(realdata: Path, tmp_path: Path, name: str, duration_s: float, n_frames: int) -> None:
    source = realdata / "gopro" / f"{name}.mp4"
    video = extract(source, tmp_path / "out.mp4", 10.0, 224, 25, 18)
    assert video.n_frames == n_frames
    assert video.duration_s == pytest.approx(duration_s, abs=0.005)
    assert (video.reason, video.frozen) == (None, [])
    with av.open(
        str(source)
    ) as container:  # the plain way: decode all, pick the frame that is due, crop, scale
        raw = [(frame.time, frame.to_rgb()) for frame in container.decode(video=0)]
    shown = read_frames(tmp_path / "out.mp4", range(0, n_frames, 20))
    for k, frame in zip(range(0, n_frames, 20), shown, strict=True):
        picture = [image for time, image in raw if time < (k + 0.5) / 10][-1].to_ndarray()
        side, left = picture.shape[0], (picture.shape[1] - picture.shape[0]) // 2
        square = av.VideoFrame.from_ndarray(
            np.ascontiguousarray(picture[:, left : left + side]), format="rgb24"
        )
        expected = square.reformat(224, 224, interpolation="BICUBIC").to_ndarray().astype(float)
        assert np.abs(frame - expected).mean() < 4
        assert np.abs(frame.mean(axis=(0, 1)) - expected.mean(axis=(0, 1))).max() < 1
