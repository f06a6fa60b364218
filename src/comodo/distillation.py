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
from comodo.models.projection import named_seed, seeded
from comodo.objectives import ComodoLoss, InfoNCELoss, L2Loss
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
        student_head, teacher_head = _heads(settings, student.dim, width, seed)
        targets = project_teacher(torch.from_numpy(file["embedding"][train]), teacher_head)
    validate = _Validation(pairs[pairs["split"] == "val"], imu, anchors, teacher_head, device)

    if settings.objective == "none":
        student, student_head = student.to(device).eval(), student_head.to(device).eval()
        rows: list[dict[str, Any]] = [{"epoch": 0, "loss": None, **validate(0, student, student_head)}]
    else:
        queued: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        objective: nn.Module = InfoNCELoss() if settings.objective == "infonce" else L2Loss()
        if settings.objective == "comodo":
            queued = initial_queue_indices(len(train), settings.queue_size)
            objective = ComodoLoss(
                targets[queued], settings.teacher_temperature, settings.student_temperature
            )
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


def _heads(
    settings: ExperimentSettings, student_dim: int, teacher_dim: int, seed: int
) -> tuple[nn.Module, nn.Module]:
    """What brings student and teacher to one width: random MLPs; for the baselines a linear map of the student."""
    if settings.objective in ("infonce", "l2"):
        with seeded(named_seed(seed, "student projection")):
            return nn.Linear(student_dim, teacher_dim), nn.Identity()
    sizes = (settings.projection_hidden, settings.projection_dim)
    student, teacher = (
        new_head(dim, *sizes, seed=seed, name=name)
        for dim, name in ((student_dim, "student"), (teacher_dim, "teacher"))
    )
    return student, teacher


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


def save_distilled(folder: Path, student: Student, heads: Mapping[str, nn.Module]) -> None:
    """Write a student and the heads it was trained with, as one folder; a head without weights leaves no file."""
    with atomic(folder) as partial:
        save_student(student.cpu(), partial)
        for name in HEADS:
            weights = {key: value.cpu().contiguous() for key, value in heads[name].state_dict().items()}
            if weights:
                save_file(weights, partial / f"{name}_projection.safetensors")


def load_distilled(folder: Path, device: str) -> tuple[Student, nn.Module, nn.Module]:
    """Load a student, its own head and the teacher's, all in eval mode on `device`."""
    heads = [_load_head(folder / f"{name}_projection.safetensors").to(device).eval() for name in HEADS]
    return load_student(folder).to(device).eval(), heads[0], heads[1]


def _load_head(path: Path) -> nn.Module:
    if not path.exists():
        return nn.Identity()
    weights: dict[str, Tensor] = load_file(path)
    head: nn.Module
    if "weight" in weights:
        head = nn.Linear(weights["weight"].shape[1], weights["weight"].shape[0])
    else:
        sizes = (weights["0.weight"].shape[1], weights["0.weight"].shape[0], weights["3.weight"].shape[0])
        head = ProjectionHead(*sizes)
    head.load_state_dict(weights)
    return head
