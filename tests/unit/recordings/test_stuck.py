"""Stretches in which a sensor repeats a sample, against a sensor at rest."""

from __future__ import annotations

import numpy as np
import pytest

from comodo.errors import ImuError
from comodo.layouts.types import ImuSamples
from comodo.recordings.resample import resample
from comodo.recordings.signal import ImuSignal
from tests.support.imu import Floats, wave

TIME = np.arange(4000) / 200
NOISE = np.random.default_rng(0).normal(0, 0.01, (6, 4000))


def signal(values: Floats, accel_t: Floats = TIME, gyro_t: Floats = TIME) -> ImuSignal:
    return resample([ImuSamples(accel_t, values[:3], gyro_t, values[3:])])


def rest(rows: int = 4000) -> Floats:
    """A sensor on a table."""
    return np.tile(np.array([0.1, -0.2, 9.8, 0.01, 0.0, -0.02])[:, None], rows)


@pytest.mark.parametrize("zero", [True, False])
@pytest.mark.parametrize("moving", [True, False])
def test_a_repeated_sample_becomes_a_hole(zero: bool, moving: bool) -> None:
    values = (wave(TIME) if moving else rest()) + NOISE
    values[:, 1000:1400] = 0 if zero else values[:, 1000, None]
    made = signal(values)
    assert [text.partition(":")[0] for text in made.notes] == ["imu_stuck"]
    assert np.isnan(made.data[0]).sum() == pytest.approx(400, abs=12)
    assert "from 5.00 to 7.00 s" in made.notes[0] or "from 4.99 to 7.00 s" in made.notes[0]


def test_a_short_repetition_is_kept() -> None:
    values = wave(TIME) + NOISE
    values[:, 1000:1015] = values[:, 1000, None]  # 75 ms
    assert signal(values).notes == []


def test_a_coarse_sensor_at_rest_is_no_stuck_one() -> None:
    """Its noise is less than its resolution: at rest it repeats samples for seconds, every time."""
    values = np.where(np.arange(4000) < 2000, wave(TIME), rest()) + NOISE / 100
    values = np.round(values / 0.05) * 0.05
    made = signal(values)
    assert made.notes == []
    assert np.isfinite(made.data).all()


def test_one_sensor_with_a_clock_of_its_own() -> None:
    values = wave(TIME) + NOISE
    values[3:, 1000:1400] = 0.7
    made = signal(values, gyro_t=TIME + 0.001)
    assert made.notes[0].startswith("imu_stuck: gyroscope: gyroscope: all channels") or made.notes[
        0
    ].startswith("imu_stuck: gyroscope: ")
    assert np.isnan(made.data[0]).sum() == pytest.approx(400, abs=12)


def test_a_dead_sensor_is_still_refused() -> None:
    with pytest.raises(ImuError, match="never changes"):
        signal(rest())
