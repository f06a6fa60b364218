"""Run one experiment: train a student and save it with its heads."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from torch import Tensor

from comodo.clips.imu_windows import ImuWindows
from comodo.clips.tables import fold_of, pairs_of
from comodo.config import ExperimentSettings, StudentSettings, trained_by
from comodo.distill.describe import describe
from comodo.distill.fit import fit_student
from comodo.distill.history import history_digest
from comodo.distill.loop import Run, train_distillation
from comodo.distill.validation import Validation
from comodo.embeddings.store import clips_digest, open_store
from comodo.jobs.class_paths import class_digest
from comodo.jobs.devices import use_device
from comodo.models.about import About
from comodo.models.base import Student
from comodo.models.by_class import new_class_student
from comodo.models.distilled import save_distilled
from comodo.models.students import load_student, new_student
from comodo.objectives import Inputs, objective_of
from comodo.recordings.imu_shard import read_channels
from comodo.storage.files import write_json
from comodo.storage.packages import package_versions


def distill(
    settings: ExperimentSettings,
    student_settings: StudentSettings,
    seed: int,
    windows: pd.DataFrame,
    imu: Sequence[Path],
    store: Path | None,
    anchors: Path | None,
    state: Path,
    folder: Path,
    history: Path,
    threads: int,
    config: Mapping[str, Any] | None = None,
) -> None:
    """Train a student and write it with its heads. The objective `none` does not train.

    Args:
        settings: settings of the experiment.
        student_settings: settings of the initial student.
        seed: seed of new weights and heads, drawn labels, shuffling and dropout.
        windows: table of the dataset's windows (`comodo.clips.tables`).
        imu: preprocessed IMU shards of the dataset.
        store: embedding store of the dataset and the experiment's teacher; None without a teacher.
        anchors: anchors of the dataset, for the zero-shot accuracy on val after each epoch; None without a teacher.
        state: folder of the resumable state; deleted at the end.
        folder: output folder, for `load_distilled` and `load_student`.
        history: output file (JSON) of the history, with one entry per epoch.
        threads: CPU threads to use.
        config: the part of the student's description from the config (`describe_experiment`); None: no description.

    Raises:
        StoreError: if the store is of other clips.
        TrainingError: if settings and clips do not fit each other.
    """
    device = use_device(threads)
    student = start_student(student_settings, seed, read_channels(imu))
    if len(windows):
        student.try_on(ImuWindows(windows.iloc[:1], imu)[0])
    with ExitStack() as files:
        file: h5py.File | None = None
        if store is not None:
            file = files.enter_context(open_store(store, expected=pairs_of(windows)))
        lesson = objective_of(settings).lesson(Inputs(windows, student.dim, seed, file, anchors))
        validate = Validation(lesson.val, imu, lesson.rankings, device)
        if student.fitted:
            fit_student(student, lesson, imu)
        if lesson.loss is None or student.fitted:
            student = student.to(device).eval()
            rows: list[dict[str, Any]] = [{"epoch": 0, "loss": None}]
            if lesson.trained:
                rows[0] |= validate(0, student, lesson.head.to(device).eval())
        else:
            made_from = {"clip table": clips_digest(lesson.train), "IMU shards": _digest(map(_stamp, imu))}
            if code := class_digest(settings.class_path) + class_digest(student_settings.class_path):
                made_from["code of a class"] = code
            if file is not None:
                made_from["embedding store"] = _digest([str(file.attrs["made_by"])])
            run = Run(seed=seed, device=device, state_dir=state, made_from=made_from, on_epoch=validate)
            imu_windows = ImuWindows(lesson.train, imu)
            rows = [dict(row) for row in train_distillation(student, lesson, imu_windows, settings, run)]
        described: About | None = None
        projected: dict[str, Tensor] = {}
        if config is not None:
            outputs = np.empty((0, 0), dtype=np.float32)
            if lesson.trained:
                outputs = validate.outputs(student.to(device).eval(), lesson.head.to(device).eval())
            described, projected = describe(
                config, student, lesson, windows, outputs, file, anchors, rows, seed
            )
    about = {
        "objective": settings.objective_name,
        "trained_by": trained_by(settings, student_settings, seed, fold_of(windows)),
        "history": history_digest(rows),
        "packages": ", ".join(f"{name} {number}" for name, number in package_versions().items()),
    }
    save_distilled(folder, student, lesson.heads, lesson.classes, projected, described, **about)
    write_json(rows, history)
    shutil.rmtree(state, ignore_errors=True)


def start_student(settings: StudentSettings, seed: int, channels: int) -> Student:
    """Create the initial student of a training run, from a checkpoint or with random weights.

    Args:
        settings: settings of the student.
        seed: seed of random weights.
        channels: C, of its windows.
    """
    if settings.class_path is not None:
        return new_class_student(settings.class_path, settings.class_kwargs, seed, channels)
    if settings.architecture is not None:
        return new_student(
            settings.architecture,
            settings.architecture_config,
            seed,
            reduction=settings.reduction,
            gradient_checkpointing=settings.gradient_checkpointing,
            channels=channels,
        )
    return load_student(
        settings.checkpoint or "",
        reduction=settings.reduction,
        revision=settings.revision,
        gradient_checkpointing=settings.gradient_checkpointing,
        channels=channels,
    )


def _stamp(path: Path) -> str:
    stat = path.stat()
    return f"{stat.st_size} {stat.st_mtime_ns}"


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
