"""Fit a head to few labelled windows, and store it with the student."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from comodo.deploy.fitted import KINDS, fit_logistic, fit_support_vectors, head_of, save_fitted
from comodo.errors import DataError
from comodo.layouts.segments import SLACK_S
from comodo.models.about import Calibration
from comodo.models.calibration import calibrate
from comodo.models.card import CARD, model_card
from comodo.models.distilled import load_distilled
from comodo.recordings.signal import ImuSignal
from comodo.storage.artefacts import SUMS, write_sums
from comodo.storage.files import atomic
from comodo.storage.regular import open_text

LABEL_COLUMNS: Final = ("file", "start_s", "end_s", "label")
FOLDS: Final = 5


@dataclass(frozen=True)
class Labelled:
    """Labelled windows.

    Attributes:
        features: (n, dim) float32.
        labels: (n,).
        groups: (n,), windows of one group are never in two folds: the segment or recording.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.object_]
    groups: NDArray[np.int64]


def read_labels(path: Path) -> pd.DataFrame:
    """Read labelled segments: file, start_s, end_s (s after the start of the recording) and label.

    Raises:
        DataError: if a column is missing, a row has no label or no time, or segments of a file overlap. The message
            names the row.
    """
    try:
        with open_text(path) as file:
            table = pd.read_csv(file, dtype={"file": str, "label": str}, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as a csv of labels: {error}") from None
    if missing := [name for name in LABEL_COLUMNS if name not in table]:
        raise DataError(f"{path}: no column {missing[0]!r}; expected {', '.join(LABEL_COLUMNS)}")
    for name in ("start_s", "end_s"):
        table[name] = pd.to_numeric(table[name], errors="coerce")
    for row, (file, start, end, label) in enumerate(
        table[list(LABEL_COLUMNS)].itertuples(index=False), start=2
    ):
        if not str(label).strip() or not str(file).strip():
            raise DataError(f"{path}, row {row}: file or label is empty")
        if not 0 <= start < end:
            raise DataError(
                f"{path}, row {row}: start_s must be from 0 on and less than end_s: {start:g}, {end:g}"
            )
    in_time = table.sort_values(["file", "start_s"])
    overlaps = (in_time["file"] == in_time["file"].shift()) & (
        in_time["start_s"] < in_time["end_s"].shift() - SLACK_S
    )
    for row in in_time.index[overlaps]:
        raise DataError(
            f"{path}, row {row + 2}: the segment from {table.loc[row, 'start_s']:g} s overlaps another one of "
            f"{table.loc[row, 'file']}: correct their times"
        )
    return table


def segments_of(labels: pd.DataFrame, recording: Path, others: Collection[str] = ()) -> pd.DataFrame:
    """Return the segments of a recording: those with its path or, if there are none, those with its file name.

    Args:
        labels: table of `read_labels`.
        recording: its file.
        others: paths of other recordings; segments with such a path are theirs.
    """
    own = labels["file"] == str(recording)
    if not own.any():
        own = (
            labels["file"]
            .map(lambda name: name not in others and Path(name).name == recording.name)
            .astype(bool)
        )
    return labels[own]


def labelled_windows(
    signal: ImuSignal, segments: pd.DataFrame, clip_s: float | None
) -> list[tuple[int, str, NDArray[np.float32]]]:
    """Return the whole windows (6, T) of labelled segments, with the index and label of their segment.

    Windows are cut one after the other from the start of a segment. A segment that is shorter than a window, or ends
    within one, gives none for that part.

    Args:
        signal: the recording.
        segments: rows of `read_labels`.
        clip_s: length of a window, s; None: a segment is one window.
    """
    found = []
    for number, start, end, label in segments[["start_s", "end_s", "label"]].itertuples():
        first, stop = (round(time * signal.rate_hz) - signal.first for time in (start, end))
        length = stop - first if clip_s is None else round(clip_s * signal.rate_hz)
        for begin in range(first, stop - length + 1, max(1, length)):
            window = signal.data[:, max(0, begin) : begin + length]
            if begin >= 0 and window.shape[1] == length and bool(np.isfinite(window).all()):
                found.append((int(number), str(label), window))
    return found


def fit_head(kind: str, data: Labelled) -> tuple[nn.Module, dict[str, torch.Tensor], list[str]]:
    """Fit a head; return it with its arrays and classes.

    Args:
        kind: `logistic` or `svm` (the published RBF SVM).
        data: labelled windows.
    """
    fit = fit_logistic if kind == "logistic" else fit_support_vectors
    arrays, classes = fit(data.features, data.labels.astype(str))
    return head_of(kind, arrays).eval(), arrays, classes


def check_labels(data: Labelled, source: str) -> None:
    """Raise `DataError` unless there are two classes, with at least two windows each."""
    names, counts = np.unique(data.labels.astype(str), return_counts=True)
    if len(names) < 2:
        raise DataError(f"{source}: a classifier needs windows of two classes, found {names.tolist()}")
    if counts.min() < 2:
        raise DataError(
            f"{source}: class {str(names[counts.argmin()])!r} has one window: label at least two, or remove the class"
        )


def calibrate_head(kind: str, data: Labelled, classes: Sequence[str]) -> Calibration | None:
    """Calibrate a head by cross-validation over groups; None where a class has windows of one group only."""
    from sklearn.model_selection import StratifiedGroupKFold

    groups_of = [len(set(data.groups[data.labels.astype(str) == name])) for name in classes]
    folds = min(FOLDS, *groups_of)
    if folds < 2:
        return None
    scores = np.zeros((len(data.labels), len(classes)))
    labels = data.labels.astype(str)
    for train, test in StratifiedGroupKFold(folds).split(data.features, labels, data.groups):
        part = Labelled(data.features[train], data.labels[train], data.groups[train])
        if len(set(labels[train])) < len(classes):
            return None
        head, _, _ = fit_head(kind, part)
        with torch.inference_mode():
            scores[test] = head(torch.from_numpy(data.features[test])).numpy()
    truth = np.array([list(classes).index(name) for name in labels])
    return calibrate(scores, truth)


def save_with_head(student: Path, kind: str, data: Labelled, target: Path) -> Calibration | None:
    """Write a copy of a student's folder with a head for labelled windows; return the calibration of the head.

    Args:
        student: folder of the student.
        kind: one of `KINDS`.
        data: labelled windows, their features by this student.
        target: the folder to write.
    """
    if kind not in KINDS:
        raise DataError(f"a head is one of {', '.join(KINDS)}, not {kind!r}")
    _, arrays, classes = fit_head(kind, data)
    calibration = calibrate_head(kind, data, classes)
    trained = load_distilled(student, "cpu")
    with atomic(target) as partial:
        shutil.copytree(
            student, partial, copy_function=shutil.copyfile, ignore=shutil.ignore_patterns(SUMS, ".*")
        )
        save_fitted(partial, kind, arrays, classes, calibration)
        if trained.about is not None:
            own = {} if calibration is None else {"fitted": calibration}
            about = trained.about.model_copy(update={"calibration": own})
            (partial / CARD).write_text(model_card(about, trained.student, classes))
        write_sums(partial)
    return calibration
