from __future__ import annotations

import numpy as np
import pytest

from comodo.evaluate.bootstrap import paired_difference, sum_by_group


def hits(probability: float, windows: np.ndarray, seeds: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).binomial(windows, probability, (seeds, len(windows)))


def test_difference_is_that_of_the_accuracies() -> None:
    windows = np.array([4, 6, 10])
    ours, theirs = np.array([[4, 3, 5], [2, 3, 5]]), np.array([[2, 3, 1], [2, 3, 1]])
    found = paired_difference(ours, theirs, windows)
    assert found.difference == pytest.approx((11 / 20 * 2 - 6 / 20 * 2) / 2, abs=0.051)
    assert found.difference == pytest.approx((ours.sum() - theirs.sum()) / 2 / 20)
    assert found.low <= found.difference <= found.high


def test_no_difference_is_not_found() -> None:
    same = hits(0.5, np.full(30, 6), 3, 0)
    assert paired_difference(same, same, np.full(30, 6)) == (0, 0, 0)


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Two encoders of 60 % and 50 % on independent windows; the truth lies within about 95 of 100 intervals."""
    windows = np.full(40, 6)
    found = [
        paired_difference(hits(0.6, windows, 1, n), hits(0.5, windows, 1, 1000 + n), windows)
        for n in range(100)
    ]
    assert 88 <= sum(low <= 0.1 <= high for _, low, high in found) <= 100
    widths = [high - low for _, low, high in found]
    # standard error of the difference of two proportions
    assert np.mean(widths) == pytest.approx(2 * 1.96 * np.sqrt((0.24 + 0.25) / 240), rel=0.15)


def test_pairing_narrows_the_interval() -> None:
    windows = np.full(40, 6)
    base = hits(0.5, windows, 1, 0)
    better = np.minimum(base + 1, windows)
    paired = paired_difference(better, base, windows)
    shuffled = paired_difference(np.random.default_rng(0).permutation(better.T).T, base, windows)
    assert paired.high - paired.low < 0.5 * (shuffled.high - shuffled.low)


def test_windows_of_a_recording_are_drawn_together() -> None:
    """As many windows in fewer recordings, all alike within each: a wider interval."""
    many = paired_difference(hits(0.6, np.full(100, 1), 1, 1), np.zeros((1, 100)), np.full(100, 1))
    few = paired_difference(10 * hits(0.6, np.full(10, 1), 1, 1), np.zeros((1, 10)), np.full(10, 10))
    assert few.high - few.low > 2 * (many.high - many.low)


def test_seeds_that_disagree_widen_the_interval() -> None:
    windows = np.full(50, 6)
    alike = np.tile(hits(0.6, windows, 1, 2), (4, 1))
    apart = alike + np.array([[-1], [1], [-1], [1]])
    base = np.zeros_like(alike)
    narrow, wide = (paired_difference(ours, base, windows) for ours in (alike, apart))
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_counts_are_summed_by_group() -> None:
    assert sum_by_group(np.array([[1, 2, 4], [8, 16, 32]]), ["b", "a", "b"]).tolist() == [[2, 5], [16, 40]]
    assert sum_by_group(np.array([3, 4]), ["x", "x"]).tolist() == [7]


def test_groups_that_are_alike_within_widen_the_interval() -> None:
    """Ten people of four recordings each: what one person's recordings have in common, a draw of recordings misses."""
    windows, people = np.full(40, 6), [f"p{number // 4}" for number in range(40)]
    ours = np.repeat(hits(0.6, np.full(10, 6), 1, 1), 4, axis=1)
    theirs = np.zeros((1, 40))
    narrow = paired_difference(ours, theirs, windows)
    wide = paired_difference(*(sum_by_group(each, people) for each in (ours, theirs, windows)))
    assert wide.difference == pytest.approx(narrow.difference)
    assert wide.high - wide.low == pytest.approx(2 * (narrow.high - narrow.low), rel=0.2)
