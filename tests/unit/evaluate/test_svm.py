from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from comodo.embeddings.ranking import top_k, unit
from comodo.errors import DataError
from comodo.evaluate.svm import C_GRID, evaluate_svm, fit_svm

RECORDINGS = [f"r{number // 4}" for number in range(40)]


def blobs(n: int, dim: int, classes: int, spread: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    return generator.normal(size=(classes, dim))[labels] + spread * generator.normal(size=(n, dim)), labels


def test_published_protocol(golden: Path) -> None:
    """The published search, decision values, and Platt's probabilities that rank them upside down."""
    figures = np.load(golden / "svm_protocol.npz")
    model = fit_svm(figures["train_x"], figures["train_y"])
    assert model.best_C == figures["best_C"]
    assert model.gamma == pytest.approx(float(figures["gamma"]), abs=1e-12)
    np.testing.assert_allclose(model.decision_function(figures["test_x"]), figures["decision"], atol=1e-5)
    probabilities = model.predict_proba(figures["test_x"])
    np.testing.assert_allclose(probabilities, figures["proba"], atol=1e-5)
    platt = top_k(probabilities, model.classes, figures["test_y"])
    np.testing.assert_allclose([platt["top1"], platt["top3"], platt["top5"]], figures["acc"], atol=1e-9)
    votes = model.classes[model.decision_function(figures["test_x"]).argmax(axis=1)]
    assert (votes == figures["test_y"]).mean() > 0.9


@settings(max_examples=6, deadline=None)
@given(
    n=st.integers(60, 120),
    dim=st.integers(2, 12),
    classes=st.integers(2, 4),
    spread=st.floats(0.5, 3),
    seed=st.integers(0, 1000),
)
def test_search_finds_what_scikit_learn_finds(
    n: int, dim: int, classes: int, spread: float, seed: int
) -> None:
    features, labels = blobs(n, dim, classes, spread, seed)
    scaled = StandardScaler().fit_transform(features)
    search = GridSearchCV(SVC(), {"C": list(C_GRID)}, cv=5).fit(scaled, labels)
    model = fit_svm(features, labels)
    assert model.best_C == search.best_params_["C"]
    np.testing.assert_array_equal(model.svm.predict(model.kernel(features)), search.predict(scaled))


def test_few_windows_skip_the_search() -> None:
    features, labels = blobs(30, 4, 3, 1.0, 0)
    assert fit_svm(features, labels).best_C == 1e5


def test_large_train_set_is_subsampled() -> None:
    features, labels = blobs(400, 4, 2, 1.0, 0)
    model = fit_svm(features, labels, max_windows=100)
    assert model.svm.shape_fit_ == (100, 100)


def test_two_classes_have_two_scores_and_one_class_is_refused() -> None:
    features, labels = blobs(80, 3, 2, 0.3, 1)
    model = fit_svm(features, labels)
    scores = model.decision_function(features)
    assert scores.shape == (80, 2)
    assert top_k(scores, model.classes, labels)["top1"] > 0.9
    with pytest.raises(ValueError, match="two classes"):
        fit_svm(features, np.zeros(80))


def test_protocol_rows() -> None:
    features, labels = blobs(160, 6, 4, 0.8, 2)
    names = np.array(list("abcd"), dtype=object)[labels]
    clips = [f"c{number}" for number in range(120)]
    train = (features[:120], names[:120].tolist(), clips)
    rows = evaluate_svm(
        train, (features[120:], names[120:].tolist(), RECORDINGS), [1, 5, "all"], draws=3, max_windows=1000
    )
    assert [(row.labels_per_class, row.scoring) for row in rows] == [
        (1, "decision"),
        (5, "decision"),
        ("all", "decision"),
        ("all", "platt"),
    ]
    assert rows[0].n_train == 4
    assert len(rows[0].draws) == 3
    assert rows[0].top1 == pytest.approx(np.mean([draw["top1"] for draw in rows[0].draws]))
    assert rows[0].kappa == pytest.approx(np.mean([draw["kappa"] for draw in rows[0].draws]))
    assert rows[2].balanced_accuracy == pytest.approx(np.mean(rows[2].class_accuracy))
    assert np.sum(rows[2].confusion) == 40
    assert rows[2].top1 == pytest.approx(np.trace(rows[2].confusion) / 40)
    for row in rows:
        assert len(row.hits) == 10
        assert sum(row.hits) / 40 == pytest.approx(row.top1)
    assert all(row.top1 <= row.top3 <= row.top5 <= 1 for row in rows)


def test_each_scoring_ranks_by_its_own_scores() -> None:
    features, labels = blobs(240, 6, 6, 2.0, 5)
    names = np.array(list("abcdef"), dtype=object)[labels]
    clips = [f"c{number}" for number in range(120)]
    rows = evaluate_svm(
        (features[:120], names[:120].tolist(), clips),
        (features[120:], names[120:].tolist(), clips),
        ["all"],
        1,
        1000,
    )
    model = fit_svm(unit(features[:120]), names[:120])
    test = unit(features[120:])
    decision, platt = (
        top_k(s, model.classes, names[120:])
        for s in (model.decision_function(test), model.predict_proba(test))
    )
    assert decision != platt
    assert [{key: getattr(row, key) for key in decision} for row in rows] == [decision, platt]


def test_a_class_too_rare_to_subsample_is_named() -> None:
    features, labels = blobs(300, 4, 2, 1.0, 0)
    labels[0] = 7
    with pytest.raises(DataError, match=r"class .*7.* has 1: raise evaluation.max_train_windows"):
        fit_svm(features, labels, max_windows=100)
