from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from comodo.config import DatasetSettings
from comodo.layouts.types import ImuError, ImuSamples, Recording
from comodo.models.student import pad_left
from comodo.recordings.imu_shard import preprocess, read_notes, read_window, write_imu_shard
from comodo.recordings.resample import resample
from comodo.recordings.resample_reference import resample_reference
from comodo.recordings.signal import ImuSignal

Floats = NDArray[np.float64]


def wave(time: Floats) -> Floats:
    """Six smooth channels (6, N), with gravity on z."""
    tones = np.array([0.7, 1.1, 1.9, 2.3, 3.1, 4.2])[:, None]
    return np.sin(2 * np.pi * tones * time + tones) + np.array([0, 0, 9.81, 0, 0, 0])[:, None]


def samples(time: Floats, gyro_time: Floats | None = None) -> ImuSamples:
    gyro_time = time if gyro_time is None else gyro_time
    return ImuSamples(time, wave(time)[:3], gyro_time, wave(gyro_time)[3:])


def grid(signal: ImuSignal) -> Floats:
    return (signal.first + np.arange(signal.data.shape[1])) / signal.rate_hz


def assert_is_wave(signal: ImuSignal, atol: float = 2e-3, edge: int = 0) -> None:
    inside = slice(edge, signal.data.shape[1] - edge)
    expected = wave(grid(signal))
    valid = np.isfinite(signal.data)
    np.testing.assert_allclose(
        np.where(valid, signal.data, 0)[:, inside], np.where(valid, expected, 0)[:, inside], atol=atol
    )


# ------------------------------------------------------------------------------------------------------- resample


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
    signal = resample([ImuSamples(time, tone, time, tone)])
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


def test_samples_of_one_time_are_averaged() -> None:
    time = np.repeat(np.arange(200) / 200, 2)
    raw = wave(time)
    raw[:, ::2] += 1
    raw[:, 1::2] -= 1
    np.testing.assert_allclose(
        resample([ImuSamples(time, raw[:3], time, raw[3:])]).data, wave(np.arange(200) / 200), atol=1e-5
    )


def test_bursts_do_not_overshoot() -> None:
    rng = np.random.default_rng(0)
    time = (
        np.arange(200)[:, None] * 0.05 + np.arange(10) * 1e-4
    ).ravel()  # ten at once, then a pause below the gap
    raw = wave(time) + rng.normal(0, 0.1, (6, len(time)))
    signal = resample([ImuSamples(time, raw[:3], time, raw[3:])])
    assert np.isfinite(signal.data).all()
    assert np.abs(signal.data - wave(grid(signal))).max() < 1.0


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


def test_the_published_rule_spreads_no_few_samples_over_hours() -> None:
    """A sample a second becomes 200, times six channels of float64."""
    slow = samples(np.arange(30_000.0))
    tracemalloc.start()
    with pytest.raises(ImuError, match="spread 30000 samples over 8 hours") as error:
        resample_reference([slow])
    assert error.value.reason == "imu_clock"
    assert tracemalloc.get_traced_memory()[1] < 1e7
    tracemalloc.stop()


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


# ------------------------------------------------------------------------------------------------------- collation


def test_collation_gives_the_published_numbers(golden: Path) -> None:
    with np.load(golden / "mmea_collate.npz") as numbers:
        windows = [numbers[f"imu{i}"] for i in range(4)]  # Mantis stretches instead: test_students.py
        for count, name in ((3, "moment"), (4, "moment4")):
            batch, mask = pad_left(windows[:count])
            np.testing.assert_array_equal(batch, numbers[f"{name}_imu"])
            np.testing.assert_array_equal(mask, numbers[f"{name}_mask"])
            assert (batch.dtype, mask.dtype) == (np.float32, np.float32)


# ------------------------------------------------------------------------------------------------------- the shard


def recording(name: str) -> Recording:
    return Recording(name, "train", "walk", Path("a.mp4"), Path("a.csv"))


def test_a_shard_keeps_signals_and_reasons(tmp_path: Path) -> None:
    time = np.arange(0, 5, 0.005)
    one = resample([samples(time[(time < 2) | (time > 3)] + 1)])
    one.notes.append("größer")
    path = tmp_path / "shard.h5"
    write_imu_shard(
        path, [(recording("../a b/é"), one), (recording("b"), ImuError("imu_empty", "nothing there"))]
    )
    with h5py.File(path) as file:
        np.testing.assert_array_equal(read_window(file, "../a b/é", 10, 30), one.data[:, 10:30])
        groups = {group.attrs["id"]: group for group in file.values()}
        assert set(groups) == {"../a b/é", "b"}
        kept, dropped = groups["../a b/é"], groups["b"]
        assert (kept.attrs["start_s"], kept.attrs["rate_hz"], kept.attrs["reason"]) == (1.0, 200.0, "")
        assert kept["data"].dtype == np.float32
        valid = np.zeros(one.data.shape[1], dtype=bool)
        for begin, end in kept["valid"][:]:
            valid[begin:end] = True
        np.testing.assert_array_equal(valid, np.isfinite(one.data[0]))
        assert (dropped.attrs["reason"], dropped.attrs["detail"]) == ("imu_empty", "nothing there")
        assert "data" not in dropped
    assert read_notes(path) == {"../a b/é": ["größer"]}


def test_a_shard_has_the_same_bytes_each_time(tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5"):
        write_imu_shard(tmp_path / name, [(recording("a"), resample([samples(np.arange(0, 5, 0.005))]))])
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_a_crash_leaves_no_shard(tmp_path: Path) -> None:
    def crash() -> Iterator[tuple[Recording, ImuSignal | ImuError]]:
        yield recording("a"), resample([samples(np.arange(0, 5, 0.005))])
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_imu_shard(tmp_path / "a.h5", crash())
    assert list(tmp_path.iterdir()) == []


class _Layout:
    """Two minutes of IMU for each recording; fails for "bad"."""

    def recordings(self) -> list[Recording]:
        return []

    def read_imu(self, recording: Recording) -> list[ImuSamples]:
        if recording.id == "bad":
            raise ImuError("imu_unreadable", "bad")
        return [samples(np.arange(0, 120, 1 / 210))]


@pytest.mark.parametrize(("alignment", "length"), [("timestamps", 24000), ("reference", 24115)])
def test_preprocess_follows_the_settings_and_survives_bad_recordings(alignment: str, length: int) -> None:
    # 210 Hz is 209 to the published rule, and two minutes become 120.6 s.
    config = DatasetSettings.model_validate({"layout": "ego4d", "root": "x", "alignment": alignment})
    results = list(preprocess(_Layout(), [recording("a"), recording("bad"), recording("c")], config))
    assert [r.id for r, _ in results] == ["a", "bad", "c"]
    assert isinstance(results[1][1], ImuError)
    assert isinstance(results[2][1], ImuSignal)
    assert results[2][1].data.shape[1] == pytest.approx(length, abs=1)


def test_memory_is_bounded_by_one_recording(tmp_path: Path) -> None:
    config = DatasetSettings(layout="ego4d", root="x")

    def peak(count: int) -> int:
        tracemalloc.start()
        write_imu_shard(
            tmp_path / "a.h5", preprocess(_Layout(), (recording(str(i)) for i in range(count)), config)
        )
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(1)
    assert peak(10) < 1.1 * peak(2)
