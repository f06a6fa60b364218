"""Run one experiment: start a student, train it on the lesson of its objective, save it with its heads."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py
import pandas as pd

from comodo.clips.imu_windows import ImuWindows
from comodo.clips.tables import pairs_of
from comodo.config import ExperimentSettings, StudentSettings, trained_by
from comodo.distill.fit import fit_student
from comodo.distill.history import history_digest
from comodo.distill.loop import Run, train_distillation
from comodo.distill.validation import Validation
from comodo.embeddings.store import clips_digest, open_store
from comodo.jobs.class_paths import class_digest
from comodo.jobs.devices import use_device
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
) -> None:
    """Train a student (objective `none`: take it as it is) and write it with its heads.

    Args:
        settings: the experiment.
        student_settings: the student to start from.
        seed: of fresh weights, heads, drawn labels, shuffling and dropout.
        windows: of the dataset (`comodo.clips.tables`).
        imu: its preprocessed shards.
        store: its embedding store, by the experiment's teacher; none without teacher.
        anchors: its anchors; their zero-shot accuracy on val follows the training.
        state: folder of the resumable state, removed in the end.
        folder: receives what `load_distilled` and `load_student` read.
        history: receives the history, one entry per epoch (JSON).
        threads: CPU threads to use.

    Raises:
        ValueError: when the store was made from other clips, or the settings do not fit them.
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
    about = {
        "objective": settings.objective_name,
        "trained_by": trained_by(settings, student_settings, seed),
        "history": history_digest(rows),
        "packages": ", ".join(f"{name} {number}" for name, number in package_versions().items()),
    }
    save_distilled(folder, student, lesson.heads, lesson.classes, **about)
    write_json(rows, history)
    shutil.rmtree(state, ignore_errors=True)


def start_student(settings: StudentSettings, seed: int, channels: int) -> Student:
    """Make the student that a training starts from: fresh weights from `seed`, or a checkpoint.

    `channels` is the number of channels of its windows.
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
