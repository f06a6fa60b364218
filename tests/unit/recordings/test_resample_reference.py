"""The published rule of resampling."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from comodo.errors import ImuError
from comodo.layouts.types import ImuSamples
from comodo.recordings.resample_reference import resample_reference
from tests.support.imu import samples, wave


@pytest.mark.parametrize("rate", [198, 202, 800, 1000])
def test_the_reference_rule_gives_the_published_numbers(golden: Path, rate: int) -> None:
    with np.load(golden / "imu_resample.npz") as numbers:
        raw, expected = numbers[f"in_{rate}"], numbers[f"out_{rate}"]
    time = 1234.5 + np.arange(raw.shape[1]) / (rate + 0.5)  # int() cuts the half
    signal = resample_reference([ImuSamples(time, raw[:3], time, raw[3:])])
    assert signal.start_s == 0
    np.testing.assert_allclose(signal.data, expected, atol=1e-6)


def test_the_reference_rule_joins_components_and_zeroes_what_is_missing() -> None:
    time = np.arange(600) / 200.0
    raw = wave(time)
    raw[1, 100] = np.nan
    halves = [
        ImuSamples(time[part], raw[:3, part], time[part], raw[3:, part])
        for part in (slice(300), slice(300, 600))
    ]
    signal = resample_reference([*halves])
    np.testing.assert_allclose(signal.data, np.nan_to_num(raw), atol=1e-6)


def test_the_reference_rule_needs_a_rate() -> None:
    with pytest.raises(ImuError) as error:
        resample_reference([samples(np.arange(600) * -0.005)])
    assert error.value.reason == "imu_clock"


def test_the_published_rule_spreads_no_few_samples_over_hours() -> None:
    """A sample a second becomes 200, times six channels of float64."""
    slow = samples(np.arange(30_000.0))
    tracemalloc.start()
    with pytest.raises(ImuError, match="spread 30000 samples over 8 hours") as error:
        resample_reference([slow])
    assert error.value.reason == "imu_clock"
    assert tracemalloc.get_traced_memory()[1] < 1e7
    tracemalloc.stop()
