"""Predictions: the classes of the windows of a signal, as a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from comodo.clips.cut import SignalWindows, cut_windows
from comodo.deploy.classifier import Classifier
from comodo.deploy.smooth import viterbi
from comodo.models.calibration import margins
from comodo.recordings.signal import ImuSignal

TOP = 3


def predict(
    classifier: Classifier,
    signal: ImuSignal,
    *,
    step_s: float | None = None,
    top: int = TOP,
    bout_s: float | None = None,
) -> pd.DataFrame:
    """Return the class of every whole window of a signal.

    Args:
        classifier: see `load_classifier`.
        signal: see `read_imu`; at the sampling rate of the student.
        step_s: from one window to the next, s; None: the length of a window, so that none overlap.
        top: number of classes to list.
        bout_s: mean length of an activity, s, to smooth by a hidden Markov model; None: not smoothed.

    Returns:
        One row per window: start_s and end_s on the clock of the signal, label, its score (a probability), margin (to
        the best other class), unknown (boolean; missing without a threshold), then label_2, score_2, … up to `top`.

    Raises:
        ImuError: if no window is whole.
        ModelError: if the number of channels is wrong.

    Example:
        >>> predict(classifier, read_imu("walk.csv"))[["start_s", "label", "score"]]
    """
    windows = cut_windows(signal, classifier.form.clip_s, step_s)
    probabilities = classifier.scores(windows).probabilities
    chosen = None
    if bout_s is not None:
        chosen = viterbi(probabilities, (windows.start_s + windows.end_s) / 2, bout_s)
    return table(classifier, windows, probabilities, top, chosen)


def table(
    classifier: Classifier,
    windows: SignalWindows,
    probabilities: NDArray[np.float64],
    top: int = TOP,
    chosen: NDArray[np.int64] | None = None,
) -> pd.DataFrame:
    """Return the table of `predict`.

    Args:
        classifier: the classifier.
        windows: n windows.
        probabilities: (n, C).
        top: number of classes to list.
        chosen: (n,) columns of the predicted classes; None: the most probable ones.
    """
    rows = np.arange(len(probabilities))
    classes = np.asarray(classifier.classes, dtype=object)
    order = np.argsort(-probabilities, axis=1, kind="stable")
    margin = margins(probabilities)
    if chosen is not None:
        # the predicted class first, the others by their score
        order = np.stack([[own, *others[others != own]] for own, others in zip(chosen, order, strict=True)])
        if len(classes) > 1:
            margin = probabilities[rows, chosen] - probabilities[rows[:, None], order[:, 1:]].max(axis=1)
    unknown = classifier.unknown(margin)
    columns: dict[str, Any] = {
        "start_s": windows.start_s,
        "end_s": windows.end_s,
        "label": classes[order[:, 0]],
        "score": probabilities[rows, order[:, 0]],
        "margin": margin,
        "unknown": pd.array([None] * len(rows) if unknown is None else unknown, dtype="boolean"),
    }
    for place in range(1, min(top, len(classes))):
        columns[f"label_{place + 1}"] = classes[order[:, place]]
        columns[f"score_{place + 1}"] = probabilities[rows, order[:, place]]
    return pd.DataFrame(columns)


def minutes_per_class(predictions: pd.DataFrame, step_s: float | None = None) -> dict[str, float]:
    """Return the minutes of each predicted class, unknown windows apart as `unknown`.

    Args:
        predictions: table of `predict`.
        step_s: time that a window counts for, s; None: its length.
    """
    length = predictions["end_s"] - predictions["start_s"] if step_s is None else step_s
    names = predictions["label"].mask(predictions["unknown"].fillna(False).astype(bool), "unknown")
    minutes = (pd.Series(length, index=predictions.index) / 60).groupby(names).sum()
    return {str(name): float(value) for name, value in minutes.sort_values(ascending=False).items()}
