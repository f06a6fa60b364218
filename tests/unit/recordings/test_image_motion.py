"""Motion of the picture between frames."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from scipy.ndimage import affine_transform, gaussian_filter

from comodo.recordings.image_motion import measure_motion, read_motion

SIDE = 64


def scene(side: int = 3 * SIDE) -> np.ndarray:
    """A textured picture, larger than what is seen of it."""
    noise = gaussian_filter(np.random.default_rng(0).normal(size=(side, side)), 1.5)
    return 128 + 60 * noise / noise.std()


def view(right: float = 0.0, down: float = 0.0, clockwise: float = 0.0) -> np.ndarray:
    """What a camera sees: a scene that is shifted, in pixels, and turned, in degrees, as seen in the picture."""
    turn = np.radians(clockwise)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])  # rows, columns
    centre = np.array([(SIDE - 1) / 2] * 2)
    offset = np.array([1.5 * SIDE] * 2) - matrix @ (centre + np.array([down, right]))
    seen = affine_transform(scene(), matrix, offset, (SIDE, SIDE), order=3)
    return np.clip(seen, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("right", "down"), [(0, 0), (3, 0), (-2.5, 1.25), (0.5, -0.5), (-7, 6)])
def test_shifts_are_measured_to_a_fraction_of_a_pixel(right: float, down: float) -> None:
    motion = measure_motion(np.stack([view(), view(right, down) if right or down else view(0.01)]))
    assert motion.shape == (3, 1)
    # Each quarter fades out at its edges, which makes shifts a little smaller; all alike, so a regression takes it.
    np.testing.assert_allclose(motion[:2, 0], [right, down], rtol=0.08, atol=0.15)
    assert abs(motion[2, 0]) < 0.15


@pytest.mark.parametrize("degrees", [2.0, -3.0])
def test_a_roll_is_told_from_a_shift(degrees: float) -> None:
    right, down, roll = measure_motion(np.stack([view(), view(clockwise=degrees)]))[:, 0]
    assert abs(right) < 0.3
    assert abs(down) < 0.3
    # the middles of the quarters lie SIDE / 4 from the axes
    assert roll == pytest.approx(2 * np.radians(degrees) * SIDE / 4, rel=0.3)


def test_large_pictures_are_reduced() -> None:
    frames = np.stack([view(), view(3, 0)]).repeat(4, axis=1).repeat(4, axis=2)
    np.testing.assert_allclose(measure_motion(frames)[:2, 0], [3, 0], atol=0.15)


def test_nothing_is_seen_in_the_dark_or_in_a_frozen_picture() -> None:
    dark = np.random.default_rng(1).integers(0, 4, (3, SIDE, SIDE), dtype=np.uint8)
    assert np.isnan(measure_motion(dark)).all()
    assert np.isnan(measure_motion(np.stack([view(), view()]))).all()
    assert measure_motion(view()[None]).shape == (3, 0)


def write_pan(path: Path, frames: int = 40) -> Path:
    """Small video of a camera that turns right ever faster: the scene moves left by 0.05 n pixels at frame n."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "10", "g": "20"})
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        place = 0.0
        for n in range(frames):
            place -= 0.05 * n
            picture = view(right=place).repeat(3).reshape(SIDE, SIDE, 3)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = n, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(("first", "count"), [(0, 15), (7, 10), (20, 15), (31, 9)])
def test_any_part_of_a_video_is_read(tmp_path: Path, first: int, count: int) -> None:
    motion = read_motion(write_pan(tmp_path / "a.mp4"), first, count, 10.0)
    assert motion.shape == (3, count - 1)
    expected = -0.05 * np.arange(first + 1, first + count)
    np.testing.assert_allclose(motion[0], expected, rtol=0.08, atol=0.15)


def test_what_ends_early_is_shorter(tmp_path: Path) -> None:
    assert read_motion(write_pan(tmp_path / "a.mp4", 20), 15, 30, 10.0).shape == (3, 4)
    assert read_motion(tmp_path / "a.mp4", 40, 10, 10.0).shape == (3, 0)
