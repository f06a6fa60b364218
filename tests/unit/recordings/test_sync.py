"""Offset and drift of an IMU's clock against its video."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from comodo.layouts.camera import read_camera
from comodo.recordings.image_motion import read_motion
from comodo.recordings.resample import resample
from comodo.recordings.small_video import extract
from comodo.recordings.sync import Stretch, align_sensors, estimate_sync, stretches_of

RATE, FPS = 200.0, 10.0
Floats = np.ndarray


def head(seconds: float, seed: int = 0) -> Floats:
    """Rotation rate (3, N) of a head that looks about, rad/s at 200 Hz, from −10 s on."""
    noise = np.random.default_rng(seed).normal(size=(3, round((seconds + 20) * RATE)))
    return gaussian_filter1d(noise, 0.15 * RATE, axis=1) * 8


def seen(gyro: Floats, begin: float, length: float, noise: float = 0.0) -> Stretch:
    """What a camera with that rotation shows: a linear function of the rotation between frames."""
    angles = np.concatenate([np.zeros((3, 1)), np.cumsum(gyro, axis=1)], axis=1) / RATE
    edges = begin + np.arange(round(length * FPS) + 1) / FPS
    turned = np.diff([np.interp((edges + 10) * RATE, np.arange(angles.shape[1]), each) for each in angles])
    mixed = np.array([[0, 30, 2], [28, 1, 0], [3, 0, 20]]) @ turned
    return Stretch(begin, 1 / FPS, mixed + np.random.default_rng(1).normal(0, noise + 1e-9, mixed.shape))


def clocked(gyro: Floats, offset: float, drift: float = 0.0) -> tuple[Floats, float]:
    """The same rotation on a clock that reads offset + (1 + drift) t at video time t: samples and their start."""
    time = offset + (1 + drift) * (np.arange(gyro.shape[1]) / RATE - 10)
    grid = np.arange(time[0], time[-1], 1 / RATE)
    return np.array([np.interp(grid, time, each) for each in gyro]), float(grid[0])


@given(st.floats(-4, 4))
@settings(max_examples=20, deadline=None)
def test_an_offset_is_found(offset: float) -> None:
    gyro = head(30)
    found = estimate_sync([seen(gyro, 0, 30)], *clocked(gyro, offset), RATE)
    assert found.offset_s == pytest.approx(offset, abs=0.01)
    assert found.reason == ""
    assert found.confidence > 0.5
    assert np.isnan(found.drift_ppm)


@pytest.mark.parametrize(("offset", "drift_ppm"), [(0.0, 200.0), (1.7, -150.0), (-2.0, 0.0)])
def test_offset_and_drift_of_a_long_recording(offset: float, drift_ppm: float) -> None:
    gyro = head(600)
    stretches = [seen(gyro, begin, length, noise=2.0) for begin, length in stretches_of(600)]
    found = estimate_sync(stretches, *clocked(gyro, offset, drift_ppm * 1e-6), RATE)
    assert found.offset_s == pytest.approx(offset, abs=0.015)
    assert found.drift_ppm == pytest.approx(drift_ppm, abs=30)


def test_stretches_that_agree_need_not_be_clear() -> None:
    """In each of them the gyroscope explains a third of the motion."""
    gyro = head(600)
    stretches = [seen(gyro, begin, length, noise=4.0) for begin, length in stretches_of(600)]
    found = estimate_sync(stretches, *clocked(gyro, 0.6), RATE)
    assert found.confidence < 0.6
    assert found.offset_s == pytest.approx(0.6, abs=0.03)
    alone = estimate_sync(stretches[:1], *clocked(gyro, 0.6), RATE)
    assert (alone.reason, np.isnan(alone.offset_s)) == ("unclear", True)


def test_motion_of_something_else_is_unclear() -> None:
    gyro = head(600)
    stretches = [seen(head(600, seed=5), begin, length) for begin, length in stretches_of(600)]
    found = estimate_sync(stretches, *clocked(gyro, 0.0), RATE)
    assert (found.reason, np.isnan(found.offset_s)) == ("unclear", True)
    assert found.confidence < 0.3


def test_what_cannot_be_known_has_its_reason() -> None:
    gyro = head(30)
    own = seen(gyro, 0, 30)
    still = np.random.default_rng(0).normal(0, 0.005, gyro.shape)
    assert estimate_sync([own], still, -10, RATE).reason == "still"
    assert estimate_sync([own], np.full((3, 0), np.nan), 0, RATE).reason == "still"
    dark = Stretch(0, 0.1, np.full((3, 300), np.nan))
    assert estimate_sync([dark], gyro, -10, RATE).reason == "dark"
    assert estimate_sync([seen(gyro, 0, 3)], gyro, -10, RATE).reason == "short"
    assert estimate_sync([], gyro, -10, RATE).reason == "short"
    apart = estimate_sync([own], gyro[:, -600:], 1000.0, RATE)
    assert apart.reason == "short"


def test_holes_are_left_out() -> None:
    gyro = head(30)
    samples, start = clocked(gyro, 0.4)
    samples[:, 3000:4500] = np.nan
    own = seen(gyro, 0, 30)
    own.motion[:, 100:120] = np.nan
    assert estimate_sync([own], samples, start, RATE).offset_s == pytest.approx(0.4, abs=0.01)


def test_two_sensors_that_move_together() -> None:
    """Whatever the axes of the second one."""
    gyro = head(300)
    turned = Rotation.from_euler("xyz", [20, 70, -30], degrees=True).apply(gyro.T).T
    other, start = clocked(turned + np.random.default_rng(2).normal(0, 0.05, gyro.shape), -1.3, 80e-6)
    found = align_sensors(gyro, -10.0, other, start, RATE)
    assert found.offset_s == pytest.approx(-1.3, abs=0.01)
    assert found.drift_ppm == pytest.approx(80, abs=30)
    apart = align_sensors(gyro, -10.0, clocked(head(300, seed=9), 0.0)[0], -10.0, RATE)
    assert apart.reason == "unclear"
    assert align_sensors(gyro, -10.0, 0 * other, start, RATE).reason == "still"


@pytest.mark.parametrize(
    ("seconds", "count", "length"), [(8, 1, 8), (29, 1, 29), (30, 3, 10), (89, 8, 10), (600, 12, 30)]
)
def test_stretches_cover_a_recording(seconds: float, count: int, length: float) -> None:
    found = stretches_of(seconds)
    assert [each[1] for each in found] == [length] * count
    assert found[0][0] == 0
    assert found[-1][0] + length == pytest.approx(seconds)


@pytest.mark.realdata
@pytest.mark.parametrize("shift", [0.0, 0.7, -1.5])
@pytest.mark.parametrize(("name", "known"), [("karma", True), ("hero7", False), ("max-heromode", False)])
def test_gopro_files(realdata: Path, tmp_path: Path, name: str, known: bool, shift: float) -> None:
    """hero7 and max-heromode are stabilised in the camera."""
    pytest.importorskip("telemetry_parser", reason="telemetry-parser has no wheel for this Python")
    source = realdata / f"gopro/{name}.mp4"
    video = extract(source, tmp_path / "a.mp4", FPS, 64, 50, 18)
    motion = read_motion(tmp_path / "a.mp4", 0, video.n_frames, FPS)
    imu = resample([read_camera(source)])
    gyro = imu.data[3:].astype(np.float64)
    found = estimate_sync([Stretch(0.0, 1 / FPS, motion)], gyro, imu.start_s + shift, imu.rate_hz)
    assert found.reason == ("" if known else "unclear")
    if known:
        assert found.offset_s == pytest.approx(shift, abs=0.05)
        assert found.confidence > 0.6
