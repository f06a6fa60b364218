"""Smoothing of predictions by a hidden Markov model whose states are the classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from comodo.errors import DataError


def viterbi(
    probabilities: NDArray[np.float64], time_s: NDArray[np.float64], bout_s: float
) -> NDArray[np.int64]:
    """Return the most probable sequence of classes (n,).

    An activity ends at a constant rate, 1 / bout_s, and all others are equally likely to follow. Two windows that are t
    apart have the same class with probability 1/C + (1 − 1/C) · exp(−t · C / ((C − 1) · bout_s)), which falls with the
    length of a hole in the data. Transitions are not counted from the data, because recordings of one class have none.

    Args:
        probabilities: (n, C), the emissions.
        time_s: (n,) times of the windows, ascending, s.
        bout_s: mean length of an activity, s.

    Raises:
        DataError: if `bout_s` is not positive.
    """
    if not bout_s > 0 or not np.isfinite(bout_s):
        raise DataError(f"the mean length of an activity must be positive, not {bout_s:g} s")
    count, classes = probabilities.shape
    if count == 0 or classes == 1:
        return np.zeros(count, dtype=np.int64)
    emitted = np.log(np.maximum(probabilities, 1e-12))
    apart = np.exp(-np.diff(time_s) * classes / ((classes - 1) * bout_s))
    stay = np.log(1 / classes + (1 - 1 / classes) * apart)
    leave = np.log(np.maximum((1 - apart) / classes, 1e-300))
    best = emitted[0]
    came_from = np.zeros((count, classes), dtype=np.int64)
    for row in range(1, count):
        # the best class to come from is the class itself, or the best of all
        other = int(best.argmax())
        kept, moved = best + stay[row - 1], best[other] + leave[row - 1]
        came_from[row] = np.where(kept >= moved, np.arange(classes), other)
        best = np.maximum(kept, moved) + emitted[row]
    path = np.empty(count, dtype=np.int64)
    path[-1] = best.argmax()
    for row in range(count - 1, 0, -1):
        path[row - 1] = came_from[row, path[row]]
    return path
