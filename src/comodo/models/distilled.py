"""The saved student: its weights, the heads it was trained with, and the classes of its classifier."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from comodo.errors import ModelError
from comodo.models.base import Student
from comodo.models.checkpoints import check_finite, check_kinds, read_json, stored_weights
from comodo.models.heads import ProjectionHead
from comodo.models.students import OWN_FILE, load_student, save_student
from comodo.storage.artefacts import SUMS, file_digest, read_whole, write_sums
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
    """Load what `save_distilled` wrote, all in eval mode on `device`.

    Raises:
        ModelError: for heads and classes that do not fit the student, or each other.
        DamageError: for files that are not those that were written.
    """
    return read_whole(folder, lambda: _load(folder, device))


def _load(folder: Path, device: str) -> Distilled:
    student = load_student(folder)  # first, for it checks all files
    heads: dict[str, nn.Module] = {"teacher": nn.Identity()}
    widths: dict[str, tuple[int, int]] = {}
    for name, file in HEADS.items():
        if (path := folder / f"{file}.safetensors").exists():
            head, widths[name] = _load_head(path)
            heads[name] = head.to(device).eval()
            if name != "teacher" and widths[name][0] != student.dim:
                raise ModelError(
                    f"{path}: it takes {widths[name][0]} numbers, but the student gives {student.dim}"
                )
    if {"student", "teacher"} <= widths.keys() and widths["student"][1] != widths["teacher"][1]:
        raise ModelError(
            f"{folder}: its projections are {widths['student'][1]} and {widths['teacher'][1]} wide"
        )
    classes = _load_classes(folder / CLASSES)
    if "classifier" in widths and len(classes) != widths["classifier"][1]:
        raise ModelError(
            f"{folder / CLASSES} has {len(classes)} classes, the classifier {widths['classifier'][1]}"
        )
    return Distilled(student.to(device).eval(), heads, classes)


def _load_classes(path: Path) -> list[str]:
    if not path.exists():
        return []
    classes = read_json(path, list)
    if any(not isinstance(name, str) for name in classes) or len(set(classes)) < len(classes):
        raise ModelError(f"{path} is no list of different names")
    return classes


def _load_head(path: Path) -> tuple[nn.Module, tuple[int, int]]:
    """A head, and the widths of its input and output."""
    stored = stored_weights(path, str(path.parent))
    shapes = {name: shape for name, (_, shape) in stored.items()}
    layers = ("",) if "weight" in shapes else ("0.", "3.")
    if any(len(shapes.get(f"{layer}weight", ())) != 2 for layer in layers):
        raise ModelError(
            f"{path} is no head: it has the weights {', '.join(sorted(shapes))[:80] or 'of nothing'}"
        )
    (width, taken), (given, _) = (shapes[f"{layer}weight"] for layer in (layers[0], layers[-1]))
    with torch.device("meta"):  # the file's values take its place
        head = nn.Linear(taken, width) if len(layers) == 1 else ProjectionHead(taken, width, given)
    check_kinds(head.state_dict().items(), {name: kind for name, (kind, _) in stored.items()}, str(path))
    weights: dict[str, Tensor] = load_file(path)
    check_finite(weights.items(), str(path))
    try:
        head.load_state_dict({name: _as_made(values) for name, values in weights.items()}, assign=True)
    except RuntimeError as error:
        raise ModelError(f"{path} is no head: {' '.join(str(error).split())[:200]}") from error
    return head.requires_grad_(), (taken, given)


def _as_made(values: Tensor) -> Tensor:
    return values.float() if values.is_floating_point() else values


def saved_about(folder: Path, key: str) -> str | None:
    """Return what a saved student says about itself: `objective`, `trained_by`; None for one of the first version.

    Raises:
        ModelError: when it is no text.
    """
    about = read_json(folder / OWN_FILE, dict).get(key)
    if about is not None and not isinstance(about, str):
        raise ModelError(f"{folder / OWN_FILE}: {key} is {about!r}, not a text")
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
    return "weight" in stored_weights(student, str(folder))
