"""Protocol `svm`: accuracy of an SVM on frozen features, with all labels or few."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from comodo.clips.sampling import draw_labels
from comodo.config import EvaluationSettings
from comodo.embeddings.ranking import TOP_K, unit
from comodo.errors import DataError
from comodo.evaluate.identity import features_id
from comodo.evaluate.metrics import CLASS_SCORES, per_class
from comodo.evaluate.results import Result, Scores, result_of, scores_on
from comodo.storage.artefacts import open_hdf5

Floats = NDArray[np.floating[Any]]
C_GRID: Final = tuple(10.0**power for power in range(-4, 5))
FOLDS: Final = 5
FEW_WINDOWS, FEW_PER_CLASS, FEW_C = (
    50,
    5,
    1e5,
)  # below these limits, the published protocol does not search for C


@dataclass
class SvmModel:
    """RBF SVM fitted to standardised features.

    Kernel matrices are precomputed with BLAS, because libsvm's own kernel takes minutes at 10,000 × 3072.
    """

    scaler: StandardScaler
    svm: SVC  # with a precomputed kernel
    best_C: float
    gamma: float
    classes: NDArray[Any]
    _train: tuple[Floats, NDArray[Any]]  # scaled rows, labels

    def kernel(self, features: Floats) -> Floats:
        """Return the kernel matrix (N, train windows) of features (N, D), the input of `svm`."""
        return _rbf(_squared_distances(self.scaler.transform(features), self._train[0]), self.gamma)

    def decision_function(self, features: Floats) -> Floats:
        """Return one-vs-rest scores (N, C) of features (N, D), in the order of `classes`."""
        scores = self.svm.decision_function(self.kernel(features))
        return np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores

    def predict_proba(self, features: Floats) -> Floats:
        """Return Platt-scaled probabilities (N, C), as published; their argmax can differ from the votes.

        A second SVM is fitted with libsvm's own five-fold calibration, as in the published protocol. If C is very
        small, this calibration can invert the ranking of classes. `decision_function` is therefore the default ranking.
        """
        rows, labels = self._train
        platt = SVC(C=self.best_C, kernel="precomputed", probability=True, random_state=0)
        with warnings.catch_warnings():
            # deprecated, but its replacement gives different values
            warnings.simplefilter("ignore", FutureWarning)
            platt.fit(_rbf(_squared_distances(rows, rows), self.gamma), labels)
            return platt.predict_proba(self.kernel(features))


def fit_svm(features: Floats, labels: NDArray[Any], max_windows: int = 10_000, threads: int = 1) -> SvmModel:
    """Fit the published SVM: RBF kernel, gamma "scale", and C from 1e-4 … 1e4 by five-fold cross-validation.

    All C and folds share one matrix of squared distances. Folds, gammas, scores and the selected C are the same as
    those of `GridSearchCV(SVC(), {"C": C_GRID}, cv=5)`, but the search is much faster.

    Args:
        features: (N, D), not standardised.
        labels: (N,), of any sortable type.
        max_windows: maximum number of train windows. A larger set is subsampled, stratified, with random state 0.
        threads: number of values of C that are evaluated in parallel.

    Raises:
        DataError: if there are fewer than two classes, or the train set cannot be subsampled.
    """
    features, labels = np.asarray(features, dtype=np.float64), np.asarray(labels)
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) < 2:
        raise DataError(f"an SVM needs at least two classes, found {classes.tolist()}")
    if len(labels) > max_windows:
        if counts.min() < 2 or max_windows < len(classes):
            rare = classes[counts.argmin()]
            raise DataError(
                f"{len(labels)} train windows must be subsampled to {max_windows}, but class {rare!r} has "
                f"{counts.min()}: raise evaluation.max_train_windows, or remove the class"
            )
        split = StratifiedShuffleSplit(n_splits=1, train_size=max_windows, random_state=0)
        keep, _ = next(split.split(features, labels))
        features, labels = features[keep], labels[keep]
    scaler = StandardScaler().fit(features)
    scaled = scaler.transform(features)
    squared = _squared_distances(scaled, scaled)
    few = len(labels) < FEW_WINDOWS or counts.min() < FEW_PER_CLASS
    best_c = FEW_C if few else _search_c(scaled, squared, labels, threads)
    gamma = _gamma(scaled)
    svm = SVC(C=best_c, kernel="precomputed").fit(_rbf(squared, gamma), labels)
    return SvmModel(scaler, svm, best_c, gamma, classes, (scaled, labels))


def _gamma(scaled: Floats) -> float:
    """Return gamma as scikit-learn does for gamma="scale"."""
    variance = float(scaled.var())
    return 1.0 / (scaled.shape[1] * variance) if variance else 1.0


def _squared_distances(rows: Floats, others: Floats) -> Floats:
    """Return squared Euclidean distances (N, M) of rows (N, D) to others (M, D), exactly 0 from a row to itself."""
    squared: Floats = rows @ others.T
    squared *= -2
    squared += (rows**2).sum(axis=1)[:, None]
    squared += (others**2).sum(axis=1)
    np.maximum(squared, 0, out=squared)
    if rows is others:
        np.fill_diagonal(squared, 0)
    return squared


def _rbf(squared: Floats, gamma: float) -> Floats:
    """Convert squared distances to the kernel in place, because they take 800 MB for 10,000 windows."""
    squared *= -gamma
    return np.exp(squared, out=squared)


def _search_c(scaled: Floats, squared: Floats, labels: NDArray[Any], threads: int) -> float:
    scores = np.zeros((len(C_GRID), FOLDS))
    with ThreadPoolExecutor(threads) as pool:  # libsvm releases the GIL
        for fold, (train, held_out) in enumerate(StratifiedKFold(FOLDS).split(scaled, labels)):
            gamma = _gamma(scaled[train])
            known, asked = (_rbf(squared[np.ix_(rows, train)], gamma) for rows in (train, held_out))

            def score(c: float, own: Any = (known, asked, train, held_out)) -> float:
                known, asked, train, held_out = own
                svm = SVC(C=c, kernel="precomputed").fit(known, labels[train])
                return float((svm.predict(asked) == labels[held_out]).mean())

            scores[:, fold] = list(pool.map(score, C_GRID))
    return C_GRID[int(np.argmax(scores.mean(axis=1)))]


def evaluate_svm(
    train: tuple[Floats, Sequence[str], Sequence[str]],
    test: tuple[Floats, Sequence[str], Sequence[str]],
    labels_per_class: Iterable[int | Literal["all"]],
    draws: int,
    max_windows: int,
    threads: int = 1,
) -> list[Result]:
    """Score features by SVMs, with one result per entry of `labels_per_class` and scoring.

    Args:
        train: features (N, D), labels, clip ids.
        test: features (M, D), labels, recordings.
        labels_per_class: "all", or the number of labelled windows per class to fit.
        draws: number of draws of few labels, with seeds 0 … draws-1. The result is their mean.
        max_windows: see `fit_svm`.
        threads: see `fit_svm`.

    Returns:
        Results with the scoring "decision", and for "all" also "platt". Both results for "all" have best_C. That of
        "decision" also has the accuracy of each class and the confusion matrix.
    """
    features, labels, clips = unit(train[0]), np.asarray(train[1], dtype=object), train[2]
    test_features, test_labels = unit(test[0]), np.asarray(test[1], dtype=object)
    against = (test_labels, np.asarray(test[2]))
    results = []
    for count in labels_per_class:
        if count == "all":
            model = fit_svm(features, labels, max_windows, threads)
            about: dict[str, Any] = {
                "labels_per_class": "all",
                "best_C": model.best_C,
                "n_train": len(labels),
            }
            scores = model.decision_function(test_features)
            predicted = model.classes[scores.argmax(axis=1)]
            each = per_class(test_labels, predicted, sorted({*labels, *test_labels}))
            result = result_of(scores, model.classes, *against, scoring="decision", **about)
            results.append(result.model_copy(update=each))
            platt = model.predict_proba(test_features)
            results.append(result_of(platt, model.classes, *against, scoring="platt", **about))
            continue
        drawn = []
        for draw in range(draws):
            rows = draw_labels(clips, labels.tolist(), count, draw)
            model = fit_svm(features[rows], labels[rows], max_windows, threads)
            scores = model.decision_function(test_features)
            drawn.append(
                result_of(scores, model.classes, *against, labels_per_class=count, scoring="decision")
            )
        results.append(_mean_of_draws(drawn, len(rows)))
    return results


def _mean_of_draws(drawn: Sequence[Result], n_train: int) -> Result:
    """Return the mean of the results of several draws of labels; a score undefined in one of them has no mean."""
    names = [*(f"top{k}" for k in TOP_K), *CLASS_SCORES]
    each = [{key: result[key] for key in names if result[key] is not None} for result in drawn]
    mean = {
        key: float(np.mean([figures[key] for figures in each]))
        if all(key in figures for figures in each)
        else None
        for key in names
    }
    hits = np.mean([result.hits for result in drawn], axis=0).tolist()
    return drawn[0].model_copy(update={**mean, "hits": hits, "n_train": n_train, "draws": each})


def score_svm(features: Path, settings: EvaluationSettings, threads: int = 1) -> Scores:
    """Score the test split of a feature file by SVMs fitted with all train labels or few."""
    with open_hdf5(features) as file:
        train, test = file["train"], file["test"]
        train_labels, train_clips = (train[name].asstr()[:].tolist() for name in ("label", "clip"))
        labels, recordings = (test[name].asstr()[:].tolist() for name in ("label", "recording"))
        results = evaluate_svm(
            (train["feature"][:], train_labels, train_clips),
            (test["feature"][:], labels, recordings),
            settings.labels_per_class,
            settings.label_draws,
            settings.max_train_windows,
            threads,
        )
        identity = features_id(file)
    return scores_on(recordings, train_labels, results, identity)
