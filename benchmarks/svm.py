"""The SVM with its search for C."""

from __future__ import annotations

import resource
import sys
import warnings

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import Bench, Row, absolute, compare, seconds

CEILING_GB = 6.0


def blobs(windows: int, width: int, classes: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Features of overlapping classes, correlated as an encoder's are."""
    draw = np.random.default_rng(0)
    labels = np.arange(windows) % classes
    hidden = 0.4 * draw.standard_normal((classes, 48))[labels] + draw.standard_normal((windows, 48))
    rows = hidden @ draw.standard_normal((48, width)) + 2 * draw.standard_normal((windows, width))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), labels


def search(bench: Bench) -> list[Row]:
    """Our search against scikit-learn's; that one runs once, as it takes minutes."""
    from sklearn.model_selection import GridSearchCV
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    from comodo.evaluate.svm import C_GRID, fit_svm

    rows, labels = blobs(2000, 1536, 8)
    fit_svm(rows[:200], labels[:200])  # whatever is imported late
    models = []
    own = [
        seconds(lambda: models.append(fit_svm(rows, labels, threads=bench.cores)))
        for _ in range(bench.repeats)
    ]
    scaled = StandardScaler().fit_transform(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = GridSearchCV(SVC(probability=True), {"C": list(C_GRID)}, cv=5, n_jobs=bench.cores)
        once = seconds(lambda: peer.fit(scaled, labels))
    model, other = models[-1], peer.best_estimator_
    agree = model.best_C == peer.best_params_["C"] and np.allclose(
        model.decision_function(rows[:500]), other.decision_function(scaled[:500]), atol=1e-6
    )
    row = compare(
        "SVM with its search, 2000 × 1536, 8 classes",
        [(once_own, once) for once_own in own],
        "GridSearchCV(SVC(probability=True)), cv=5, once",
        note=f"C = {model.best_C:g} and decisions {'the same' if agree else 'DIFFER'}",
    )
    row.ratio, row.low, row.high = 1 / row.ratio, 1 / row.high, 1 / row.low  # type: ignore[operator]
    row.target, row.met = "≥ 80× faster", row.ratio >= 80 and agree
    return [row]


def large(bench: Bench) -> list[Row]:
    """The full size: 10,000 windows of MOMENT's width; once, as it takes minutes."""
    from comodo.evaluate.svm import fit_svm

    rows, labels = blobs(10_000, 3072, 32)
    took = seconds(lambda: fit_svm(rows, labels, threads=bench.cores))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "linux" else 1e9)
    result = [
        absolute("SVM with its search, 10,000 × 3072, 32 classes", [took], "s", 300.0),
        absolute("its peak memory", [peak], "GB", CEILING_GB),
    ]
    result[0].rates = {"svm_core_s": took * bench.cores}
    return result
