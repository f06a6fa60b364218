"""What is implausible about a resampled signal."""

from __future__ import annotations

import numpy as np
import pytest

from comodo.errors import ImuError
from comodo.layouts.types import ImuSamples
from comodo.recordings.resample import resample
from comodo.recordings.resample_reference import resample_reference
from tests.support.imu import wave


@pytest.mark.parametrize("sensor", [slice(0, 3), slice(3, 6), slice(0, 6)])
def test_a_dead_sensor_is_an_error(sensor: slice) -> None:
    time = np.arange(0, 5, 0.005)
    raw = wave(time)
    raw[sensor] = 1.25
    for resampler in (resample, resample_reference):
        with pytest.raises(ImuError, match="never changes") as error:
            resampler([ImuSamples(time, raw[:3], time, raw[3:])])
        assert error.value.reason == "imu_constant"


@pytest.mark.parametrize(("unit", "speed"), [(1.0, 1.0), (180 / np.pi, 1.0), (180 / np.pi, 0.02)])
def test_a_gyroscope_in_degrees_is_noted(unit: float, speed: float) -> None:
    """By the median of fast motion; slow motion in deg/s looks like fast motion in rad/s."""
    time = np.arange(0, 5, 0.005)
    raw = wave(time)
    notes = resample([ImuSamples(time, raw[:3], time, raw[3:] * unit * speed)]).notes
    assert [text.partition(":")[0] for text in notes] == ["imu_gyro_unit"] * (unit * speed > 20)


def test_equal_sensors_are_noted() -> None:
    time = np.arange(0, 5, 0.005)
    raw = wave(time)
    for factor in (1.0, np.pi / 180):
        notes = resample([ImuSamples(time, raw[:3], time, raw[:3] * factor)]).notes
        assert any(text.startswith("imu_same_sensor: ") for text in notes)


def test_notes_name_what_looks_odd() -> None:
    time = np.arange(0, 5, 0.005)
    raw = wave(time)
    assert resample([ImuSamples(time, raw[:3], time, raw[3:])]).notes == []
    raw[:3] /= 9.81
    raw[4] = raw[5]
    raw[0] = 0
    notes = "; ".join(resample([ImuSamples(time, raw[:3], time, raw[3:])]).notes)
    assert "far from 9.81" in notes
    assert "gyro_y and gyro_z are identical" in notes
    assert "accel_x never changes" in notes
