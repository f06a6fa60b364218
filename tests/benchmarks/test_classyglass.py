from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from benchmarks.learning import classyglass
from benchmarks.learning.classyglass import BACKWARD, FORWARD, convert, cut, mount, read_recording
from comodo.config import SimulateSettings
from comodo.simulate.dataset import read_recorded, takes
from comodo.simulate.sensors import Imu
from comodo.simulate.trajectory import trajectory_from_imu

G = classyglass.STANDARD_GRAVITY
NAME = "{}_MetaWear_2019-09-14T16.16.00.093_F1E55E2FE95F_{}_100.000Hz_1.4.5.csv"


def write_sensor(folder: Path, number: int, sensor: str, start_ms: int, rows: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["epoch (ms),time (-13:00),elapsed (s),x-axis,y-axis,z-axis"]
    for i, (x, y, z) in enumerate(rows):
        lines.append(f"{start_ms + 10 * i},2019-09-14T16:16:00.000,{i / 100:.3f},{x:.6f},{y:.6f},{z:.6f}")
    (folder / NAME.format(number, sensor)).write_text("\n".join(lines) + "\n")


def write_user(folder: Path, numbers: range, seconds: float = 29.0) -> None:
    for number in numbers:
        n = round(seconds * 100)
        ramp = np.arange(n)[:, None] / 100 * (1.0, 0.0, 0.0) + (0.0, number, 0.0)
        write_sensor(folder, number, "Accelerometer", 1_000_000, ramp)
        write_sensor(folder, number, "Gyroscope", 1_000_000 - 85, ramp * 10 + (0.0, 0.0, 0.85))


def test_sensors_are_joined_on_one_clock_in_si_units(tmp_path: Path) -> None:
    write_user(tmp_path, range(3, 4))
    imu = read_recording(tmp_path, 3)
    assert imu.times[0] == 0
    assert_allclose(np.diff(imu.times), 0.01)
    assert imu.times[-1] == pytest.approx(28.9)  # the gyroscope began 85 ms earlier, and ends earlier
    assert_allclose(imu.accel[0], imu.times * G, atol=1e-4)
    assert_allclose(imu.accel[1], 3 * G)
    # what the gyroscope showed at the accelerometer's times: its own clock is 85 ms ahead
    assert_allclose(imu.gyro[0], np.radians((imu.times + 0.085) * 10), atol=1e-6)
    assert_allclose(imu.gyro[2], np.radians(0.85), atol=1e-6)


def test_a_mounting_is_a_rotation_that_brings_up_up_and_ahead_ahead() -> None:
    # a head at rest that looks down by 30°: gravity shows upwards and, in the rig, backwards along −x
    down = np.radians(30)
    seen = {"ahead": (np.sin(-down), np.cos(down), 0.0), "astern": (np.sin(down), np.cos(down), 0.0)}
    for axes, sensor in ((FORWARD, seen["ahead"]), (BACKWARD, seen["astern"])):
        assert np.linalg.det(np.array(axes)) == pytest.approx(1)
        still = Imu(np.arange(300) / 100, np.tile(np.array(sensor)[:, None] * G, 300), np.zeros((3, 300)))
        rig = mount(still, axes)
        motion = trajectory_from_imu(rig.times, rig.accel, rig.times, rig.gyro)
        assert_allclose(motion.orientation.apply((1, 0, 0))[:, 2], -np.sin(down), atol=1e-6)  # it looks down
        assert_allclose(motion.orientation.apply((0, 1, 0))[:, 2], 0, atol=1e-6)  # and is not tilted aside
    turn = Imu(np.zeros(1), np.zeros((3, 1)), np.array([[0.0], [1.0], [0.0]]))
    for axes in (FORWARD, BACKWARD):
        assert_allclose(mount(turn, axes).gyro[:, 0], (0, 0, 1))  # a turn to the left about what points up


def test_pieces_are_whole_clips_that_follow_each_other() -> None:
    times = np.arange(3155) / 100  # 15 clips of 2 s and a rest
    imu = Imu(times, np.stack([times, times, times]), np.zeros((3, len(times))))
    pieces = cut(imu)
    assert [len(piece.times) for piece in pieces] == [600, *[400] * 6]
    assert all(piece.times[0] == 0 for piece in pieces)
    joined = np.concatenate([piece.accel[0] for piece in pieces])
    assert_allclose(joined, times[:3000])
    with pytest.raises(ValueError, match="too short for 7 pieces"):
        cut(Imu(times[:2700], imu.accel[:, :2700], imu.gyro[:, :2700]))


def test_the_simulator_deals_pieces_of_one_person_to_train_and_val_and_of_the_other_to_test(
    tmp_path: Path,
) -> None:
    write_user(tmp_path / "in/User1", range(1, 12))
    write_user(tmp_path / "in/User2", range(12, 23))
    convert(tmp_path / "in", tmp_path / "out")
    for direction, learnt in (("user1-user2", range(1, 12)), ("user2-user1", range(12, 23))):
        settings = SimulateSettings(
            trajectory_imu=str(tmp_path / "out" / direction),
            activities=11,
            train_subjects=5,
            val_subjects=2,
            test_subjects=7,
        )
        world = takes(settings)
        assert len({take.label for take in world}) == 11
        seconds: dict[str, list[float]] = {"train": [], "val": [], "test": []}
        for take in world:
            assert take.recorded is not None
            assert f"-{take.split}-" in f"-{take.recorded.name}"
            if take.label == "stairs":
                imu = read_recorded(take.recorded)
                number = round(imu.accel[2, 0] / G)  # what the synthetic sensor's upward axis shows
                assert (number in learnt) == (take.split != "test")
                assert number % 11 == 0
                seconds[take.split] += [abs(imu.accel[0, 0]) / G, len(imu.times) / 100]
        assert [sum(seconds[split][1::2]) for split in ("train", "val", "test")] == [20, 8, 28]
        starts = [set(seconds[split][::2]) for split in ("train", "val")]
        assert not starts[0] & starts[1]  # other stretches of the recording


def test_a_missing_recording_is_named(tmp_path: Path) -> None:
    write_user(tmp_path / "User1", range(1, 11))
    with pytest.raises(ValueError, match=r"User1: need one recording of each of the 11 .*ClassyGlass"):
        convert(tmp_path, tmp_path / "out")
    write_user(tmp_path / "User1", range(11, 12))
    (tmp_path / "User1" / NAME.format(4, "Gyroscope")).unlink()
    with pytest.raises(ValueError, match=r"0 files 4_MetaWear_.*Gyroscope"):
        convert(tmp_path, tmp_path / "out")


@pytest.mark.realdata
def test_both_people_look_down_when_they_read(realdata: Path) -> None:
    for user, axes in classyglass.MOUNTING.items():
        number = 1 if user == "User1" else 12
        imu = mount(read_recording(realdata / "classyglass" / user, number), axes)
        motion = trajectory_from_imu(imu.times, imu.accel, imu.times, imu.gyro)
        ahead = motion.orientation.apply((1, 0, 0))[:, 2].mean()
        assert 25 < np.degrees(np.arcsin(-ahead)) < 45, user
        assert np.linalg.norm(imu.accel, axis=0).mean() == pytest.approx(G, rel=0.03)
        assert imu.times[-1] > 60
