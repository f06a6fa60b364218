from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from comodo.simulate.sensors import GYRO_NOISE, simulate_imu
from comodo.simulate.trajectory import (
    ACTIVITIES,
    GRAVITY,
    MARGIN_S,
    RATE_HZ,
    Array,
    Trajectory,
    make_subject,
    simulate_trajectory,
)

TIMES = np.arange(-MARGIN_S, 5 + MARGIN_S + 1e-9, 1 / RATE_HZ)


def ideal(position: Array, orientation: Rotation) -> tuple[Array, Array, Array]:
    imu = simulate_imu(Trajectory(TIMES, position, orientation), np.random.default_rng(0), noise=0)
    return imu.times, imu.accel, imu.gyro


def still(rotation: Rotation) -> Rotation:
    return Rotation.from_quat(np.tile(rotation.as_quat(), (len(TIMES), 1)))


def test_at_rest_it_measures_gravity_upwards_whatever_the_pose() -> None:
    tilted = Rotation.from_euler("ZYX", (40, -25, 10), degrees=True)
    times, accel, gyro = ideal(np.tile((1.0, 2.0, 1.6), (len(TIMES), 1)), still(tilted))
    assert len(times) == 1001
    assert_allclose(np.linalg.norm(accel, axis=0), 9.81, atol=1e-9)
    assert_allclose(tilted.apply(accel.T), np.tile((0, 0, 9.81), (len(times), 1)), atol=1e-9)
    assert_allclose(gyro, 0, atol=1e-12)


def test_looking_down_turns_gravity_backwards() -> None:
    down = Rotation.from_euler("ZYX", (0, 30, 0), degrees=True)  # nose down: +x points below the horizon
    assert down.apply((1, 0, 0))[2] < 0
    _, accel, _ = ideal(np.zeros((len(TIMES), 3)), still(down))
    assert_allclose(accel[:, 0], (-GRAVITY / 2, 0, GRAVITY * np.sqrt(3) / 2), atol=1e-9)


def test_free_fall_is_weightless() -> None:
    fall = np.zeros((len(TIMES), 3))
    fall[:, 2] = -GRAVITY / 2 * TIMES**2
    _, accel, _ = ideal(fall, still(Rotation.identity()))
    assert_allclose(accel, 0, atol=1e-6)


def test_a_turning_table_shows_its_rate_and_centripetal_force() -> None:
    rate, radius = 1.5, 2.0
    place = radius * np.stack([np.sin(rate * TIMES), -np.cos(rate * TIMES), 0 * TIMES], axis=1)
    _, accel, gyro = ideal(place, Rotation.from_euler("Z", (rate * TIMES)[:, None]))
    assert_allclose(gyro, np.tile([[0], [0], [rate]], gyro.shape[1]), atol=1e-6)
    assert_allclose(accel.mean(axis=1), (0, rate**2 * radius, GRAVITY), atol=1e-3)  # centre is to the left


@pytest.mark.parametrize("activity", ["running", "reading"])
def test_integrating_an_ideal_sensor_gives_the_motion_back(activity: str) -> None:
    person = make_subject(np.random.default_rng(0))
    moved = simulate_trajectory(ACTIVITIES[activity], person, 5, np.random.default_rng(1))
    imu = simulate_imu(moved, np.random.default_rng(2), noise=0)
    position, orientation = moved.at(imu.times)
    pose = orientation[0]
    velocity = (moved.at(np.array([0.005]))[0] - moved.at(np.array([-0.005]))[0])[0] / 0.01
    place = position[0]
    for i in range(len(imu.times) - 1):
        force = (orientation[i].apply(imu.accel[:, i]) + orientation[i + 1].apply(imu.accel[:, i + 1])) / 2
        acceleration = force - (0, 0, GRAVITY)
        place = place + velocity / 200 + acceleration / 80_000
        velocity = velocity + acceleration / 200
        pose = pose * Rotation.from_rotvec((imu.gyro[:, i] + imu.gyro[:, i + 1]) / 400)
    assert (pose.inv() * orientation[-1]).magnitude() < np.deg2rad(0.5)
    assert_allclose(place, position[-1], atol=0.05)


def test_noise_bias_and_clock() -> None:
    moved = Trajectory(TIMES, np.zeros((len(TIMES), 3)), still(Rotation.identity()))
    person = make_subject(np.random.default_rng(5))
    imu = simulate_imu(moved, np.random.default_rng(0), person)
    assert_allclose(imu.gyro.mean(axis=1), person.gyro_bias, atol=0.001)
    assert_allclose(imu.accel.mean(axis=1) - (0, 0, GRAVITY), person.accel_bias, atol=0.01)
    assert imu.gyro.std(axis=1) == pytest.approx(GYRO_NOISE, rel=0.1)
    assert (np.diff(imu.times) > 0).all()
    assert 1e-4 < np.diff(imu.times).std() < 1e-3
    assert imu.times[0] == pytest.approx(0, abs=0.001)
    assert imu.times[-1] == pytest.approx(5, abs=0.001)
