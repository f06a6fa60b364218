"""The score file of a protocol (JSON), and its rows: one type for all protocols, written and read here alone."""

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
from comodo.evaluate.metrics import hits_by_recording
from comodo.storage.files import json_digest, write_json
from comodo.storage.regular import read_bytes

SCORINGS: Final = {"anchors": {*ANCHOR_RULES}, "head": {"head"}, "svm": {"decision", "platt"}}
"""How each protocol ranks classes."""


class _Row(BaseModel):
    """Fields by name, as in the dicts of the first version: `result["top1"]`."""

    model_config = ConfigDict(extra="forbid")

    def __getitem__(self, field: str) -> Any:
        return getattr(self, field)


class Result(_Row):
    """One way to score an encoder on the test split.

    Attributes:
        labels_per_class: labelled train windows of each class that the protocol used; 0: zero-shot.
        scoring: how classes were ranked: an anchor rule, `decision`, `platt` or `head`.
        top1, top3, top5: accuracy, fractions.
        hits: windows whose top-1 is right, for each test recording in sorted order; a mean over draws.
        n_train: labelled windows in all.
        best_C: of an SVM, where it was searched.
        draws: accuracies of each draw of labels.
        classes, class_accuracy, confusion: accuracy of each class and the confusion matrix (rows: truth).
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


class Scores(_Row):
    """A score file: the results of one protocol for one encoder on one dataset.

    Attributes:
        n_test: test windows.
        n_classes: classes; their inverse is the chance level.
        recordings: test recordings, sorted.
        windows: test windows of each.
        results: one row per number of labels and scoring.
        features: digest of the features that were scored; None for a file of the first version.
        checksum: of all of the above.
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
            raise ValueError("its numbers of windows disagree")
        for result in self.results:
            if len(result.hits) != len(self.windows):
                raise ValueError("its hits are of other recordings")
            if abs(sum(result.hits) - result.top1 * self.n_test) > 1e-6 * max(1, self.n_test):
                raise ValueError("its accuracy disagrees with its hits")
        return self

    def content(self) -> str:
        """Return a digest of everything but the checksum."""
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
    """Return the row of scores (N, C), C in the order of `classes`, against labels (N,) of recordings (N,)."""
    hits = hits_by_recording(scores, classes, labels, recordings)
    figures: dict[str, Any] = {**top_k(scores, classes, labels), "hits": hits, **more}
    return Result(labels_per_class=labels_per_class, scoring=scoring, **figures)


def scores_on(
    recordings: Sequence[str],
    classes: Sequence[str],
    results: Sequence[Result],
    features: str | None = None,
) -> Scores:
    """Return the content of a score file.

    Args:
        recordings: (N,) of the test windows.
        classes: with or without repeats.
        results: one row per number of labels and scoring.
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
    """Write a score file whole or not at all, with its checksum."""
    signed = scores.model_copy(update={"checksum": scores.content()})
    write_json(signed.model_dump(mode="json", exclude_none=True), path)


def read_scores(path: Path, protocol: str | None = None) -> Scores:
    """Read a score file, of a protocol where one is given.

    Raises:
        DamageError: it holds something else, or was edited.
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
        raise DamageError(path, "its content has another checksum than was written")
    return scores
