"""Confidence interval of a difference: a paired bootstrap over test recordings, or groups of them, and seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

DRAWS: Final = 10_000
LEVEL: Final = 0.95


class Difference(NamedTuple):
    """A difference in accuracy and its interval, as fractions."""

    difference: float
    low: float
    high: float


def paired_difference(
    ours: NDArray[Any], baseline: NDArray[Any], windows: NDArray[Any], seed: int = 0
) -> Difference:
    """Difference in accuracy of two encoders on the same test recordings, with a 95 % percentile interval.

    Recordings are drawn with replacement, whole, since the windows of one recording resemble each other; so are
    seeds, and each draw is seen by both encoders. Several recordings of one person are drawn as if they were
    independent, so with few people the interval is too narrow. To draw people instead, sum all arguments by person
    first (`sum_by_group`).

    Args:
        ours: (S, R) windows rightly named: by each training seed, in each recording.
        baseline: (S, R), the same seeds and recordings; or (1, R), where the baseline has no seeds.
        windows: (R,) windows of each recording.
        seed: of the draws.
    """
    gain = np.asarray(ours, dtype=np.float64) - np.asarray(baseline, dtype=np.float64)
    windows = np.asarray(windows, dtype=np.float64)
    n_seeds, n_recordings = gain.shape
    generator = np.random.default_rng(seed)
    recordings = generator.multinomial(n_recordings, np.full(n_recordings, 1 / n_recordings), DRAWS)
    seeds = generator.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), DRAWS) / n_seeds
    drawn = ((recordings @ gain.T) * seeds).sum(axis=1) / (recordings @ windows)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Difference(float(gain.mean(axis=0).sum() / windows.sum()), float(low), float(high))


def sum_by_group(counts: NDArray[Any], groups: Sequence[str]) -> NDArray[np.float64]:
    """Return counts per group (…, G), groups in sorted order, from counts per recording (…, R).

    Args:
        counts: windows, or correct windows, of each recording.
        groups: group of each recording, R entries.
    """
    names, place = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    total: NDArray[np.float64] = np.asarray(counts, dtype=np.float64) @ np.eye(len(names))[place]
    return total
