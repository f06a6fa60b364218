"""The export of a run: its student with test figures and model card, ONNX graphs, and what they cost."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from comodo.clips.imu_windows import ImuWindows
from comodo.deploy.classifier import Classifier, classifier_of
from comodo.deploy.cost import measure_cost
from comodo.deploy.export import Graph, export_onnx, window_length
from comodo.deploy.quantise import quantise
from comodo.errors import ModelError
from comodo.evaluate.bootstrap import paired_difference
from comodo.evaluate.results import read_scores
from comodo.jobs.class_paths import import_class
from comodo.models.about import ABOUT, write_about
from comodo.models.card import CARD, model_card
from comodo.models.distilled import load_distilled
from comodo.storage.artefacts import SUMS, write_sums
from comodo.storage.files import atomic, write_json

log = logging.getLogger(__name__)
GRAPHS: Final = {"onnx": "student.onnx", "onnx-int8": "student-int8.onnx"}
MOST: Final = {"train": 400, "test": 4000}  # windows that calibrate int8, and that are classified


def write_package(
    student: Path,
    windows: pd.DataFrame,
    imu: Sequence[Path],
    scores: Mapping[str, Path],
    dataset: str,
    formats: Sequence[str],
    folder: Path,
    cost: Path,
    student_class: str | None = None,
    license_id: str | None = None,
) -> None:
    """Write the export of a run: a folder to share and use, and cost.json.

    Args:
        student: folder of the trained student.
        windows: table of the windows of its dataset.
        imu: preprocessed IMU shards of the dataset.
        scores: score files of the student on the dataset, by protocol.
        dataset: name of the dataset.
        formats: graphs to write, keys of `GRAPHS`.
        folder: receives the student with figures, card and graphs.
        cost: receives the cost (JSON); see `measure_cost`.
        student_class: class path of the student in the config. The class may be in the working folder.
        license_id: licence of the student, from the config.

    Raises:
        ModelError: if the student was saved by an earlier version, or has no graph.
    """
    if student_class is not None:
        import_class(student_class)
    trained = load_distilled(student, "cpu")
    if trained.about is None:
        raise ModelError(
            f"{student} lacks {ABOUT}, since an earlier version saved it: delete it and run again"
        )
    about = trained.about.model_copy(update={"test": figures_on_test(scores, dataset), "license": license_id})
    classifier, encoder = classifier_of(trained, student), trained.student
    length = window_length(about.input)
    train, test = (_windows(windows, imu, split, length) for split in ("train", "test"))
    with atomic(folder) as partial:
        shutil.copytree(student, partial, ignore=shutil.ignore_patterns(SUMS, ".*"))
        files: dict[str, Path] = {}
        if formats:
            files["onnx"] = partial / GRAPHS["onnx"]
            made = export_onnx(encoder, classifier, about.input, files["onnx"], train[0])
            log.info("float32 graph: greatest difference from torch %.2g", made.difference)
        if "onnx-int8" in formats:
            files["onnx-int8"] = partial / GRAPHS["onnx-int8"]
            made = quantise(files["onnx"], train[0], files["onnx-int8"])
            log.info("%s graph: mean cosine distance of features %.2g", made.method, made.difference)
        columns = None if classifier is None else _columns(test[1], classifier)
        graph = Graph(encoder, classifier, length)
        rows = test[0] if len(test[0]) else train[0]
        measured: dict[str, Any] = measure_cost(graph, files, rows, columns if len(test[0]) else None)
        for name in set(files) - set(formats):
            files[name].unlink()
        write_about(about, partial)
        (partial / CARD).write_text(model_card(about, trained.student, trained.classes))
        write_sums(partial)
    write_json(
        {"family": encoder.family, "classes_by": classifier.by if classifier else None, **measured}, cost
    )


def _windows(
    windows: pd.DataFrame, imu: Sequence[Path], split: str, length: int
) -> tuple[NDArray[np.float32], NDArray[np.object_]]:
    """Return windows (n, C, T) of a split, evenly spread over it, and their labels."""
    own = windows[windows["split"] == split]
    chosen = own.iloc[np.unique(np.linspace(0, len(own) - 1, min(len(own), MOST[split])).astype(int))]
    read = ImuWindows(chosen, imu)
    rows = [read[row] for row in range(len(read))]
    kept = [row for row, window in enumerate(rows) if window.shape[1] == length]
    data = np.stack([rows[row] for row in kept]) if kept else np.empty((0, 6, length), dtype=np.float32)
    return data, chosen["label"].to_numpy(object)[kept]


def _columns(labels: NDArray[np.object_], classifier: Classifier) -> NDArray[np.int64]:
    places = {name: number for number, name in enumerate(classifier.classes)}
    return np.array([places.get(label, -1) for label in labels], dtype=np.int64)


def figures_on_test(scores: Mapping[str, Path], dataset: str) -> tuple[dict[str, Any], ...]:
    """Return top-1 on test with a 95 % interval over recordings, for each protocol, number of labels and scoring."""
    rows = []
    for protocol, path in scores.items():
        found = read_scores(path)
        for result in found.results:
            hits = np.asarray([result.hits])
            accuracy = paired_difference(hits, np.zeros_like(hits), np.asarray(found.windows))
            rows.append(
                {
                    "dataset": dataset,
                    "protocol": protocol,
                    "labels_per_class": result.labels_per_class,
                    "scoring": result.scoring,
                    "top1": result.top1,
                    "low": accuracy.low,
                    "high": accuracy.high,
                    "n_test": found.n_test,
                }
            )
    return tuple(rows)
