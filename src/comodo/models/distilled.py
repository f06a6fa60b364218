"""The saved student: its weights, the heads it was trained with, and the classes of its classifier."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from comodo.models.base import Student
from comodo.models.checkpoints import check_finite
from comodo.models.heads import ProjectionHead
from comodo.models.students import OWN_FILE, load_student, save_student
from comodo.storage.artefacts import SUMS, file_digest, read_json, write_sums
from comodo.storage.files import atomic

HEADS: Final = {"student": "student_projection", "teacher": "teacher_projection", "classifier": "classifier"}
"""What a student may be trained with, and the name of its weights: projections to one width; classes."""
CLASSES: Final = "classes.json"


@dataclass
class Distilled:
    """A student, the heads it was trained with (see `HEADS`), and the classes of its classifier."""

    student: Student
    heads: dict[str, nn.Module]
    classes: list[str]


def save_distilled(
    folder: Path, student: Student, heads: Mapping[str, nn.Module], classes: Sequence[str], **about: str
) -> None:
    """Write a student and the heads it was trained with, as one folder; a head without weights leaves no file.

    Args:
        folder: receives what `load_distilled` and `load_student` read.
        student: the trained student.
        heads: by their roles (`HEADS`).
        classes: of the classifier; empty without one.
        about: goes into comodo.json: `objective`, its name in the config, and `trained_by`, a digest of the settings.
    """
    with atomic(folder) as partial:
        save_student(student.cpu(), partial, **about)
        for name, head in heads.items():
            weights = {key: value.cpu().contiguous() for key, value in head.state_dict().items()}
            if weights:
                save_file(weights, partial / f"{HEADS[name]}.safetensors")
        if classes:
            (partial / CLASSES).write_text(json.dumps(list(classes)) + "\n")
        write_sums(partial)


def load_distilled(folder: Path, device: str) -> Distilled:
    """Load what `save_distilled` wrote, all in eval mode on `device`; raises `DamageError`."""
    student = load_student(folder)  # first, for it checks all files
    heads: dict[str, nn.Module] = {"teacher": nn.Identity()}
    for name, file in HEADS.items():
        if (path := folder / f"{file}.safetensors").exists():
            heads[name] = _load_head(path).to(device).eval()
    path = folder / CLASSES
    classes = read_json(path) if path.exists() else []
    return Distilled(student.to(device).eval(), heads, classes)


def _load_head(path: Path) -> nn.Module:
    weights: dict[str, Tensor] = load_file(path)
    check_finite(weights.items(), str(path))
    head: nn.Module
    if "weight" in weights:
        head = nn.Linear(weights["weight"].shape[1], weights["weight"].shape[0])
    else:
        sizes = (weights["0.weight"].shape[1], weights["0.weight"].shape[0], weights["3.weight"].shape[0])
        head = ProjectionHead(*sizes)
    head.load_state_dict(weights)
    return head


def saved_about(folder: Path, key: str) -> str | None:
    """Return what a saved student says about itself: `objective`, `trained_by`; None for one of the first version."""
    about: str | None = read_json(folder / OWN_FILE).get(key)
    return about


def student_digest(folder: Path) -> str:
    """Return a digest of the files of a saved student, by its list of checksums."""
    return file_digest(folder / SUMS)[:16]


def has_linear_head(folder: Path) -> bool:
    """Return whether a saved student was trained with a linear projection alone: no MLP, none of the teacher.

    The baselines InfoNCE and L2 are; COMODO only with `student_head: linear` and `projection: none`.
    """
    student, teacher = (folder / f"{HEADS[role]}.safetensors" for role in ("student", "teacher"))
    if not student.is_file() or teacher.is_file():
        return False
    with safe_open(student, "np") as weights:
        return "weight" in set(weights.keys())
