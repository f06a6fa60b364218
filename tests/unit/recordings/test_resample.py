"""Resampling by timestamps."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comodo.errors import ImuError
from comodo.layouts.types import ImuSamples
from comodo.recordings.resample import resample
from comodo.recordings.signal import ImuSignal
from tests.support.imu import Floats, samples, wave


def grid(signal: ImuSignal) -> Floats:
    return (signal.first + np.arange(signal.data.shape[1])) / signal.rate_hz


def assert_is_wave(signal: ImuSignal, atol: float = 2e-3, edge: int = 0) -> None:
    inside = slice(edge, signal.data.shape[1] - edge)
    expected = wave(grid(signal))
    valid = np.isfinite(signal.data)
    np.testing.assert_allclose(
        np.where(valid, signal.data, 0)[:, inside], np.where(valid, expected, 0)[:, inside], atol=atol
    )


@pytest.mark.parametrize("rate", [198, 202, 800, 1000])
def test_resample_agrees_with_the_published_one_away_from_the_ends(golden: Path, rate: int) -> None:
    with np.load(golden / "imu_resample.npz") as numbers:
        raw, expected = numbers[f"in_{rate}"], numbers[f"out_{rate}"]
    time = np.arange(raw.shape[1]) / rate
    signal = resample([ImuSamples(time, raw[:3], time, raw[3:])])
    assert signal.start_s == 0
    assert signal.data.shape == expected.shape
    assert signal.data.dtype == np.float32
    np.testing.assert_allclose(signal.data[:, 50:-50], expected[:, 50:-50], atol=2.5e-3)


def test_samples_on_the_grid_come_back() -> None:
    time = np.arange(400) / 200
    np.testing.assert_allclose(resample([samples(time)]).data, wave(time), atol=1e-5)


def test_accel_and_gyro_are_resampled_on_their_own_clocks() -> None:
    signal = resample([samples(np.arange(0.3, 5, 1 / 198), np.arange(0, 4.5, 1 / 397))])
    assert signal.start_s == pytest.approx(0.3)
    assert grid(signal)[-1] == pytest.approx(4.5)
    assert np.isfinite(signal.data).all()
    assert_is_wave(signal, edge=20)


def test_down_is_anti_aliased() -> None:
    time = np.arange(5000) / 1000
    tone = np.stack([np.sin(2 * np.pi * 170 * time + p) for p in range(3)])  # would fold to 30 Hz
    signal = resample([ImuSamples(time, tone, time, tone[::-1])])
    assert np.abs(signal.data[:, 50:-50]).max() < 1e-3


def test_order_duplicates_and_holes_in_the_values_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    time = np.arange(1000) / 198
    raw = wave(time)
    order = rng.permutation(np.concatenate([np.arange(1000), [5, 5, 700]]))
    time, raw = np.append(time[order], np.nan), np.hstack([raw[:, order], np.zeros((6, 1))])
    raw[2, 17] = np.nan
    raw[4, 40] = np.inf
    signal = resample([ImuSamples(time, raw[:3], time, raw[3:])])
    assert np.isfinite(signal.data).all()
    assert_is_wave(signal, atol=1e-2, edge=2)


def test_bursts_are_spread() -> None:
    """A receiver stamps ten samples at once, then pauses for less than the gap."""
    rng = np.random.default_rng(0)
    time = (np.arange(200)[:, None] * 0.05 + np.arange(10) * 1e-4).ravel()
    raw = wave(np.arange(2000) / 200) + rng.normal(0, 0.1, (6, len(time)))
    signal = resample([ImuSamples(time, raw[:3], time, raw[3:])])
    assert np.isfinite(signal.data).all()
    assert np.abs(signal.data - wave(grid(signal))).max() < 0.6


def test_a_gap_stays_a_gap() -> None:
    time = np.arange(0, 30, 1 / 201)
    time = time[(time < 5.0) | (time > 25.0)]
    signal = resample([samples(time)])
    hole = np.isnan(signal.data)
    assert (hole == hole[0]).all()
    inside = grid(signal)[hole[0]]
    assert inside.min() == pytest.approx(5.0, abs=0.011)
    assert inside.max() == pytest.approx(25.0, abs=0.011)
    assert_is_wave(signal)


@pytest.mark.parametrize(("hole_s", "is_gap"), [(0.09, False), (0.11, True)])
def test_max_gap_decides(hole_s: float, is_gap: bool) -> None:
    time = np.concatenate([np.arange(0, 1, 0.005), np.arange(0.995 + hole_s, 2, 0.005)])
    assert np.isnan(resample([samples(time)], max_gap_s=0.1).data).any() == is_gap


def test_a_gap_of_one_sensor_is_a_gap() -> None:
    time = np.arange(0, 4, 0.005)
    signal = resample([samples(time, time[(time < 1) | (time > 2)])])
    assert 190 < np.isnan(signal.data[0]).sum() < 202
    assert (np.isnan(signal.data) == np.isnan(signal.data[0])).all()


def test_components_are_not_joined_across_a_gap_nor_torn_where_they_touch() -> None:
    first, second, third = np.arange(0, 2, 0.005), np.arange(2.0, 4, 0.005), np.arange(7, 9, 0.005)
    signal = resample([samples(third), samples(first), samples(second)])
    assert np.isfinite(signal.data[:, :800]).all()
    assert np.isnan(signal.data[:, 801:1399]).all()
    assert_is_wave(signal, atol=5e-2)


def test_the_last_sample_stands_for_its_interval() -> None:
    assert resample([samples(np.arange(0, 5, 0.01))]).data.shape == (6, 1000)  # 100 Hz, last sample at 4.99 s


def test_a_late_start_is_kept_late() -> None:
    signal = resample([samples(np.arange(3.0, 9, 0.005))])
    assert (signal.first, signal.start_s) == (600, 3.0)


def test_a_large_clock_offset_is_harmless() -> None:
    signal = resample([samples(1e9 + np.arange(0, 9, 0.005))])
    assert signal.start_s == pytest.approx(1e9)
    assert signal.data.shape[1] == pytest.approx(1800, abs=2)


def test_absurd_times_cost_no_memory() -> None:
    time = np.arange(0, 9, 0.005)
    time[[3, 500]] = 1e12, -1e12  # alone: nothing to interpolate
    time[700:702] = 5e11, 5e11 + 0.005  # a pair
    tracemalloc.start()
    signal = resample([samples(time)])
    assert tracemalloc.get_traced_memory()[1] < 1e7
    tracemalloc.stop()
    assert signal.data.shape == (6, 1800)
    assert any("hours away" in note for note in signal.notes)


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        ([], "imu_empty"),
        ([samples(np.zeros(0))], "imu_empty"),
        ([samples(np.zeros(1))], "imu_empty"),
        ([samples(np.full(50, np.nan))], "imu_empty"),
        ([samples(np.arange(0, 1, 0.005), np.arange(2, 3, 0.005))], "imu_empty"),
        ([samples(np.arange(0, 1, 0.005), np.arange(1e6, 1e6 + 1, 0.005))], "imu_empty"),
    ],
)
def test_nothing_usable_is_an_error(made: list[ImuSamples], reason: str) -> None:
    with pytest.raises(ImuError) as error:
        resample(made)
    assert error.value.reason == reason


@st.composite
def clocks(draw: st.DrawFn) -> Floats:
    """Jittered clocks of 50–400 Hz with holes, in any order."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rate = draw(st.sampled_from([50.0, 100.0, 197.5, 200.0, 397.0]))
    time = np.arange(0, draw(st.floats(1, 6)), 1 / rate)
    time = time + rng.uniform(-0.2, 0.2, len(time)) / rate
    for begin, length in draw(st.lists(st.tuples(st.floats(0, 6), st.floats(0.05, 1)), max_size=3)):
        time = time[(time < begin) | (time > begin + length)]
    return rng.permutation(time) if draw(st.booleans()) else time


@settings(max_examples=60, deadline=None)
@given(clocks())
def test_a_sample_is_valid_only_near_raw_samples(time: Floats) -> None:
    try:
        signal = resample([samples(time)], max_gap_s=0.1)
    except ImuError:
        assert len(time) < 10 or np.diff(np.sort(time)).min() > 0.1
        return
    ordered = np.sort(time)
    where = grid(signal)
    after = np.searchsorted(ordered, where)
    left = np.where(after > 0, where - ordered[np.maximum(after - 1, 0)], np.inf)
    right = np.where(after < len(ordered), ordered[np.minimum(after, len(ordered) - 1)] - where, np.inf)
    valid = np.isfinite(signal.data[0])
    in_gap = left + right > 0.1 + 1e-9
    held = (left <= 0.1 / 3) | (right <= 0.1 / 6)
    assert not (valid & in_gap & ~held).any()
    assert valid[~in_gap].all()


@settings(max_examples=40, deadline=None)
@given(clocks(), st.integers(-(10**6), 10**6))
def test_shifting_the_clock_shifts_the_signal_and_nothing_else(time: Floats, steps: int) -> None:
    raw = wave(time)
    shifted = time + steps / 200
    try:
        one = resample([ImuSamples(time, raw[:3], time, raw[3:])])
    except ImuError:
        return
    other = resample([ImuSamples(shifted, raw[:3], shifted, raw[3:])])
    assert other.first == one.first + steps
    np.testing.assert_allclose(other.data, one.data, atol=1e-4)
