from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import butter, sosfiltfilt
from scipy.spatial.transform import Rotation

from comodo.simulate.sensors import simulate_imu
from comodo.simulate.trajectory import (
    ACTIVITIES,
    MARGIN_S,
    Activity,
    Trajectory,
    _bouts,
    _cumulative,
    _noise,
    _steps,
    make_subject,
    simulate_trajectory,
    trajectory_from_imu,
)


def simulated(
    activity: str = "walking", subject: int = 0, take: int = 0, duration_s: float = 10
) -> Trajectory:
    person = make_subject(np.random.default_rng([1, subject]))
    return simulate_trajectory(
        ACTIVITIES[activity], person, duration_s, np.random.default_rng([2, subject, take])
    )


@pytest.mark.parametrize("activity", ACTIVITIES)
def test_motion_is_smooth_covers_the_recording_and_stays_above_the_floor(activity: str) -> None:
    moved = simulated(activity)
    assert moved.times[0] == -MARGIN_S
    assert moved.times[-1] >= 10 + MARGIN_S - 1e-9
    assert moved.position[:, 2].min() > 0.5
    speed = np.linalg.norm(np.diff(moved.position, axis=0), axis=1) * 200
    turn = (moved.orientation[:-1].inv() * moved.orientation[1:]).magnitude() * 200
    assert speed.max() < 6  # m/s
    assert turn.max() < 15  # rad/s


def test_same_generator_same_motion_and_other_people_move_otherwise() -> None:
    once, again, other = simulated(), simulated(), simulated(subject=1)
    assert_array_equal(once.position, again.position)
    assert_array_equal(once.orientation.as_quat(), again.orientation.as_quat())
    assert np.abs(once.position - other.position).max() > 0.05


def test_walking_bobs_at_the_cadence_of_the_subject() -> None:
    always = Activity(**{**vars(ACTIVITIES["walking"]), "pause": 1e-9, "strike": 0.0})
    person = make_subject(np.random.default_rng(3))
    moved = simulate_trajectory(always, person, 40, np.random.default_rng(4))
    height = moved.position[:, 2] - moved.position[:, 2].mean()
    frequency = np.fft.rfftfreq(len(height), 1 / 200)
    power = np.where(frequency > 1, np.abs(np.fft.rfft(height)), 0)
    assert frequency[power.argmax()] == pytest.approx(1.8 * person.tempo, rel=0.05)


def test_noise_has_unit_variance_and_its_bandwidth() -> None:
    drawn = np.stack([_noise(20_000, 0.5, np.random.default_rng(i)) for i in range(20)])
    assert drawn.std() == pytest.approx(1, abs=0.1)
    power = np.abs(np.fft.rfft(drawn)) ** 2
    frequency = np.fft.rfftfreq(20_000, 1 / 200)
    assert power[:, frequency > 2].sum() < 0.01 * power.sum()
    assert power[:, frequency < 0.5].sum() > 0.5 * power.sum()


def test_pauses_take_their_share_of_time() -> None:
    active = [_bouts(12_000, 0.3, np.random.default_rng(i)).mean() for i in range(60)]
    assert np.mean(active) == pytest.approx(0.7, abs=0.06)


def test_gaze_shifts_are_as_frequent_as_asked() -> None:
    gaze = _steps(60_000, 0.4, np.random.default_rng(0))  # 300 s
    levels = np.abs(np.diff(gaze[:, 0])) * 200 > 0.2
    assert 80 < np.count_nonzero(np.diff(levels.astype(int)) == 1) < 145
    assert gaze.std() == pytest.approx(1, abs=0.2)


def test_running_product_of_rotations() -> None:
    rotations = Rotation.random(11, np.random.default_rng(0))
    expected = rotations[0]
    product = _cumulative(rotations)
    for i in range(11):
        expected = rotations[0] if i == 0 else expected * rotations[i]
        assert (product[i].inv() * expected).magnitude() < 1e-9


def test_recorded_imu_gives_back_the_motion_that_it_went_through() -> None:
    moved = simulated("walking", duration_s=30)
    imu = simulate_imu(moved, np.random.default_rng(0))
    found = trajectory_from_imu(imu.times, imu.accel, imu.times, imu.gyro)
    inner = (found.times > 2) & (found.times < 28)
    position, orientation = moved.at(found.times)
    up = orientation.inv().apply((0, 0, 1))  # gravity in the rig: what yaw leaves
    angle = np.arccos(np.clip((up * found.orientation.inv().apply((0, 0, 1))).sum(axis=1), -1, 1))
    assert np.rad2deg(angle[inner]).max() < 4
    turned = (orientation[2000].inv() * orientation[2200]).magnitude()
    assert (found.orientation[2000].inv() * found.orientation[2200]).magnitude() == pytest.approx(
        turned, abs=0.02
    )
    band = butter(2, (1, 5), "bandpass", fs=200, output="sos")
    bob, guess = (sosfiltfilt(band, height)[inner] for height in (position[:, 2], found.position[:, 2]))
    assert np.corrcoef(bob, guess)[0, 1] > 0.9
    assert guess.std() == pytest.approx(bob.std(), rel=0.15)
    assert_allclose(found.position[:, 2].mean(), 1.6, atol=0.05)


def test_sensors_of_different_rates_may_drive_the_rig() -> None:
    moved = simulated(duration_s=12)
    imu = simulate_imu(moved, np.random.default_rng(0), noise=0)
    half = trajectory_from_imu(imu.times[::2], imu.accel[:, ::2], imu.times, imu.gyro)
    full = trajectory_from_imu(imu.times, imu.accel, imu.times, imu.gyro)
    assert (half.orientation[1000].inv() * full.orientation[1000]).magnitude() < 0.02


def test_too_short_a_recording_is_refused() -> None:
    times = np.arange(200) / 200
    with pytest.raises(ValueError, match=r"share 0\.99 s"):
        trajectory_from_imu(times, np.ones((3, 200)), times, np.zeros((3, 200)))
