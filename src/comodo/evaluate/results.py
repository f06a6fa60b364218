"""Score files (JSON): one data type for all protocols, and the functions to write and read them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from comodo.embeddings.anchors import ANCHOR_RULES
from comodo.embeddings.ranking import top_k
from comodo.errors import DamageError
from comodo.evaluate.metrics import class_scores, hits_by_recording
from comodo.storage.files import json_digest, write_json
from comodo.storage.regular import read_bytes

SCORINGS: Final = {"anchors": {*ANCHOR_RULES}, "head": {"head"}, "svm": {"decision", "platt"}}
"""Scorings of each protocol: the ways it ranks classes."""


class _Row(BaseModel):
    """Base model with access to fields by name, `result["top1"]`, like the dicts of comodo 0.1."""

    model_config = ConfigDict(extra="forbid")

    def __getitem__(self, field: str) -> Any:
        return getattr(self, field)


class Result(_Row):
    """Result of one scoring of an encoder on the test split.

    Attributes:
        labels_per_class: number of labelled train windows per class; 0: zero-shot.
        scoring: ranking of the classes: an anchor rule, `decision`, `platt` or `head`.
        top1: top-1 accuracy, as a fraction.
        top3: top-3 accuracy.
        top5: top-5 accuracy.
        hits: number of correct top-1 windows per test recording, in sorted order; a mean over draws.
        n_train: total number of labelled windows.
        best_C: C of an SVM with all labels.
        draws: scores of each draw of labels, from `top1` to `kappa`.
        classes: classes, in the order of `class_accuracy` and `confusion`.
        class_accuracy: accuracy of each class.
        confusion: confusion matrix (rows: truth).
        macro_f1: mean F1 over the classes with test windows; None in files of earlier versions.
        balanced_accuracy: mean recall over the classes with test windows; None in files of earlier versions.
        kappa: Cohen's kappa; None if undefined (one class only), and in files of earlier versions.
    """

    labels_per_class: int | Literal["all"]
    scoring: str
    top1: float
    top3: float
    top5: float
    hits: list[int | float]
    n_train: int | None = None
    best_C: float | None = None
    draws: list[dict[str, float]] | None = None
    classes: list[str] | None = None
    class_accuracy: list[float] | None = None
    confusion: list[list[int]] | None = None
    macro_f1: float | None = None
    balanced_accuracy: float | None = None
    kappa: float | None = None


class Scores(_Row):
    """Content of a score file: the results of one protocol for one encoder on one dataset.

    Attributes:
        n_test: number of test windows.
        n_classes: number of classes; the chance level is 1 / n_classes.
        recordings: test recordings, sorted.
        windows: number of test windows per recording.
        results: one result per number of labels and scoring.
        features: digest of the scored features; None for a file of comodo 0.1.
        checksum: checksum of all other fields.
    """

    n_test: int
    n_classes: int
    recordings: list[str]
    windows: list[int]
    results: list[Result]
    features: str | None = None
    checksum: str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Scores:
        if sum(self.windows) != self.n_test or len(self.windows) != len(self.recordings):
            raise ValueError("its numbers of windows are inconsistent")
        for result in self.results:
            if len(result.hits) != len(self.windows):
                raise ValueError("its numbers of hits and recordings differ")
            if abs(sum(result.hits) - result.top1 * self.n_test) > 1e-6 * max(1, self.n_test):
                raise ValueError("its accuracy is inconsistent with its hits")
        return self

    def content(self) -> str:
        """Return a digest of all fields except the checksum."""
        return json_digest(self.model_dump(mode="json", exclude={"checksum"}, exclude_none=True))


def result_of(
    scores: NDArray[Any],
    classes: NDArray[Any],
    labels: NDArray[Any],
    recordings: NDArray[Any],
    *,
    labels_per_class: int | Literal["all"],
    scoring: str,
    **more: Any,
) -> Result:
    """Return the result of scores (N, C), C in the order of `classes`, for labels (N,) of recordings (N,)."""
    hits = hits_by_recording(scores, classes, labels, recordings)
    figures: dict[str, Any] = {**top_k(scores, classes, labels), "hits": hits, **more}
    figures |= class_scores(labels, classes[scores.argmax(axis=1)])
    return Result(labels_per_class=labels_per_class, scoring=scoring, **figures)


def scores_on(
    recordings: Sequence[str],
    classes: Sequence[str],
    results: Sequence[Result],
    features: str | None = None,
) -> Scores:
    """Return the content of a score file.

    Args:
        recordings: (N,), recordings of the test windows.
        classes: classes, possibly with duplicates.
        results: one result per number of labels and scoring.
        features: digest of the features (`comodo.evaluate.identity`).
    """
    names, windows = np.unique(np.asarray(recordings).astype(str), return_counts=True)
    return Scores(
        n_test=len(recordings),
        n_classes=len(set(classes)),
        recordings=names.tolist(),
        windows=windows.tolist(),
        results=list(results),
        features=features,
    )


def write_scores(scores: Scores, path: Path) -> None:
    """Write a score file atomically, with its checksum."""
    signed = scores.model_copy(update={"checksum": scores.content()})
    write_json(signed.model_dump(mode="json", exclude_none=True), path)


def read_scores(path: Path, protocol: str | None = None) -> Scores:
    """Read a score file.

    Args:
        path: the file.
        protocol: its protocol; None: any.

    Raises:
        DamageError: if the file is not a score file of the protocol, or its checksum does not match.
    """
    try:
        scores = Scores.model_validate_json(read_bytes(path))
    except ValidationError as error:
        raise DamageError(path, error.errors()[0]["msg"]) from None
    except OSError as error:
        raise DamageError(path, error.strerror) from None
    if protocol is not None and not {result.scoring for result in scores.results} <= SCORINGS[protocol]:
        raise DamageError(path, f"its scores are not of protocol {protocol}")
    if scores.checksum is not None and scores.checksum != scores.content():
        raise DamageError(path, "checksum mismatch")
    return scores
