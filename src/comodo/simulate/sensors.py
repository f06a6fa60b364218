"""What an IMU on the rig would have measured."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline

from comodo.simulate.trajectory import GRAVITY, MARGIN_S, RATE_HZ, Array, Subject, Trajectory

ACCEL_NOISE = 0.06  # m/s² rms at 200 Hz, a consumer part
GYRO_NOISE = 0.006  # rad/s rms at 200 Hz
JITTER_S = 0.0003  # standard deviation of the timestamps' error


class Imu(NamedTuple):
    """times (T,) s increasing; accel (3, T) specific force with gravity, m/s²; gyro (3, T) rad/s."""

    times: Array
    accel: Array
    gyro: Array


def simulate_imu(
    trajectory: Trajectory, rng: np.random.Generator, subject: Subject | None = None, noise: float = 1.0
) -> Imu:
    """Sample the trajectory's accelerometer and gyroscope at 200 Hz from t = 0 to `MARGIN_S` before its end.

    The accelerometer measures Rᵀ(p̈ − g): 9.81 m/s² upwards at rest. Timestamps are those of a real clock: samples are
    taken at uneven times and stamped with a small error.

    Args:
        trajectory: what the rig does.
        rng: source of noise and jitter.
        subject: whose sensor it is; gives the bias, none without.
        noise: scales sensor noise and jitter; 0 is an ideal sensor.
    """
    grid = trajectory.times
    n = round((grid[-1] - MARGIN_S) * RATE_HZ) + 1
    taken = np.arange(n) / RATE_HZ + noise * JITTER_S * np.clip(rng.normal(size=n), -3, 3)
    stamped = taken + noise * JITTER_S * np.clip(rng.normal(size=n), -3, 3)
    acceleration = CubicSpline(grid, trajectory.position)(grid, 2)
    force = trajectory.orientation.apply(acceleration + np.array([0, 0, GRAVITY]), inverse=True)
    accel = np.stack([np.interp(taken, grid, axis) for axis in force.T])
    turn = (trajectory.orientation[:-1].inv() * trajectory.orientation[1:]).as_rotvec()
    middle = (grid[:-1] + grid[1:]) / 2
    rate = turn / np.diff(grid)[:, None]
    gyro = np.stack([np.interp(taken, middle, axis) for axis in rate.T])
    accel = accel + noise * ACCEL_NOISE * rng.normal(size=accel.shape)
    gyro = gyro + noise * GYRO_NOISE * rng.normal(size=gyro.shape)
    if subject is not None:
        accel, gyro = accel + subject.accel_bias[:, None], gyro + subject.gyro_bias[:, None]
    return Imu(stamped, accel, gyro)
