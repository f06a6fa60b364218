from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from comodo.embeddings.ranking import top_k
from comodo.evaluate.metrics import class_scores, per_class


def test_top_k_counts_unknown_labels_as_wrong() -> None:
    scores = np.array([[0.1, 0.5, 0.4], [0.9, 0.05, 0.05], [0.2, 0.3, 0.5], [0.1, 0.2, 0.7]])
    classes = np.array(["a", "b", "c"])
    result = top_k(scores, classes, np.array(["c", "a", "a", "unseen"]))
    assert result == {"top1": 0.25, "top3": 0.75, "top5": 0.75}


def test_per_class() -> None:
    truth, predicted = np.array(["a", "a", "b", "c"]), np.array(["a", "b", "b", "a"])
    result = per_class(truth, predicted, ["a", "b", "c", "d"])
    assert result["class_accuracy"] == [0.5, 1.0, 0.0, 0.0]
    assert result["confusion"] == [[1, 1, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]


def test_scores_over_classes() -> None:
    """Recalls 3/4, 1/2; precisions 3/4, 1/2: F1 alike; agreement 4/6 against 20/36 by chance."""
    truth, predicted = np.array(list("aaaabb"), dtype=object), np.array(list("aaabba"), dtype=object)
    assert class_scores(truth, predicted) == {
        "macro_f1": pytest.approx(0.625),
        "balanced_accuracy": pytest.approx(0.625),
        "kappa": pytest.approx((4 / 6 - 20 / 36) / (1 - 20 / 36)),
    }


@pytest.mark.filterwarnings("error")
def test_classes_that_are_only_true_or_only_predicted() -> None:
    """b is never predicted and counts as 0; c has no test windows: it is no class of the means, only a wrong answer."""
    truth, predicted = np.array(["a", "a", "b", "b"]), np.array(["a", "c", "a", "c"])
    found = class_scores(truth, predicted)
    assert found["balanced_accuracy"] == pytest.approx((1 / 2 + 0) / 2)
    assert found["macro_f1"] == pytest.approx((1 / 2 + 0) / 2)  # a: one right, one missed, one too many
    assert found["kappa"] == pytest.approx((1 / 4 - 1 / 4) / (1 - 1 / 4))


def test_balanced_accuracy_is_that_of_scikit_learn() -> None:
    truth, predicted = np.random.default_rng(0).choice(list("abcd"), (2, 50))
    expected = balanced_accuracy_score(truth, predicted)
    assert class_scores(truth, predicted)["balanced_accuracy"] == pytest.approx(expected)


@pytest.mark.filterwarnings("error")
def test_kappa_of_one_class_is_undefined() -> None:
    only = np.array(["a", "a"])
    assert class_scores(only, only) == {"macro_f1": 1.0, "balanced_accuracy": 1.0, "kappa": None}
