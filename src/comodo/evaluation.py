"""What an encoder has learned: an SVM on its frozen features, with all labels or few."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import h5py
import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from comodo.anchors import unit
from comodo.config import EvaluationSettings
from comodo.metrics import per_class, top_k

Floats = NDArray[np.floating[Any]]

C_GRID: Final = tuple(10.0**power for power in range(-4, 5))
FOLDS: Final = 5
FEW_WINDOWS, FEW_PER_CLASS, FEW_C = 50, 5, 1e5  # below these the published protocol skips the search


@dataclass
class SvmModel:
    """An RBF SVM fitted on standardised features."""

    scaler: StandardScaler
    svm: SVC
    best_C: float
    classes: NDArray[Any]
    _train: tuple[Floats, NDArray[Any]]

    def decision_function(self, features: Floats) -> Floats:
        """One-vs-rest scores (N, C) of features (N, D), in the order of `classes`."""
        scores = self.svm.decision_function(self.scaler.transform(features))
        return np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores

    def predict_proba(self, features: Floats) -> Floats:
        """Platt-scaled probabilities (N, C), as published; their argmax can differ from the votes (FACTS below).

        Fits a second machine with libsvm's own five-fold calibration, as the published protocol does. Where C is
        tiny that calibration can rank classes upside down, so `decision_function` is the default ranking.
        """
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", FutureWarning
            )  # deprecated, but its replacement gives other numbers
            platt = SVC(C=self.best_C, gamma=self.svm.gamma, probability=True, random_state=0).fit(
                *self._train
            )
            return platt.predict_proba(self.scaler.transform(features))


def fit_svm(features: Floats, labels: NDArray[Any], max_windows: int = 10_000) -> SvmModel:
    """Fit the published SVM: RBF, gamma "scale", C from 1e-4 … 1e4 by five-fold accuracy.

    The search shares one matrix of squared distances between all C and folds: the same folds, gammas and
    scores as `GridSearchCV(SVC(), {"C": C_GRID}, cv=5)`, and the same winner (the first best C), much sooner.

    Args:
        features: (N, D); standardised inside.
        labels: (N,), any sortable type.
        max_windows: a larger train set is subsampled, stratified, with random state 0.

    Raises:
        ValueError: fewer than two classes.
    """
    features, labels = np.asarray(features, dtype=np.float64), np.asarray(labels)
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) < 2:
        raise ValueError(f"an SVM needs at least two classes, found {classes.tolist()}")
    if len(labels) > max_windows:
        split = StratifiedShuffleSplit(n_splits=1, train_size=max_windows, random_state=0)
        keep, _ = next(split.split(features, labels))
        features, labels = features[keep], labels[keep]
    scaler = StandardScaler().fit(features)
    scaled = scaler.transform(features)
    few = len(labels) < FEW_WINDOWS or counts.min() < FEW_PER_CLASS
    best_c = FEW_C if few else _search_c(scaled, labels)
    svm = SVC(C=best_c, gamma=_gamma(scaled)).fit(scaled, labels)
    return SvmModel(scaler, svm, best_c, classes, (scaled, labels))


def _gamma(scaled: Floats) -> float:
    """What scikit-learn calls gamma="scale"."""
    variance = float(scaled.var())
    return 1.0 / (scaled.shape[1] * variance) if variance else 1.0


def _search_c(scaled: Floats, labels: NDArray[Any]) -> float:
    norms = (scaled**2).sum(axis=1)
    squared = np.maximum(norms[:, None] + norms[None, :] - 2 * scaled @ scaled.T, 0)
    np.fill_diagonal(squared, 0)
    scores = np.zeros((len(C_GRID), FOLDS))
    for fold, (train, held_out) in enumerate(StratifiedKFold(FOLDS).split(scaled, labels)):
        gram = np.exp(-_gamma(scaled[train]) * squared[:, train])
        for row, c in enumerate(C_GRID):
            svm = SVC(C=c, kernel="precomputed").fit(gram[train], labels[train])
            scores[row, fold] = (svm.predict(gram[held_out]) == labels[held_out]).mean()
    return C_GRID[int(np.argmax(scores.mean(axis=1)))]


def draw_labels(clips: Sequence[str], labels: Sequence[str], per_class: int, seed: int) -> NDArray[np.int64]:
    """Rows of `per_class` windows of every class, drawn by a hash of seed and clip id.

    The draw depends on nothing else, so every experiment on a dataset sees the same labels whatever its row order.
    """
    order = np.argsort(
        [hashlib.sha256(f"{seed}:{clip}".encode()).hexdigest() for clip in clips], kind="stable"
    )
    own = np.asarray(labels, dtype=object)
    drawn = [order[own[order] == label][:per_class] for label in sorted(set(labels))]
    return np.sort(np.concatenate(drawn))


def evaluate_svm(
    train: tuple[Floats, Sequence[str], Sequence[str]],
    test: tuple[Floats, Sequence[str]],
    labels_per_class: Iterable[int | Literal["all"]],
    draws: int,
    max_windows: int,
) -> list[dict[str, Any]]:
    """Score features by SVMs: one result per entry of `labels_per_class` and scoring.

    Args:
        train: features (N, D), labels, clip ids.
        test: features (M, D), labels.
        labels_per_class: "all", or how many labelled windows of each class the SVM sees.
        draws: where labels are few, the mean over that many draws (seeds 0 … draws-1).
        max_windows: see `fit_svm`.

    Returns:
        Rows with labels_per_class, scoring ("decision"; with all labels also "platt"), top1, top3, top5, best_C,
        n_train, and for "all" the accuracy of each class and the confusion matrix (rows: truth).
    """
    features, labels, clips = unit(train[0]), np.asarray(train[1], dtype=object), train[2]
    test_features, test_labels = unit(test[0]), np.asarray(test[1], dtype=object)
    results: list[dict[str, Any]] = []
    for count in labels_per_class:
        if count == "all":
            model = fit_svm(features, labels, max_windows)
            scores = model.decision_function(test_features)
            predicted = model.classes[scores.argmax(axis=1)]
            results.append(
                {
                    "labels_per_class": "all",
                    "scoring": "decision",
                    "best_C": model.best_C,
                    "n_train": len(labels),
                }
                | top_k(scores, model.classes, test_labels)
                | per_class(test_labels, predicted, sorted({*labels, *test_labels}))
            )
            results.append(
                {
                    "labels_per_class": "all",
                    "scoring": "platt",
                    "best_C": model.best_C,
                    "n_train": len(labels),
                }
                | top_k(model.predict_proba(test_features), model.classes, test_labels)
            )
            continue
        scored = []
        for draw in range(draws):
            rows = draw_labels(clips, labels.tolist(), count, draw)
            model = fit_svm(features[rows], labels[rows], max_windows)
            scored.append(top_k(model.decision_function(test_features), model.classes, test_labels))
        mean = {key: float(np.mean([score[key] for score in scored])) for key in scored[0]}
        results.append(
            {"labels_per_class": count, "scoring": "decision", "n_train": len(rows), "draws": scored} | mean
        )
    return results


def score_svm(features: Path, settings: EvaluationSettings) -> dict[str, Any]:
    """Accuracy on test of SVMs that saw all train labels, or few."""
    with h5py.File(features, "r") as file:
        train, test = file["train"], file["test"]
        labels = test["label"].asstr()[:]
        results = evaluate_svm(
            (train["feature"][:], train["label"].asstr()[:].tolist(), train["clip"].asstr()[:].tolist()),
            (test["feature"][:], labels.tolist()),
            settings.labels_per_class,
            settings.label_draws,
            settings.max_train_windows,
        )
        return {"n_test": len(labels), "n_classes": len(set(train["label"].asstr()[:])), "results": results}
