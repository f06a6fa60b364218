"""One experiment: clips, their teacher embeddings or labels and a student in; what the student became out."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from comodo.clips.imu_windows import ImuWindows
from comodo.clips.sampling import Indices, draw_clips, draw_labels
from comodo.config import ExperimentSettings, StudentSettings
from comodo.distill.loop import train_distillation
from comodo.distill.validation import Ranking, Validation, anchor_rankings
from comodo.embeddings.store import clips_digest, mapped, open_store
from comodo.jobs.devices import use_device
from comodo.models.baselines.students import MiniRocketStudent
from comodo.models.distilled import save_distilled
from comodo.models.embed import embed
from comodo.models.heads import new_head, principal_components
from comodo.models.seeds import named_seed, seeded
from comodo.models.student import Student
from comodo.models.students import load_student, new_student
from comodo.objectives.comodo import ComodoLoss
from comodo.objectives.infonce import InfoNCELoss
from comodo.objectives.l2 import L2Loss
from comodo.objectives.queue import initial_queue_indices
from comodo.objectives.targets import Targets, TeacherTargets
from comodo.storage.files import write_json

RIDGE_WINDOWS: Final = 10_000  # that MiniRocket learns from at most


def distill(
    settings: ExperimentSettings,
    student_settings: StudentSettings,
    seed: int,
    clips: pd.DataFrame,
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
        clips: the dataset's clip table.
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
    student = _start(student_settings, seed)
    train, val = (clips[clips["split"] == split].reset_index(drop=True) for split in ("train", "val"))
    with ExitStack() as files:
        if settings.objective == "supervised":
            lesson = _from_labels(settings, student.dim, train, seed)
            rankings = {"head": Ranking(lambda scores: scores, np.asarray(lesson.classes, dtype=object))}
        elif store is not None and anchors is not None:
            pairs = clips[clips["paired"]].reset_index(drop=True)
            file = files.enter_context(open_store(store, expected=pairs))
            lesson = _from_teacher(settings, student.dim, pairs, file, seed)
            lesson.made_from["embedding store"] = _digest([str(file.attrs["made_by"])])
            rankings = anchor_rankings(anchors, lesson.heads["teacher"])
            val = val[val["paired"]]
        else:
            lesson, rankings = _Lesson(train), {}
        validate = Validation(val, imu, rankings, device)

        if isinstance(student, MiniRocketStudent):
            _fit_minirocket(student, lesson, imu)
        if settings.objective == "none" or isinstance(student, MiniRocketStudent):
            student = student.to(device).eval()
            rows: list[dict[str, Any]] = [{"epoch": 0, "loss": None}]
            if lesson.trained:
                rows[0] |= validate(0, student, lesson.heads[lesson.trained].to(device).eval())
        else:
            rows = [
                dict(row)
                for row in train_distillation(
                    student,
                    lesson.heads[lesson.trained],
                    _objective(settings, lesson),
                    ImuWindows(lesson.clips, imu),
                    lesson.targets,
                    settings,
                    seed,
                    withheld=lesson.queued,
                    on_epoch=validate,
                    state_dir=state,
                    made_from={
                        "clip table": clips_digest(lesson.clips),
                        "IMU shards": _digest(
                            [f"{path.stat().st_size} {path.stat().st_mtime_ns}" for path in imu]
                        ),
                        **lesson.made_from,
                    },
                    names=lesson.clips["clip"].tolist(),
                    device=device,
                )
            ]
    save_distilled(folder, student, lesson.heads, lesson.classes)
    write_json(rows, history)
    shutil.rmtree(state, ignore_errors=True)


def _digest(texts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def _start(settings: StudentSettings, seed: int) -> Student:
    common = {"reduction": settings.reduction, "gradient_checkpointing": settings.gradient_checkpointing}
    if settings.architecture is not None:
        return new_student(settings.architecture, settings.architecture_config, seed, **common)  # type: ignore[arg-type]
    return load_student(settings.checkpoint or "", revision=settings.revision, **common)  # type: ignore[arg-type]


@dataclass
class _Lesson:
    """What a student learns: windows, what each of them shall be seen as, and the heads it needs for that."""

    clips: pd.DataFrame
    targets: Targets = field(default_factory=lambda: torch.empty(0))
    heads: dict[str, nn.Module] = field(default_factory=dict)
    trained: str = ""  # the head that learns with the student
    queued: Indices = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    classes: list[str] = field(default_factory=list)
    made_from: dict[str, str] = field(default_factory=dict)


def _from_labels(settings: ExperimentSettings, dim: int, train: pd.DataFrame, seed: int) -> _Lesson:
    """Every train window with its label, or `labels_per_class` of each class, and a linear head."""
    classes = sorted(set(train["label"]))
    train = train.iloc[draw_clips(train["recording"].tolist(), settings.clips_per_recording)]
    if settings.labels_per_class is not None:
        clips, labels = train["clip"].tolist(), train["label"].tolist()
        train = train.iloc[draw_labels(clips, labels, settings.labels_per_class, seed)]
    train = train.reset_index(drop=True)
    targets = torch.tensor([classes.index(label) for label in train["label"]])
    with seeded(named_seed(seed, "classifier")):
        heads: dict[str, nn.Module] = {"classifier": nn.Linear(dim, len(classes))}
    return _Lesson(train, targets, heads, "classifier", classes=classes)


def _from_teacher(
    settings: ExperimentSettings, dim: int, pairs: pd.DataFrame, store: h5py.File, seed: int
) -> _Lesson:
    """Train pairs with their projected teacher embeddings, and the heads that make the widths meet."""
    rows = np.flatnonzero(pairs["split"] == "train")
    rows = rows[draw_clips(pairs["recording"].iloc[rows].tolist(), settings.clips_per_recording)]
    heads = _projections(settings, dim, mapped(store), rows, seed)
    targets = TeacherTargets(store, rows, heads["teacher"])
    lesson = _Lesson(pairs.iloc[rows].reset_index(drop=True), targets, heads, "student")
    if settings.objective == "comodo":
        lesson.queued = initial_queue_indices(len(rows), settings.queue_size)
    return lesson


def _projections(
    settings: ExperimentSettings, dim: int, embeddings: NDArray[np.float32], rows: Indices, seed: int
) -> dict[str, nn.Module]:
    """What brings student and teacher to one width: random MLPs; for the baselines a linear map of the student."""
    width = embeddings.shape[1]

    def linear(out: int) -> nn.Module:
        with seeded(named_seed(seed, "student projection")):
            return nn.Linear(dim, out)

    if settings.objective in ("infonce", "l2"):
        return {"student": linear(width), "teacher": nn.Identity()}
    teacher: nn.Module = nn.Identity()
    hidden, out = settings.projection_hidden, settings.projection_dim
    if settings.projection == "random":
        teacher = new_head(width, hidden, out, seed=seed, name="teacher")
    elif settings.projection == "pca":
        teacher = principal_components(embeddings, rows, out)
    else:
        out = width
    mlp = settings.student_head == "mlp"
    student = new_head(dim, hidden, out, seed=seed, name="student") if mlp else linear(out)
    return {"student": student, "teacher": teacher}


def _objective(settings: ExperimentSettings, lesson: _Lesson) -> nn.Module:
    if settings.objective == "comodo":
        queue = lesson.targets[torch.from_numpy(lesson.queued)]
        return ComodoLoss(queue, settings.teacher_temperature, settings.student_temperature)
    if settings.objective == "infonce":
        return InfoNCELoss(settings.infonce_temperature, settings.infonce_symmetric)
    return L2Loss() if settings.objective == "l2" else nn.CrossEntropyLoss()


def _fit_minirocket(student: MiniRocketStudent, lesson: _Lesson, imu: Sequence[Path]) -> None:
    """MiniRocket has no gradient: its biases come from the windows, its classifier is a ridge regression."""
    from comodo.models.baselines.minirocket import ridge_head

    chosen = lesson.clips
    if len(chosen) > RIDGE_WINDOWS:
        keep = np.random.default_rng(0).choice(len(chosen), RIDGE_WINDOWS, replace=False)
        chosen = chosen.iloc[np.sort(keep)]
    windows = ImuWindows(chosen, imu)
    student.fit(student.collate([windows[row] for row in range(len(windows))])[0].numpy())
    if lesson.trained:
        features = torch.cat(list(embed(student, windows, "cpu"))).numpy()
        lesson.heads["classifier"] = ridge_head(features, chosen["label"].to_numpy(object), lesson.classes)
