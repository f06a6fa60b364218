"""One experiment: clips, their teacher embeddings and a student in; what the student became out."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from comodo.anchors import ANCHOR_RULES, nearest_anchor
from comodo.config import ExperimentSettings, StudentSettings
from comodo.devices import use_device
from comodo.files import atomic, write_json
from comodo.metrics import top_k
from comodo.models import (
    ProjectionHead,
    Student,
    load_student,
    new_head,
    new_student,
    project_teacher,
    save_student,
)
from comodo.objectives import ComodoLoss
from comodo.queue import initial_queue_indices
from comodo.store import clips_digest, open_store
from comodo.training import train_distillation
from comodo.windows import ImuWindows, embed

HEADS = ("student", "teacher")


def distill(
    settings: ExperimentSettings,
    student_settings: StudentSettings,
    seed: int,
    clips: pd.DataFrame,
    imu: Sequence[Path],
    store: Path,
    anchors: Path,
    state: Path,
    folder: Path,
    history: Path,
    threads: int,
) -> None:
    """Train a student on the train pairs (objective `none`: take it as it is) and write it with its heads.

    Args:
        settings: the experiment.
        student_settings: the student to start from.
        seed: of fresh weights, both projection heads, shuffling and dropout.
        clips: the dataset's clip table.
        imu: its preprocessed shards.
        store: its embedding store, by the experiment's teacher.
        anchors: its anchors; their zero-shot accuracy on val follows the training.
        state: folder of the resumable state, removed in the end.
        folder: receives what `load_distilled` and `load_student` read.
        history: receives the history, one entry per epoch (JSON).
        threads: CPU threads to use.

    Raises:
        ValueError: when the store was made from other clips, or the settings do not fit them.
    """
    device = use_device(threads)
    pairs = clips[clips["paired"]].reset_index(drop=True)
    student = _start(student_settings, seed)
    with open_store(store, expected=pairs) as file:
        train = np.flatnonzero(pairs["split"] == "train")
        width = file["embedding"].shape[1]
        teacher_head = new_head(
            width, settings.projection_hidden, settings.projection_dim, seed=seed, name="teacher"
        )
        targets = project_teacher(torch.from_numpy(file["embedding"][train]), teacher_head)
    student_head = new_head(
        student.dim, settings.projection_hidden, settings.projection_dim, seed=seed, name="student"
    )
    validate = _Validation(pairs[pairs["split"] == "val"], imu, anchors, teacher_head, device)

    if settings.objective == "none":
        student, student_head = student.to(device).eval(), student_head.to(device).eval()
        rows: list[dict[str, Any]] = [{"epoch": 0, "loss": None, **validate(0, student, student_head)}]
    else:
        queued = initial_queue_indices(len(train), settings.queue_size)
        objective = ComodoLoss(targets[queued], settings.teacher_temperature, settings.student_temperature)
        rows = [
            dict(row)
            for row in train_distillation(
                student,
                student_head,
                objective,
                ImuWindows(pairs.iloc[train], imu),
                targets,
                settings,
                seed,
                withheld=queued,
                on_epoch=validate,
                state_dir=state,
                made_from={"clip table": clips_digest(pairs)},
                device=device,
            )
        ]
    save_distilled(folder, student, {"student": student_head, "teacher": teacher_head})
    write_json(rows, history)
    shutil.rmtree(state, ignore_errors=True)


def _start(settings: StudentSettings, seed: int) -> Student:
    common = {"reduction": settings.reduction, "gradient_checkpointing": settings.gradient_checkpointing}
    if settings.architecture is not None:
        return new_student(settings.architecture, settings.architecture_config, seed, **common)  # type: ignore[arg-type]
    return load_student(settings.checkpoint or "", revision=settings.revision, **common)  # type: ignore[arg-type]


class _Validation:
    """Zero-shot accuracy on the val pairs by each anchor rule, as the training goes on."""

    def __init__(
        self, val: pd.DataFrame, imu: Sequence[Path], anchors: Path, teacher_head: nn.Module, device: str
    ):
        self.windows, self.device = ImuWindows(val, imu), device
        self.labels: NDArray[Any] = val["label"].to_numpy(object)
        self.anchors: dict[str, tuple[NDArray[np.float32], NDArray[Any]]] = {}
        with h5py.File(anchors, "r") as file:
            for rule in ANCHOR_RULES:
                projected = project_teacher(torch.from_numpy(file[rule]["embedding"][:]), teacher_head)
                self.anchors[rule] = (projected.numpy(), file[rule]["label"].asstr()[:])

    @torch.inference_mode()
    def __call__(self, epoch: int, student: Student, head: nn.Module) -> Mapping[str, float]:
        projected = (
            torch.cat([head(batch) for batch in embed(student, self.windows, self.device)]).cpu().numpy()
        )
        return {
            f"zero_shot_{rule}": top_k(nearest_anchor(projected, anchors), classes, self.labels)["top1"]
            for rule, (anchors, classes) in self.anchors.items()
        }


def save_distilled(folder: Path, student: Student, heads: Mapping[str, ProjectionHead]) -> None:
    """Write a student and the projection heads it was trained with, as one folder."""
    with atomic(folder) as partial:
        save_student(student.cpu(), partial)
        for name in HEADS:
            weights = {key: value.cpu().contiguous() for key, value in heads[name].state_dict().items()}
            save_file(weights, partial / f"{name}_projection.safetensors")


def load_distilled(folder: Path, device: str) -> tuple[Student, ProjectionHead, ProjectionHead]:
    """Load a student, its own head and the teacher's, all in eval mode on `device`."""
    heads = []
    for name in HEADS:
        weights: dict[str, Tensor] = load_file(folder / f"{name}_projection.safetensors")
        head = ProjectionHead(
            weights["0.weight"].shape[1], weights["0.weight"].shape[0], weights["3.weight"].shape[0]
        )
        head.load_state_dict(weights)
        heads.append(head.to(device).eval())
    return load_student(folder).to(device).eval(), heads[0], heads[1]
