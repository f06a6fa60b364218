from __future__ import annotations

import numpy as np

from comodo.embeddings.ranking import top_k
from comodo.evaluate.metrics import per_class


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
