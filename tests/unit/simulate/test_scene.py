from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from comodo.simulate.scene import FAMILIES, TEXELS, Scene, make_scene, render
from comodo.simulate.trajectory import ACTIVITIES, Trajectory, make_subject, simulate_trajectory

SURFACES = X_WALL, Y_WALL, FLOOR, CEILING, TABLE = range(5)


def room(table: tuple[float, float, float, float] | None = None) -> Scene:
    """A room 8 × 8 × 4 m whose surfaces show their number as brightness."""
    shade = np.repeat(np.arange(len(SURFACES), dtype=np.uint32), TEXELS**2)
    textures = shade | (shade << 8) | (shade << 16) | np.uint32(255 << 24)
    return Scene(textures.astype(np.uint32), np.array([-4.0, -4.0, 0.0]), np.array([4.0, 4.0, 4.0]), table)


def seen(
    position: tuple[float, float, float], yaw: float = 0, pitch: float = 0, scene: Scene | None = None
) -> NDArray[np.uint8]:
    """One frame (32, 32) of surface numbers; pitch is positive upwards."""
    pose = Rotation.from_euler("ZYX", [[yaw, -pitch, 0]] * 2, degrees=True)
    standing = Trajectory(np.array([0.0, 1.0]), np.array([position] * 2), pose)
    return render(standing, scene or room(), np.array([0.5]), 32)[0, :, :, 0]


def test_ahead_left_up_are_where_they_should_be() -> None:
    centre = (16, 16)
    assert seen((0, 0, 2))[centre] == X_WALL
    assert seen((0, 0, 2), yaw=90)[centre] == Y_WALL
    assert seen((0, 0, 2), pitch=80)[centre] == CEILING
    assert seen((0, 0, 2), pitch=-80)[centre] == FLOOR
    left = seen((0, 3.5, 2))  # the wall on the left (+y) is near
    assert left[16, 0] == Y_WALL
    assert left[16, 31] == X_WALL
    low = seen((0, 0, 0.3))
    assert low[31, 16] == FLOOR
    assert low[2, 16] == X_WALL


def test_field_of_view_is_ninety_degrees() -> None:
    corner = seen((0, 0, 2), yaw=45)  # looks into a corner: the two walls share the picture
    assert corner[16, 0] == Y_WALL
    assert corner[16, 31] == X_WALL
    ahead = seen((0, 0, 2), yaw=1)
    assert ahead[16, 0] == Y_WALL  # the corner at 45° left has just come into view
    assert ahead[16, 31] == X_WALL


def test_near_things_move_more_than_far_ones() -> None:
    scene = room(table=(1.0, 0.0, 0.3, 0.8))
    here, there = (seen((0, y, 1.4), pitch=-30, scene=scene) == TABLE for y in (0.0, 0.3))
    columns = [np.flatnonzero(mask.any(axis=0)).mean() for mask in (here, there)]
    assert here.any()
    assert columns[1] - columns[0] > 3  # a step to the left shifts the table to the right
    assert not (seen((0, 0, 1.4), yaw=180, pitch=30, scene=scene) == TABLE).any()  # it is behind


def test_turning_left_moves_the_picture_right() -> None:
    rng = np.random.default_rng(0)
    still = Trajectory(np.array([0.0, 1.0]), np.array([[0, 0, 1.6]] * 2), Rotation.identity(2))
    scene = make_scene(FAMILIES["home"], still, rng)
    turned = Trajectory(still.times, still.position, Rotation.from_euler("Z", [[0.0], [4.0]], degrees=True))
    first, second = render(turned, scene, np.array([0.0, 1.0]), 64)[:, 20:44].astype(float).mean(axis=-1)
    error = {k: np.abs(second[:, 8 + k : 56 + k] - first[:, 8:56]).mean() for k in range(-6, 7)}
    assert min(error, key=lambda k: error[k]) in (2, 3)  # 4° of 90° over 64 pixels, more towards the edges


@pytest.mark.parametrize("family", FAMILIES)
def test_a_place_holds_the_motion_and_differs_each_time(family: str) -> None:
    person = make_subject(np.random.default_rng(0))
    walk = simulate_trajectory(ACTIVITIES["stairs"], person, 10, np.random.default_rng(1))
    scene, other = (make_scene(FAMILIES[family], walk, np.random.default_rng(i)) for i in (0, 1))
    assert (walk.position > scene.low).all()
    assert (walk.position < scene.high).all()
    times = np.arange(20) / 2
    frames = render(walk, scene, times, 32)
    assert frames.shape == (20, 32, 32, 3)
    assert frames.dtype == np.uint8
    assert_array_equal(frames, render(walk, scene, times, 32))
    assert_array_equal(frames[3:5], render(walk, scene, times[3:5], 32))
    assert np.abs(frames.astype(int) - render(walk, other, times, 32)).mean() > 5
    assert frames.std() > 10  # there is something to see
