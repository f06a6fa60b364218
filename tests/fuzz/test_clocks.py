"""Faults of a clock injected into a known signal: it comes back, or a note or a reason names the cause."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final

import numpy as np
import pytest

from comodo.errors import ImuError
from comodo.layouts.types import ImuSamples
from comodo.notes import NOTES
from comodo.recordings.resample import resample
from tests.support.imu import Floats

pytestmark = pytest.mark.fuzz

SECONDS: Final = 60 * float(os.environ.get("FUZZ_MINUTES", 1))
RATES: Final = (20.0, 25.0, 50.0, 100.0, 104.0, 200.0, 400.0, 1000.0)
TOLERANCE: Final = 0.2
"""On tones of amplitude 1 up to 1.9 Hz: 20 Hz with 20 % of jitter."""
WRONG: Final = 0.01
"""Share of samples that may be wrong without a word: those at the edges of a fault."""
KEPT: Final = 0.97
"""Share of a signal without a fault that comes back."""

Rows = tuple[Floats, Floats]  # time (N,), values (6, N); in file order
Fault = Callable[[Rows, float, np.random.Generator], Rows]


def known(moment: Floats) -> Floats:
    """The signal (6, N) at times (N,), s."""
    tones = np.array([0.3, 0.5, 0.8, 1.1, 1.5, 1.9])[:, None]
    return np.sin(2 * np.pi * tones * moment + 3 * tones) + np.array([0, 0, 9.81, 0, 0, 0])[:, None]


def packets(rows: Rows, rate: float, rng: np.random.Generator) -> Rows:
    """Samples bear the time of the first of their packet."""
    moment, values = rows
    size = rng.integers(2, 12)
    return moment[np.arange(len(moment)) // size * size], values


def bursts(rows: Rows, rate: float, rng: np.random.Generator) -> Rows:
    """As packets, but the receiver's clock runs on a little."""
    size = rng.integers(2, 12)
    number = np.arange(len(rows[0]))
    return rows[0][number // size * size] + number % size * 1e-6, rows[1]


def rounded(rows: Rows, rate: float, rng: np.random.Generator) -> Rows:
    """Times with few digits."""
    return np.floor(rows[0] * 10.0 ** (digits := rng.integers(0, 3))) / 10.0**digits, rows[1]


def restart(rows: Rows, rate: float, rng: np.random.Generator) -> Rows:
    """The clock starts at its beginning again, once or twice."""
    moment, values = rows
    for _ in range(rng.integers(1, 3)):
        at = rng.integers(len(moment) // 10, len(moment))
        moment = np.append(moment[:at], moment[at:] - moment[at] + moment[0])
    return moment, values


def step_back(rows: Rows, rate: float, rng: np.random.Generator) -> Rows:
    """The clock is set back by 3.5 samples to 2 s; less is jitter."""
    moment, values = rows
    at = rng.integers(1, len(moment))
    return np.append(moment[:at], moment[at:] - np.exp(rng.uniform(np.log(3.5 / rate), np.log(2)))), values


def wrap(rows: Rows, rate: float, rng: np.random.Generator) -> Rows:
    """A counter of milliseconds or microseconds, of 16 to 32 bits, that wraps in the recording."""
    bits, unit = [(16, 1e-3), (24, 1e-6), (32, 1e-6), (32, 1e-3), (32, 1e-9)][rng.integers(5)]
    period = 2**bits * unit
    start = period - rng.uniform(0, np.nanmax(rows[0]))
    return (rows[0] + start) % period, rows[1]


def interleaved(rows: Rows, rate: float, rng: np.random.Generator) -> Rows:
    """A second device in the same file, turned by 90°, its clock the same, a little or much later."""
    moment, values = rows
    other = moment + [0.0, 0.3 / rate, 0.5 / rate, 1000.0][rng.integers(4)]
    turned = known(moment + 0.7)[[2, 0, 1, 5, 3, 4]]
    return np.stack([moment, other], axis=1).ravel(), np.stack([values, turned], axis=2).reshape(6, -1)


def no_times(rows: Rows, rate: float, rng: np.random.Generator) -> Rows:
    """Every second to fifth row has a time, or all but some."""
    moment = rows[0].copy()
    if rng.random() < 0.5:
        moment[np.arange(len(moment)) % rng.integers(2, 6) != 0] = np.nan
    else:
        moment[rng.random(len(moment)) < 0.05] = np.nan
    return moment, rows[1]


def other_rates(rows: Rows, rate: float, rng: np.random.Generator) -> Rows:
    """The accelerometer has values in some rows only, or rows of its own."""
    values = rows[1].copy()
    number = np.arange(values.shape[1])
    own = number % (rng.integers(2, 4) if rate >= 50 else 2) == 0  # fewer cannot show 1.9 Hz
    values[:3, ~own] = np.nan
    if rng.random() < 0.5:
        values[3:, own] = np.nan
    return rows[0], values


def twice(rows: Rows, rate: float, rng: np.random.Generator) -> Rows:
    """The file, or a part of it, was written twice."""
    begin, end = sorted(rng.integers(0, len(rows[0]), 2))
    if rng.random() < 0.5:
        begin, end = 0, len(rows[0])
    order = np.concatenate([np.arange(end), np.arange(begin, len(rows[0]))])
    return rows[0][order], rows[1][:, order]


def shuffled(rows: Rows, rate: float, rng: np.random.Generator) -> Rows:
    """Rows out of order: all of them, or neighbours only."""
    number = np.arange(len(rows[0]))
    order = np.argsort(number + rng.uniform(0, [3, len(number)][rng.integers(2)], len(number)))
    return rows[0][order], rows[1][:, order]


def strays(rows: Rows, rate: float, rng: np.random.Generator) -> Rows:
    """Some times are absurd."""
    moment = rows[0].copy()
    moment[rng.integers(0, len(moment), 5)] += rng.uniform(-1e9, 1e9, 5)
    return moment, rows[1]


def holes(rows: Rows, rate: float, rng: np.random.Generator) -> Rows:
    """Samples are missing for up to 2 s, once or more."""
    keep = np.ones(len(rows[0]), dtype=bool)
    for _ in range(rng.integers(1, 4)):
        begin = rng.uniform(0, np.nanmax(rows[0]))
        keep &= ~((rows[0] >= begin) & (rows[0] <= begin + rng.uniform(0, 2)))
    return rows[0][keep], rows[1][:, keep]


def stuck(rows: Rows, rate: float, rng: np.random.Generator) -> Rows:
    """All channels repeat a sample, or are zero, for up to 2 s."""
    moment, values = rows[0], rows[1].copy()
    begin = rng.integers(1, len(moment) // 2)
    stop = begin + max(6, int(rate * rng.uniform(0.15, 2)))
    values[:, begin:stop] = values[:, begin, None] * rng.integers(0, 2)
    return moment, values


FAULTS: Final[tuple[Fault, ...]] = (
    packets, bursts, rounded, restart, step_back, wrap, interleaved, no_times, other_rates, twice, shuffled, strays,
    holes, stuck,
)  # fmt: skip


def check(seed: int) -> None:
    """Inject up to two faults into a signal of 20 to 90 s, and judge the result."""
    rng = np.random.default_rng(seed)
    rate = float(rng.choice(RATES))
    moment = np.arange(0, rng.uniform(20, 90), 1 / rate)
    moment += rng.uniform(-1, 1, len(moment)) * rng.choice([0, 0.05, 0.2]) / rate
    moment -= moment.min()
    rows = moment, known(moment) + rng.normal(0, 0.01, (6, len(moment)))
    faults = [FAULTS[n] for n in rng.choice(len(FAULTS), size=rng.integers(0, 3), replace=False)]
    if other_rates in faults:  # the sensors may be of two devices, or one late by a packet: nothing shows it
        faults = [fault for fault in faults if fault not in (interleaved, packets, bursts, rounded)]
    for fault in faults:
        rows = fault(rows, rate, rng)
    clock = rows[0]
    if {step_back, holes} <= {*faults} and (np.diff(clock[np.isfinite(clock)]) > 0).all():
        return  # the hole hides the step
    start = float(np.nanmin(clock))
    names = f"seed {seed}, {rate:g} Hz, {', '.join(fault.__name__ for fault in faults) or 'no fault'}"
    values = rows[1]
    max_gap_s = max(0.1, 4 / rate)
    try:
        signal = resample(
            [ImuSamples(clock - start, values[:3], clock - start, values[3:])], 200.0, max_gap_s
        )
    except ImuError as error:
        if not faults:
            raise AssertionError(names) from error
        return
    assert all(text.partition(":")[0] in NOTES for text in signal.notes), names
    if not faults:
        assert not signal.notes, f"{names}: {signal.notes}"
        assert np.isfinite(signal.data).mean() > KEPT, names
    if signal.notes:
        return
    # Without a note the times are right, but for the zero of the clock.
    zero = 0.0 if wrap not in faults else None
    grid = signal.start_s + np.arange(signal.data.shape[1]) / signal.rate_hz
    shown = signal.data - known(grid + (start if zero is not None else 0.0))
    wrong = np.nanmax(np.abs(shown), axis=0, initial=0, where=np.isfinite(shown)) > TOLERANCE
    share = float(wrong.sum() / max(1, np.isfinite(signal.data[0]).sum()))
    assert share < WRONG, f"{names}: {share:.1%} of the samples are wrong, without a note"


def test_a_faulty_clock_is_repaired_or_named() -> None:
    began, seed = time.monotonic(), 0
    while time.monotonic() < began + SECONDS:
        check(seed)
        seed += 1
    print(f"\n{seed} signals with faults in their clocks")
    assert seed > 100


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("jitter", [0.0, 0.2])
def test_no_false_alarm(rate: float, jitter: float) -> None:
    rng = np.random.default_rng(int(rate))
    moment = np.arange(0, 60, 1 / rate)
    moment += rng.uniform(-1, 1, len(moment)) * jitter / rate
    values = known(moment) + rng.normal(0, 0.02, (6, len(moment)))
    signal = resample([ImuSamples(moment, values[:3], moment, values[3:])], 200.0, max(0.1, 3 / rate))
    assert signal.notes == []
    assert np.isfinite(signal.data).all()
