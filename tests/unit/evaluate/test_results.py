"""The score file: one row type for all protocols."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from comodo.errors import DamageError
from comodo.evaluate.results import read_scores, result_of, scores_on, write_scores
from comodo.storage.files import json_digest

RECORDINGS = np.array(["b", "a", "b"], dtype=object)
LABELS = np.array(["x", "y", "y"], dtype=object)


def test_scores_are_read_as_they_were_written(tmp_path: Path) -> None:
    ranked = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
    row = result_of(ranked, np.array(["x", "y"]), LABELS, RECORDINGS, labels_per_class="all", scoring="head")
    assert (row.top1, row.top3, row.hits) == (2 / 3, 1.0, [1, 1])
    # y: one of two found, never wrong; x: found, once wrong
    assert (row.macro_f1, row.balanced_accuracy, row.kappa) == pytest.approx((2 / 3, 3 / 4, 0.4))
    scores = scores_on(RECORDINGS, LABELS, [row])
    assert (scores.n_test, scores.n_classes, scores.recordings, scores.windows) == (3, 2, ["a", "b"], [1, 2])
    write_scores(scores, tmp_path / "head.json")
    found = read_scores(tmp_path / "head.json")
    assert found.model_copy(update={"checksum": None}) == scores
    stored = json.loads((tmp_path / "head.json").read_text())["results"][0]
    assert stored.keys() == {
        "labels_per_class",
        "scoring",
        "top1",
        "top3",
        "top5",
        "hits",
        "macro_f1",
        "balanced_accuracy",
        "kappa",
    }  # no empty columns


def test_files_without_the_scores_over_classes_are_read(tmp_path: Path) -> None:
    """As versions before 0.2.0 wrote them, with their checksum."""
    row = {"labels_per_class": 0, "scoring": "mean", "top1": 0.5, "top3": 1.0, "top5": 1.0, "hits": [1, 0]}
    content = {"n_test": 2, "n_classes": 2, "recordings": ["a", "b"], "windows": [1, 1], "results": [row]}
    signed = content | {"checksum": json_digest(content)}
    (tmp_path / "anchors.json").write_text(json.dumps(signed))
    found = read_scores(tmp_path / "anchors.json", "anchors").results[0]
    assert (found.top1, found.macro_f1, found.balanced_accuracy, found.kappa) == (0.5, None, None, None)


@pytest.mark.parametrize("content", ["", "[]", '{"n_test": 3}', '{"results": [{"top9": 1}]}'])
def test_a_file_of_something_else_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "svm.json").write_text(content)
    with pytest.raises(DamageError, match=r"svm\.json is damaged or not whole"):
        read_scores(tmp_path / "svm.json")


def test_rows_are_read_like_the_dicts_of_the_first_version() -> None:
    ranked = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
    row = result_of(ranked, np.array(["x", "y"]), LABELS, RECORDINGS, labels_per_class="all", scoring="head")
    assert row["top1"] == row.top1
    assert scores_on(RECORDINGS, LABELS, [row])["results"][0]["scoring"] == "head"


@pytest.mark.parametrize(
    ("field", "value"),
    [("n_test", 4), ("windows", [2, 2]), ("recordings", ["a"]), ("top1", 0.9), ("hits", [1, 0])],
)
def test_an_edited_score_file_is_refused(field: str, value: object, tmp_path: Path) -> None:
    ranked = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
    row = result_of(ranked, np.array(["x", "y"]), LABELS, RECORDINGS, labels_per_class="all", scoring="head")
    write_scores(scores_on(RECORDINGS, LABELS, [row]), tmp_path / "head.json")
    content = json.loads((tmp_path / "head.json").read_text())
    (content["results"][0] if field in ("top1", "hits") else content)[field] = value
    (tmp_path / "head.json").write_text(json.dumps(content))
    with pytest.raises(DamageError, match=r"head\.json is damaged or not whole"):
        read_scores(tmp_path / "head.json")
