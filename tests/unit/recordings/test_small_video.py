from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.writers import write_sound

from comodo.config import VideoSettings
from comodo.layouts.types import Recording
from comodo.recordings.small_video import (
    TABLE_COLUMNS,
    ExtractedVideo,
    extract,
    extract_recordings,
    read_frames,
)
from comodo.recordings.video_source import VideoError, probe

Picture = NDArray[np.uint8]
FPS, SIZE, CLIP = 10.0, 32, 20


def grey(time: float) -> int:
    """What a frame of the test videos shows: a brightness that tells its time, 20 levels per second."""
    return 20 + round(20 * time)


def flat(time: float, width: int, height: int) -> Picture:
    return np.full((height, width, 3), grey(time), dtype=np.uint8)


def write(
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
    return [k / fps for k in range(round(seconds * fps))]


def run(source: Path, target: Path, **more: float) -> ExtractedVideo:
    return extract(source, target, fps=FPS, size=SIZE, clip_frames=CLIP, crf=10, **more)  # type: ignore[arg-type]


def brightness(path: Path, n_frames: int) -> NDArray[np.float64]:
    return read_frames(path, range(n_frames)).mean(axis=(1, 2, 3))


def keyframes(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [i for i, frame in enumerate(container.decode(video=0)) if frame.key_frame]


def test_frame_k_shows_the_time_k_over_fps(tmp_path: Path) -> None:
    source = write(tmp_path / "a.mp4", steady(7))
    video = run(source, tmp_path / "out.mp4")
    assert (video.n_frames, video.reason, video.frozen) == (70, None, [])
    assert video.duration_s == pytest.approx(7, abs=0.01)
    np.testing.assert_allclose(
        brightness(tmp_path / "out.mp4", 70), [grey(k / 10) for k in range(70)], atol=2.5
    )


def test_a_clip_is_read_alone(tmp_path: Path) -> None:
    run(write(tmp_path / "a.mp4", steady(7)), tmp_path / "out.mp4")
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

    run(write(tmp_path / "a.mp4", steady(7), picture=flicker), tmp_path / "out.mp4")
    assert keyframes(tmp_path / "out.mp4") == [0, 20, 40, 60]


def test_variable_rate_goes_by_timestamps(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.01, 0.2, 70))
    times -= times[0]
    video = run(write(tmp_path / "a.mp4", times), tmp_path / "out.mp4")
    shown = brightness(tmp_path / "out.mp4", video.n_frames)
    # nearest 1 / fps, as ffmpeg
    expected = [grey(times[times < (k + 0.5) / FPS][-1]) for k in range(video.n_frames)]
    np.testing.assert_allclose(shown[:-1], expected[:-1], atol=2.5)
    assert video.n_frames == pytest.approx(times[-1] * FPS, abs=2)


def test_times_count_from_the_first_frame(tmp_path: Path) -> None:
    source = write(tmp_path / "a.mkv", [time + 4.0 for time in steady(4)])
    video = run(source, tmp_path / "out.mp4")
    assert video.n_frames == 40
    assert video.duration_s == pytest.approx(4, abs=0.01)
    assert video.reason is None
    np.testing.assert_allclose(
        brightness(tmp_path / "out.mp4", 40), [grey(4 + k / 10) for k in range(40)], atol=2.5
    )


@pytest.mark.parametrize(("start", "end"), [(0.0, 2.0), (1.3, 3.0), (2.05, None), (3.9, 9.0)])
def test_a_part_is_cut_out(tmp_path: Path, start: float, end: float | None) -> None:
    source = write(tmp_path / "a.mp4", steady(6))
    video = extract(source, tmp_path / "out.mp4", FPS, SIZE, CLIP, 10, start_s=start, end_s=end)
    length = min(end or 6.0, 6.0) - start
    assert video.duration_s == pytest.approx(length, abs=0.01)
    assert video.n_frames == pytest.approx(length * FPS, abs=0.5)
    assert video.reason is None
    assert keyframes(tmp_path / "out.mp4") == list(range(0, video.n_frames, CLIP))
    shown = brightness(tmp_path / "out.mp4", video.n_frames)
    np.testing.assert_allclose(shown, [grey(start + k / 10) for k in range(video.n_frames)], atol=2.5)


def test_a_last_frame_that_lasts_beyond_the_cut_is_cut(tmp_path: Path) -> None:
    source = write(tmp_path / "a.mp4", [*steady(1), 4.0, 4.1])
    video = run(source, tmp_path / "out.mp4", end_s=2.0)
    assert video.n_frames == 20
    assert video.duration_s == pytest.approx(2.0)


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
    run(source, tmp_path / "out.mp4")
    shown = read_frames(tmp_path / "out.mp4", [5])[0]
    np.testing.assert_allclose(shown.mean(axis=(0, 1)), [200, 90, 30], atol=3)


def test_cuts_of_a_file_are_its_windows(tmp_path: Path) -> None:
    source = write(tmp_path / "a.mp4", steady(6))
    run(source, tmp_path / "whole.mp4")
    extract(source, tmp_path / "part.mp4", FPS, SIZE, CLIP, 10, start_s=2.0, end_s=4.0)
    whole, part = (
        read_frames(tmp_path / "whole.mp4", range(20, 40)),
        read_frames(tmp_path / "part.mp4", range(20)),
    )
    assert np.abs(whole.astype(float) - part).mean() < 1


def test_a_part_beyond_the_end_has_no_frames(tmp_path: Path) -> None:
    source = write(tmp_path / "a.mp4", steady(2))
    with pytest.raises(VideoError) as error:
        run(source, tmp_path / "out.mp4", start_s=5.0)
    assert error.value.reason == "video_no_frames"
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize(("width", "height"), [(65, 47), (47, 65), (100, 33)])
def test_odd_sizes_are_cropped_at_the_centre(tmp_path: Path, width: int, height: int) -> None:
    def square(time: float, width: int, height: int) -> Picture:
        picture = np.zeros((height, width, 3), dtype=np.uint8)
        side = min(width, height)
        top, left = (height - side) // 2, (width - side) // 2
        picture[top : top + side, left : left + side] = 200
        return picture

    video = run(write(tmp_path / "a.mp4", steady(1), width, height, square), tmp_path / "out.mp4")
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
    source = write(tmp_path / "a.mp4", steady(1), 64, 48, corners, rotation=rotation)
    run(source, tmp_path / "out.mp4")
    frame = read_frames(tmp_path / "out.mp4", [3])[0].astype(int)
    # The matrix asks players to turn the picture counterclockwise.
    upright = np.rot90(np.array([[80, 150], [0, 220]]), rotation // 90)
    shown = frame[[[8], [24]], [8, 24]].mean(axis=2)
    np.testing.assert_allclose(shown, upright, atol=4)
    info = probe(source)
    assert (info.width, info.height) == ((64, 48) if rotation % 180 == 0 else (48, 64))


def test_sound_and_other_tracks_are_ignored(tmp_path: Path) -> None:
    source = write(tmp_path / "a.mp4", steady(2), audio=True)
    video = run(source, tmp_path / "out.mp4")
    assert (video.n_frames, video.reason) == (20, None)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"


def test_the_same_bytes_each_time_whatever_the_threads(tmp_path: Path) -> None:
    source = write(tmp_path / "a.mp4", steady(3))
    for name, threads in (("x.mp4", 1), ("y.mp4", 1), ("z.mp4", 2)):
        run(source, tmp_path / name, threads=threads)
    assert (tmp_path / "x.mp4").read_bytes() == (tmp_path / "y.mp4").read_bytes()
    assert (tmp_path / "x.mp4").read_bytes() == (tmp_path / "z.mp4").read_bytes()


def test_short_and_slow_videos(tmp_path: Path) -> None:
    short = run(write(tmp_path / "a.mp4", steady(0.4)), tmp_path / "out.mp4")
    assert (short.n_frames, short.reason) == (4, None)
    assert short.duration_s == pytest.approx(0.4, abs=0.01)
    slow = run(write(tmp_path / "b.mp4", [0.0, 1.0, 2.0, 3.0]), tmp_path / "out.mp4")
    assert slow.frozen[0][0] == 0
    assert slow.frozen[0][1] >= 3
    assert len(slow.frozen) == 1


def test_a_pause_of_the_camera_is_reported(tmp_path: Path) -> None:
    times = [time for time in steady(9) if not 3 < time < 6]
    video = run(write(tmp_path / "a.mp4", times), tmp_path / "out.mp4")
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
    source = write(tmp_path / "a.mp4", steady(10), picture=pan, options={"movflags": "faststart"})
    run(source, tmp_path / "whole.mp4")
    content = source.read_bytes()
    source.write_bytes(content[: len(content) * 6 // 10])
    video = run(source, tmp_path / "out.mp4")
    assert video.reason == "video_truncated"
    assert "of 10.00 s" in video.detail
    assert 5 < video.duration_s < 6.5
    assert video.n_frames == pytest.approx(video.duration_s * FPS, abs=1)
    shown, whole = (read_frames(tmp_path / name, range(video.n_frames)) for name in ("out.mp4", "whole.mp4"))
    assert count_held(shown, whole) <= 1


def test_a_damaged_middle_is_left_out(tmp_path: Path) -> None:
    source = write(tmp_path / "a.mp4", steady(10), picture=pan)
    run(source, tmp_path / "whole.mp4")
    content = bytearray(source.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = bytes(3000)
    source.write_bytes(bytes(content))
    video = run(source, tmp_path / "out.mp4")
    assert video.reason == "video_damaged"
    assert video.n_frames == 100
    assert str(source) in video.detail
    shown, whole = (read_frames(tmp_path / name, range(100)) for name in ("out.mp4", "whole.mp4"))
    assert 1 <= count_held(shown, whole) <= 9


def cut_without_index(path: Path) -> None:
    content = write(path, steady(3)).read_bytes()
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


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_have_their_reason(tmp_path: Path, name: str) -> None:
    make, reason = BAD_FILES[name]
    source = tmp_path / "a.mp4"
    make(source)
    for call in (lambda: run(source, tmp_path / "out.mp4"), lambda: probe(source)):
        with pytest.raises(VideoError, match=r"a\.mp4") as error:
            call()
        assert error.value.reason == reason
    assert not list(tmp_path.glob("*out*"))


def test_no_permission_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("comodo.recordings.video_source.open", refuse, raising=False)
    with pytest.raises(VideoError, match="Permission denied") as error:
        run(tmp_path / "a.mp4", tmp_path / "out.mp4")
    assert error.value.reason == "video_unreadable"


def test_probe(tmp_path: Path) -> None:
    info = probe(write(tmp_path / "a.mp4", steady(2, fps=25)))
    assert (info.width, info.height, info.n_frames) == (64, 48, 50)
    assert info.fps == pytest.approx(25, rel=0.05)
    assert info.duration_s == pytest.approx(2, abs=0.05)


def test_one_bad_recording_harms_no_other(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    write(raw / "good.mp4", steady(3))
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
    video = run(source, tmp_path / "out.mp4")
    assert video == ExtractedVideo(70, 7.0)
    assert coded(tmp_path / "out.mp4") == coded(source)
    np.testing.assert_array_equal(
        read_frames(tmp_path / "out.mp4", range(70)), read_frames(source, range(70))
    )
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video"]
    run(source, tmp_path / "again.mp4")
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
    video = run(source, tmp_path / "out.mp4")
    assert video.n_frames == len(times)
    assert keyframes(tmp_path / "out.mp4") == list(range(0, len(times), CLIP))


def test_damaged_small_video_is_coded_anew(tmp_path: Path) -> None:
    source = write_small(tmp_path / "a.mp4", steady(20, fps=10), gop=50)
    whole = coded(source)
    data = bytearray(source.read_bytes())
    place = data.index(whole[60])
    data[place + 4 : place + len(whole[60])] = b"\xff" * (len(whole[60]) - 4)
    source.write_bytes(bytes(data))
    video = run(source, tmp_path / "out.mp4")
    assert video.reason == "video_damaged"
    assert keyframes(tmp_path / "out.mp4")[:2] == [0, CLIP]


def test_a_recording_that_is_one_clip_has_keyframes_too(tmp_path: Path) -> None:
    source = write(tmp_path / "a.mp4", steady(11, fps=25))
    one = Recording("x/a", "train", "x", source, source)
    (row,) = extract_recordings([one], tmp_path / "clips", VideoSettings(size=32, fps=25), clip_s=None)
    assert (row["n_frames"], row["reason"]) == (275, "")
    assert keyframes(tmp_path / "clips" / row["file"]) == [0, 125, 250]


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
