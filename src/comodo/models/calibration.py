"""Calibration of class scores: temperature scaling (Guo et al. 2017), its error, and the margin of unknown windows."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from comodo.models.about import Calibration

BINS: Final = 15  # of the expected calibration error, as in Guo et al.
PRECISION: Final = 0.9  # of the windows that are not unknown
Floats = NDArray[np.floating[Any]]


def margins(probabilities: Floats) -> NDArray[np.float64]:
    """Return the difference (N,) of the two highest of the probabilities (N, C); 1 for a single class."""
    if probabilities.shape[1] == 1:
        return np.ones(len(probabilities))
    best = np.partition(probabilities, -2, axis=1)
    difference: NDArray[np.float64] = best[:, -1] - best[:, -2]
    return difference


def calibrate(scores: Floats, truth: NDArray[np.int64]) -> Calibration:
    """Fit temperature and margin of unknown windows.

    Args:
        scores: (N, C), N at least 1.
        truth: (N,), columns of the true classes.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import softmax

    scores = scores.astype(np.float64)
    rows = np.arange(len(scores))

    def loss(log_temperature: float) -> float:
        probabilities = softmax(scores / np.exp(log_temperature), axis=1)
        return float(-np.log(np.maximum(probabilities[rows, truth], 1e-300)).mean())

    # the bounds keep the probabilities finite where every window is right, or none
    found = minimize_scalar(loss, bounds=(np.log(1e-3), np.log(1e3)), method="bounded")
    temperature = float(np.exp(found.x))
    before, after = softmax(scores, axis=1), softmax(scores / temperature, axis=1)
    right = scores.argmax(axis=1) == truth
    return Calibration(
        temperature=temperature,
        ece_before=calibration_error(before.max(axis=1), right),
        ece_after=calibration_error(after.max(axis=1), right),
        unknown_below=unknown_below(margins(after), right),
        windows=len(scores),
        top1=float(right.mean()),
    )


def calibration_error(confidence: Floats, right: NDArray[np.bool_]) -> float:
    """Return the expected calibration error of confidences (N,) of predictions that are right or not (N,)."""
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [abs(float(confidence[place == k].sum() - right[place == k].sum())) for k in range(BINS)]
    return sum(gaps) / len(confidence)


def unknown_below(margin: Floats, right: NDArray[np.bool_], precision: float = PRECISION) -> float | None:
    """Return the smallest margin at which the windows with at least this margin reach a precision.

    Args:
        margin: (N,).
        right: (N,), whether the prediction is right.
        precision: share of right predictions to reach.

    Returns:
        One of the margins; None if no margin reaches the precision.
    """
    order = np.argsort(-margin, kind="stable")
    reached = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    # windows of equal margin are in or out together
    last = np.append(np.diff(margin[order]) != 0, True)
    good = np.flatnonzero(last & (reached >= precision))
    return float(margin[order][good[-1]]) if len(good) else None
