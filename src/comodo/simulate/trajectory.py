"""How a head-mounted rig moves: one 6-DoF trajectory per recording.

World frame: metres, z up, floor at z = 0. Rig frame, shared by camera and IMU: x forward (the optical axis), y left,
z up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, detrend, sosfiltfilt
from scipy.spatial.transform import Rotation, Slerp
from scipy.special import ndtri

from comodo.errors import DataError

Array = NDArray[np.float64]

GRAVITY = 9.81  # m/s²
RATE_HZ = 200.0  # of the trajectory's own grid
MARGIN_S = 0.5  # simulated before and after the recording, so that derivatives exist at its ends


@dataclass(frozen=True)
class Trajectory:
    """Pose over time: times (n,) s, position (n, 3) m, orientation n rotations from rig to world."""

    times: Array
    position: Array
    orientation: Rotation

    def at(self, times: Array) -> tuple[Array, Rotation]:
        """Position (m, 3) and orientation at other times, interpolated; clamped to the trajectory's ends."""
        times = np.clip(times, self.times[0], self.times[-1])
        return CubicSpline(self.times, self.position)(times), Slerp(self.times, self.orientation)(times)


@dataclass(frozen=True)
class Activity:
    """How one activity moves the head. Angles in degrees, lengths in metres, rates in Hz, speeds in m/s."""

    name: str
    scenario: str  # as Ego4D names it
    family: str  # of scenes where it mostly takes place
    pitch: float  # mean gaze; negative looks down
    wander: tuple[float, float]  # slow yaw wander: standard deviation, bandwidth
    shifts: tuple[float, float, float]  # gaze shifts: rate, yaw and pitch standard deviation
    height: float  # of the eyes above the floor
    sway: float  # standard deviation of slow body sway
    cadence: float = 0.0  # of steps or strokes
    # amplitude along x and z at the cadence, y at half of it
    bounce: tuple[float, float, float] = (0.0, 0.0, 0.0)
    nod: float = 0.0  # pitch amplitude at the cadence
    speed: float = 0.0  # along the path
    radius: float = 6.0  # of the lap that is walked
    climb: float = 0.0  # vertical speed, up or down
    strike: float = 0.0  # m/s² rms shaken through the body in bouts (chopping, hammering, heel strikes)
    pause: float = 0.25  # share of time in which nothing but looking around happens


ACTIVITIES = {
    activity.name: activity
    for activity in (
        Activity("walking", "Walking on street", "street", -6, (9, 0.3), (0.3, 14, 5), 1.62, 0.02,
                 cadence=1.8, bounce=(0.008, 0.020, 0.022), nod=1.2, speed=1.25, radius=7, strike=0.5, pause=0.15),
        Activity("reading", "Reading books", "home", -24, (3, 0.2), (0.7, 7, 4), 1.22, 0.008, pause=0.1),
        Activity("cooking", "Cooking", "kitchen", -28, (12, 0.25), (0.5, 22, 9), 1.58, 0.035,
                 cadence=2.6, bounce=(0.001, 0.001, 0.002), nod=0.3, strike=0.5, pause=0.45),
        Activity("running", "Jogging", "street", -4, (6, 0.3), (0.25, 11, 4), 1.62, 0.02,
                 cadence=2.6, bounce=(0.012, 0.018, 0.032), nod=2.0, speed=2.6, radius=10, strike=1.5, pause=0.15),
        Activity("conversing", "Talking with friends", "home", -5, (5, 0.2), (0.5, 24, 5), 1.25, 0.012, pause=0.1),
        Activity("carpentry", "Carpenter", "workshop", -30, (7, 0.2), (0.35, 15, 9), 1.50, 0.025,
                 cadence=1.7, bounce=(0.003, 0.002, 0.004), nod=0.9, strike=1.1, pause=0.45),
        Activity("cleaning", "Cleaning / laundry", "home", -32, (26, 0.2), (0.4, 16, 8), 1.52, 0.05,
                 cadence=0.65, bounce=(0.07, 0.03, 0.02), nod=3.0, speed=0.25, radius=1.5, pause=0.25),
        Activity("stairs", "Climbing stairs", "stairwell", -18, (7, 0.3), (0.3, 12, 6), 1.62, 0.02,
                 cadence=1.6, bounce=(0.012, 0.024, 0.026), nod=1.8, speed=0.5, radius=1.6, climb=0.28, strike=0.5,
                 pause=0.15),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Subject:
    """Properties of a person: liveliness, pace, height, position of the rig on the head, and bias of its IMU."""

    liveliness: float
    tempo: float
    stature: float
    pitch: float  # habit, degrees
    lateral: float  # relative sideways sway of the gait
    mounting: Rotation  # from rig to head
    accel_bias: Array  # (3,) m/s²
    gyro_bias: Array  # (3,) rad/s


def make_subject(rng: np.random.Generator) -> Subject:
    """Draw a person."""
    return Subject(
        liveliness=float(np.exp(rng.normal(0, 0.3))),
        tempo=float(np.exp(rng.normal(0, 0.12))),
        stature=float(rng.normal(1.0, 0.05)),
        pitch=float(rng.normal(0, 6)),
        lateral=float(np.exp(rng.normal(0, 0.3))),
        mounting=Rotation.from_euler("ZYX", rng.normal(0, (4, 8, 4)), degrees=True),
        accel_bias=rng.normal(0, 0.15, 3),
        gyro_bias=rng.normal(0, 0.01, 3),
    )


def simulate_trajectory(
    activity: Activity, subject: Subject, duration_s: float, rng: np.random.Generator
) -> Trajectory:
    """One recording's motion, from −`MARGIN_S` to `duration_s` + `MARGIN_S`.

    Seconds of the activity alternate with pauses in which the head only looks around, so single windows of different
    activities can look alike.
    """
    n = round((duration_s + 2 * MARGIN_S) * RATE_HZ) + 1
    times = np.arange(n) / RATE_HZ - MARGIN_S
    mood = np.exp(rng.normal(0, 0.15))  # the same person is not the same each time
    lively = subject.liveliness * mood
    active = _bouts(n, activity.pause, rng)
    cadence = activity.cadence * subject.tempo * (1 + 0.03 * _noise(n, 0.3, rng))
    phase = 2 * np.pi * np.cumsum(cadence) / RATE_HZ + rng.uniform(0, 2 * np.pi)

    rate, shift_yaw, shift_pitch = activity.shifts
    gaze = _steps(n, rate * subject.tempo, rng) * (shift_yaw, shift_pitch) * lively
    forward, vertical, sideways = np.multiply(activity.bounce, (1, 1, subject.lateral)) * lively
    side = rng.choice((-1, 1))
    turn = side * np.rad2deg(activity.speed / (activity.radius * rng.uniform(0.8, 1.4)))  # deg/s
    heading = np.cumsum(active) / RATE_HZ * turn + rng.uniform(0, 360)
    amplitude, bandwidth = activity.wander
    yaw = (
        amplitude * lively * _noise(n, bandwidth, rng)
        + gaze[:, 0]
        + 25 * forward * active * np.sin(phase / 2)
    )
    pitch = activity.pitch + subject.pitch + 4 * rng.normal() + gaze[:, 1] + 2 * lively * _noise(n, 0.5, rng)
    pitch = pitch + activity.nod * lively * active * np.sin(phase + 0.8)
    roll = 1.5 * lively * _noise(n, 0.4, rng) + 60 * sideways * active * np.sin(phase / 2 + 0.5)
    head = Rotation.from_euler("ZYX", np.stack([heading + yaw, -pitch, roll], axis=1), degrees=True)

    c, s = np.cos(np.deg2rad(heading)), np.sin(np.deg2rad(heading))
    sway = activity.sway * lively * np.stack([_noise(n, 0.4, rng) for _ in range(3)], axis=1) * (1, 1, 0.3)
    ahead = sway[:, 0] + forward * active * np.sin(phase + 2.0)
    aside = sway[:, 1] + sideways * active * np.sin(phase / 2)
    up = sway[:, 2] + vertical * active * (np.sin(phase) + 0.25 * np.sin(2 * phase + 1.0))
    pace = activity.speed * subject.tempo * active / RATE_HZ
    climb = rng.choice((-1, 1)) * np.cumsum(activity.climb * subject.tempo * active) / RATE_HZ
    shocks = activity.strike * lively * _shocks(phase, active, rng)
    position = np.stack(
        [
            np.cumsum(pace * c) + ahead * c - aside * s,
            np.cumsum(pace * s) + ahead * s + aside * c,
            activity.height * subject.stature + climb - climb.min() + up + shocks,
        ],
        axis=1,
    )
    return Trajectory(times, position, head * subject.mounting)


def trajectory_from_imu(
    accel_t: Array, accel: Array, gyro_t: Array, gyro: Array, height: float = 1.6
) -> Trajectory:
    """The motion that a recorded IMU went through, on a regular grid over the time that both sensors cover.

    Orientation integrates the gyroscope; what the rotated accelerometer shows below 0.1 Hz is taken for gravity and
    turned upright (a complementary filter, run over the whole recording at once). Position integrates the rest twice,
    high-passed at 0.3 Hz: an IMU does not measure slow displacement.

    Args:
        accel_t: (Na,) s, increasing.
        accel: (3, Na) specific force, m/s².
        gyro_t: (Ng,) s, increasing.
        gyro: (3, Ng) rad/s.
        height: of the eyes above the floor, m.

    Raises:
        ValueError: less than two seconds are covered by both.
    """
    start, end = max(accel_t[0], gyro_t[0]), min(accel_t[-1], gyro_t[-1])
    if end - start < 2:
        raise DataError(f"accelerometer and gyroscope share {end - start:.2f} s; a trajectory needs 2 s")
    times = np.arange(start, end, 1 / RATE_HZ)
    force = np.stack([np.interp(times, accel_t, axis) for axis in accel], axis=1)
    middle = (times[:-1] + times[1:]) / 2
    rate = np.stack([np.interp(middle, gyro_t, axis) for axis in gyro], axis=1)
    turned = _cumulative(Rotation.from_rotvec(np.vstack([np.zeros((1, 3)), rate / RATE_HZ])))
    apparent = sosfiltfilt(butter(2, 0.1, fs=RATE_HZ, output="sos"), turned.apply(force), axis=0)
    orientation = _upright(apparent) * turned
    highpass = butter(2, 0.3, "highpass", fs=RATE_HZ, output="sos")
    position = orientation.apply(force) - np.array([0, 0, GRAVITY])
    for _ in range(2):
        position = sosfiltfilt(highpass, detrend(np.cumsum(position, axis=0) / RATE_HZ, axis=0), axis=0)
    return Trajectory(times, position + np.array([0, 0, height]), orientation)


def _noise(n: int, bandwidth_hz: float, rng: np.random.Generator) -> Array:
    """Smooth noise (n,) of unit variance, with a Gaussian spectrum of that bandwidth."""
    knots_hz = 12 * bandwidth_hz  # drawn on a coarse grid: cheap, and the spline adds nothing above it
    count = int(n / RATE_HZ * knots_hz) + 2
    sigma = knots_hz / (2 * np.pi * bandwidth_hz)
    pad = int(4 * sigma) + 1
    drawn = gaussian_filter1d(rng.normal(size=count + 2 * pad), sigma)[pad:-pad]
    coarse = drawn * np.sqrt(2 * np.sqrt(np.pi) * sigma)  # what the filter took away
    grid = np.arange(count) / knots_hz
    return np.asarray(CubicSpline(grid, coarse)(np.arange(n) / RATE_HZ))


def _steps(n: int, rate_hz: float, rng: np.random.Generator) -> Array:
    """Gaze targets (n, 2) of unit variance that jump at random times; the head follows within about 0.3 s."""
    jumps = np.cumsum(rng.random(n) < rate_hz / RATE_HZ)
    targets = rng.normal(size=(jumps[-1] + 1, 2))
    return gaussian_filter1d(targets[jumps], 0.09 * RATE_HZ, axis=0)


def _bouts(n: int, pause: float, rng: np.random.Generator) -> Array:
    """1 while active and 0 in pauses (n,), with soft edges; bouts and pauses last seconds."""
    level = _noise(n, 0.06, rng)
    threshold = ndtri(pause)  # quantile of a normal distribution at that share
    return gaussian_filter1d((level > threshold).astype(float), 0.25 * RATE_HZ)


def _shocks(phase: Array, active: Array, rng: np.random.Generator) -> Array:
    """Displacement (n,) m of a damped 12 Hz ring at each cycle of `phase`, about 1 m/s² rms while active."""
    hits = np.diff(np.floor(phase / (2 * np.pi)), prepend=np.floor(phase[0] / (2 * np.pi))) > 0
    t = np.arange(int(0.4 * RATE_HZ)) / RATE_HZ
    omega = 2 * np.pi * 12
    ring = np.exp(-t / 0.08) * np.sin(omega * t) * t / 0.08 * 5 / omega**2
    force = hits * active * np.exp(rng.normal(0, 0.4, len(phase)))
    return np.asarray(np.convolve(force, ring)[: len(phase)])


def _cumulative(rotations: Rotation) -> Rotation:
    """Running product r₀, r₀r₁, r₀r₁r₂ … by doubling."""
    quaternions, step = rotations.as_quat(), 1
    while step < len(quaternions):
        tail = Rotation.from_quat(quaternions[:-step]) * Rotation.from_quat(quaternions[step:])
        quaternions = np.concatenate([quaternions[:step], tail.as_quat()])
        step *= 2
    return Rotation.from_quat(quaternions)


def _upright(vectors: Array) -> Rotation:
    """The smallest rotations that turn vectors (n, 3) onto +z."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    axis = np.cross(unit, (0, 0, 1))
    sine = np.linalg.norm(axis, axis=1, keepdims=True)
    axis = np.where(sine > 1e-9, axis / np.maximum(sine, 1e-9), (1.0, 0.0, 0.0))
    return Rotation.from_rotvec(axis * np.arctan2(sine, unit[:, 2:]))
