"""The clock of a sensor as a whole: what is repaired, by value, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comodo.errors import ImuError
from comodo.layouts.types import ImuSamples
from comodo.recordings.resample import resample
from comodo.recordings.signal import ImuSignal
from tests.support.imu import Floats, wave

RATE = 100.0
TIME = np.arange(2000) / RATE


def tone(moment: Floats, hz: float) -> Floats:
    """Six channels (6, N): a tone of amplitude 1 on accel x, 0.8 on gyro x, slow waves elsewhere."""
    values = wave(moment)
    values[0], values[3] = np.sin(2 * np.pi * hz * moment), 0.8 * np.sin(2 * np.pi * hz * moment + 0.5)
    return values


def signal(time: Floats, values: Floats, gyro_time: Floats | None = None) -> ImuSignal:
    return resample([ImuSamples(time, values[:3], time if gyro_time is None else gyro_time, values[3:])])


def amplitude(channel: Floats, hz: float) -> float:
    channel = channel[np.isfinite(channel)].astype(float)
    turn = np.exp(-2j * np.pi * hz * np.arange(len(channel)) / 200)
    return float(2 * abs(np.mean((channel - channel.mean()) * turn)))


def error(made: ImuSignal) -> float:
    """The largest difference from the wave at the signal's own times, holes and the edges of stretches apart."""
    moment = made.start_s + np.arange(made.data.shape[1]) / made.rate_hz
    return float(np.nanmax(np.abs(made.data - wave(moment))[:, 5:-5]))


def kinds(made: ImuSignal) -> list[str]:
    return [text.partition(":")[0] for text in made.notes]


@pytest.mark.parametrize("size", [2, 5, 10])
def test_packets_keep_fast_motion(size: int) -> None:
    """Several samples bear the time of their packet: 12 Hz must not be averaged away."""
    made = signal(np.repeat(TIME[::size], size), tone(TIME, 12.0))
    assert kinds(made) == ["imu_packets"]
    assert f"{size} samples share a timestamp, {size / RATE:g} s before the next" in made.notes[0]
    assert amplitude(made.data[0], 12.0) == pytest.approx(1.0, abs=0.02)
    assert amplitude(made.data[3], 12.0) == pytest.approx(0.8, abs=0.02)
    assert amplitude(made.data[0], 100.0 / size - 12.0 if size == 5 else 33.0) < 0.02
    assert made.clocks is not None
    assert made.clocks[0].repeated == pytest.approx(1 - 1 / size, abs=0.01)
    assert made.clocks[0].rate_hz == pytest.approx(100, rel=0.01)


def test_packets_of_varying_size_and_a_lost_one() -> None:
    sizes = np.tile([4, 6, 5], 133)
    begins = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    stamps = np.repeat(TIME[begins], sizes)
    keep = np.ones(len(stamps), dtype=bool)
    keep[1000:1020] = False  # 0.2 s
    made = signal(stamps[keep], wave(TIME[: len(stamps)])[:, keep])
    assert np.isnan(made.data[0]).sum() == pytest.approx(0.2 * 200, abs=12)
    assert error(made) < 0.6  # of 4.2 Hz: packets move by 10 ms


def test_bursts_are_packets() -> None:
    """The receiver stamps the samples of a packet microseconds apart."""
    made = signal(np.repeat(TIME[::5], 5) + np.tile(np.arange(5) * 1e-5, 400), tone(TIME, 12.0))
    assert kinds(made) == ["imu_packets"]
    assert amplitude(made.data[0], 12.0) == pytest.approx(1.0, abs=0.02)


def test_whole_seconds_and_a_short_first_one() -> None:
    made = signal(np.floor(TIME[60:]), wave(TIME[60:]))
    assert kinds(made) == ["imu_packets"]
    assert error(made) < 0.05  # the 40 samples of the first second are its last ones


def test_milliseconds_at_1000_hz_need_no_note() -> None:
    time = np.floor(np.arange(5000) * 0.8) / 1000  # 1250 Hz
    assert signal(time, wave(np.arange(5000) / 1250)).notes == []


@pytest.mark.parametrize(
    ("time", "message"),
    [
        (np.full(2000, 1.70922e9), "all 2000 samples have one timestamp"),
        (np.repeat(np.arange(4) * 10.0, 500), "timestamps are 10 s apart"),
    ],
)
def test_rounded_away(time: Floats, message: str) -> None:
    with pytest.raises(ImuError, match=message) as caught:
        signal(time, wave(TIME))
    assert caught.value.reason == "imu_clock"


@pytest.mark.parametrize("offset", [0.0, 0.003])
@pytest.mark.parametrize("second", [12.0, 20.0, 30.0])
def test_a_restart_keeps_the_longer_part(offset: float, second: float) -> None:
    """Both parts would be averaged, or interleaved sample by sample."""
    again = np.arange(int(second * RATE)) / RATE + offset
    values = np.hstack([tone(TIME, 1.0), tone(again, 3.0)])
    made = signal(np.append(TIME, again), values)
    assert kinds(made) == ["imu_restart"]
    kept, lost = (1.0, 3.0) if second <= 20 else (3.0, 1.0)
    assert amplitude(made.data[0], kept) == pytest.approx(1.0, abs=0.02)
    assert amplitude(made.data[0], lost) < 0.02
    assert f"from row {1 if second <= 20 else 2001} is used" in made.notes[0]


def test_two_restarts_and_strays() -> None:
    time = np.concatenate([TIME[:500], TIME[:800], TIME[:700]])
    time[[100, 900]] = 1e9, -1e9
    made = signal(time, np.hstack([wave(TIME[:500] + 5), wave(TIME[:800]), wave(TIME[:700] + 9)]))
    assert "imu_restart" in kinds(made)
    assert error(made) < 0.05
    assert made.data.shape[1] == pytest.approx(1600, abs=4)


@pytest.mark.parametrize("back_s", [0.2, 0.5, 2.0])
def test_a_step_back_leaves_a_hole(back_s: float) -> None:
    time = np.where(TIME < 10, TIME, TIME - back_s)
    made = signal(time, wave(TIME))
    assert kinds(made) == ["imu_step_back"]
    moment = made.start_s + np.arange(made.data.shape[1]) / 200
    hole = moment[np.isnan(made.data[0])]
    assert (hole.min(), hole.max()) == pytest.approx((10 - back_s, 10.0), abs=0.03)
    before = moment < 10 - back_s - 0.05
    assert np.abs(made.data[:, before] - wave(moment[before])).max() < 0.05


def test_overlapping_components() -> None:
    """Ego4D: two components claim 8 to 10 s; a copy of a component changes nothing."""
    first, second = TIME[:1000], TIME[800:]
    both = [ImuSamples(t, wave(t)[:3], t, wave(t)[3:]) for t in (first, second + 0.0)]
    both[1].accel[:] = both[1].accel[::-1]
    made = resample(both)
    assert kinds(made) == ["imu_step_back"]
    assert np.isnan(made.data[0]).sum() == pytest.approx(400, abs=8)
    copied = resample([both[0], both[0]])
    assert kinds(copied) == ["imu_duplicates"]
    np.testing.assert_array_equal(copied.data, resample([both[0]]).data)


@pytest.mark.parametrize(
    ("bits", "unit_s", "start_s"),
    [(16, 1e-3, 60.0), (32, 1e-6, 4290.0), (32, 1e-3, 2.0**32 / 1e3 - 7), (24, 1e-6, 10.0), (8, 1e-2, 0.0)],
)
def test_a_counter_is_unwrapped(bits: int, unit_s: float, start_s: float) -> None:
    period = 2**bits * unit_s if bits > 8 else 256e-3
    time = np.round((TIME + start_s) % period, 6)
    made = signal(time, tone(TIME, 3.0))
    assert kinds(made) == ["imu_wrap"]
    assert amplitude(made.data[0], 3.0) == pytest.approx(1.0, abs=0.02)
    assert made.data.shape[1] == pytest.approx(4000, abs=4)
    assert np.isfinite(made.data).all()
    assert made.clocks is not None
    assert made.clocks[0].backward == 0


def test_two_devices_are_refused() -> None:
    other = wave(TIME + 3.0)[[2, 0, 1, 3, 4, 5]]
    values = np.stack([wave(TIME), other], axis=2).reshape(6, -1)
    for later in (0.0, 0.003, 0.005):
        time = np.stack([TIME, TIME + later], axis=1).ravel()
        with pytest.raises(ImuError, match="two devices") as caught:
            signal(time, values)
        assert caught.value.reason == "imu_two_devices"
    with pytest.raises(ImuError, match=r"two clocks, 1e\+03 s apart") as caught:
        signal(np.stack([TIME, TIME + 1000], axis=1).ravel(), values)
    assert caught.value.reason == "imu_two_devices"


def test_rows_swapped_in_transport_are_sorted() -> None:
    order = np.arange(2000).reshape(-1, 2)[:, ::-1].ravel()
    made = signal(TIME[order], wave(TIME)[:, order])
    assert kinds(made) == ["imu_unordered"]
    assert "1000 of 2000 rows are earlier" in made.notes[0]
    assert error(made) < 0.05


def test_each_sensor_keeps_its_own_rate() -> None:
    """One table, the gyroscope at 200 Hz, the accelerometer in every 4th row: 40 Hz must not become 10 Hz."""
    time = np.arange(4000) / 200
    values = tone(time, 40.0)
    values[0] = np.sin(2 * np.pi * 2 * time)
    values[:3, np.arange(4000) % 4 != 0] = np.nan
    made = signal(time, values)
    assert made.notes == []
    assert amplitude(made.data[3], 40.0) == pytest.approx(0.8, abs=0.03)
    assert amplitude(made.data[3], 10.0) < 0.02
    assert amplitude(made.data[0], 2.0) == pytest.approx(1.0, abs=0.02)
    assert made.clocks is not None
    assert (made.clocks[0].rate_hz, made.clocks[1].rate_hz) == pytest.approx((50, 200))
    assert made.clocks[0].missing == 0


def test_rows_of_an_outer_join() -> None:
    """Accelerometer and gyroscope rows alternate, each with its own time."""
    time = np.stack([TIME, TIME + 0.003], axis=1).ravel()
    values = wave(time)
    values[3:, ::2] = values[:3, 1::2] = np.nan
    made = signal(time, values)
    assert made.notes == []
    assert error(made) < 0.05
    assert np.isfinite(made.data).all()


@pytest.mark.parametrize("every", [2, 3, 5])
def test_missing_times_are_interpolated(every: int) -> None:
    time = np.where(np.arange(2000) % every == 0, TIME, np.nan)
    made = signal(time, tone(TIME, 20.0))
    assert kinds(made) == ["imu_no_times"]
    assert amplitude(made.data[0], 20.0) == pytest.approx(1.0, abs=0.05)
    assert made.data.shape[1] == pytest.approx(4000, abs=4)
    assert made.clocks is not None
    assert made.clocks[0].missing == pytest.approx(1 - 1 / every, abs=0.01)


def test_times_missing_for_long_stay_a_hole() -> None:
    time = np.where((TIME > 5) & (TIME < 6), np.nan, TIME)
    made = signal(time, wave(TIME))
    assert made.notes == []
    assert np.isnan(made.data[0]).sum() == pytest.approx(200, abs=8)


def test_many_rows_left_out_for_lack_of_a_time_get_a_note() -> None:
    time = np.where(np.arange(2000) % 100 < 30, np.nan, TIME)
    assert signal(time, wave(TIME)).notes == ["imu_no_times: 600 of 2000 rows have no time and are left out"]


def test_a_file_written_twice() -> None:
    for order in (np.repeat(np.arange(2000), 2), np.tile(np.arange(2000), 2)):
        made = signal(TIME[order], wave(TIME)[:, order])
        assert kinds(made) == ["imu_duplicates"]
        np.testing.assert_array_equal(made.data, signal(TIME, wave(TIME)).data)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([20.0, 25.0, 50.0, 100.0, 200.0, 500.0, 1000.0]),
    st.floats(0, 0.2),
    st.floats(0, 30),
    st.integers(0, 2**32 - 1),
)
def test_a_sound_clock_gets_no_note(rate: float, jitter: float, strength: float, seed: int) -> None:
    """Slow, fast and strong motion, with noise and jitter, keeps every sample."""
    rng = np.random.default_rng(seed)
    time = np.arange(0, 30, 1 / rate) + rng.uniform(-jitter, jitter, int(np.ceil(30 * rate))) / rate
    values = wave(time) + rng.normal(0, 0.02, (6, len(time)))
    values[0] += strength * np.sin(2 * np.pi * 2.5 * time)
    values[3:] *= 0.1 + strength / 10
    made = resample([ImuSamples(time, values[:3], time, values[3:])], 200.0, max(0.1, 3 / rate))
    assert made.notes == []
    assert np.isfinite(made.data).all()
