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
