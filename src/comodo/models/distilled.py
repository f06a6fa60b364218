"""Saved students: their weights, the heads they were trained with, and the classes of their classifier."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from comodo.errors import ModelError
from comodo.models.about import About, read_about, write_about
from comodo.models.base import Student
from comodo.models.card import CARD, model_card
from comodo.models.checkpoints import check_finite, check_kinds, read_json, stored_weights
from comodo.models.heads import ProjectionHead
from comodo.models.students import OWN_FILE, load_student, save_student
from comodo.storage.artefacts import SUMS, file_digest, read_whole, write_sums
from comodo.storage.files import atomic

HEADS: Final = {"student": "student_projection", "teacher": "teacher_projection", "classifier": "classifier"}
"""Heads by role, with the names of their weights files: two projections to a common width, and a classifier."""
CLASSES: Final = "classes.json"
ANCHORS: Final = "anchors.safetensors"


@dataclass
class Distilled:
    """A student, the heads it was trained with (see `HEADS`), and the classes of its classifier.

    Attributes:
        anchors: projected anchors (C, d) by rule; empty in folders without anchors.
        about: its description; None in folders of earlier versions.
    """

    student: Student
    heads: dict[str, nn.Module]
    classes: list[str]
    anchors: dict[str, Tensor] = field(default_factory=dict)
    about: About | None = None


def save_distilled(
    folder: Path,
    student: Student,
    heads: Mapping[str, nn.Module],
    classes: Sequence[str],
    anchors: Mapping[str, Tensor] | None = None,
    described: About | None = None,
    **about: str,
) -> None:
    """Write a student and the heads it was trained with to one folder. A head without weights has no file.

    Args:
        folder: output folder, for `load_distilled` and `load_student`.
        student: the trained student.
        heads: heads by role (`HEADS`).
        classes: classes of the classifier; empty without a classifier.
        anchors: projected anchors (C, d) by rule, their rows in the order of `described.anchor_classes`.
        described: description of the student, for about.json and the model card; None: neither is written.
        about: entries of comodo.json: `objective`, its name in the config, and `trained_by`, a digest of the settings.
    """
    with atomic(folder) as partial:
        save_student(student.cpu(), partial, **about)
        for name, head in heads.items():
            weights = {key: value.cpu().contiguous() for key, value in head.state_dict().items()}
            if weights:
                save_file(weights, partial / f"{HEADS[name]}.safetensors")
        if classes:
            (partial / CLASSES).write_text(json.dumps(list(classes)) + "\n")
        if anchors:
            save_file({rule: rows.contiguous() for rule, rows in anchors.items()}, partial / ANCHORS)
        if described is not None:
            write_about(described, partial)
            (partial / CARD).write_text(model_card(described, student, list(classes)))
        write_sums(partial)


def load_distilled(folder: Path, device: str) -> Distilled:
    """Load the folder of `save_distilled`: student and heads in eval mode on `device`.

    Raises:
        ModelError: if heads, classes and student do not fit each other.
        DamageError: if a file does not match its checksum.
    """
    return read_whole(folder, lambda: _load(folder, device))


def _load(folder: Path, device: str) -> Distilled:
    student = load_student(folder)  # first: it checks all files
    heads: dict[str, nn.Module] = {"teacher": nn.Identity()}
    widths: dict[str, tuple[int, int]] = {}
    for name, file in HEADS.items():
        if (path := folder / f"{file}.safetensors").exists():
            head, widths[name] = _load_head(path)
            heads[name] = head.to(device).eval()
            if name != "teacher" and widths[name][0] != student.dim:
                raise ModelError(
                    f"{path}: the input width is {widths[name][0]}, but the student's embeddings have {student.dim} "
                    "dimensions"
                )
    if {"student", "teacher"} <= widths.keys() and widths["student"][1] != widths["teacher"][1]:
        raise ModelError(
            f"{folder}: the output widths of its projections differ: {widths['student'][1]} (student) and "
            f"{widths['teacher'][1]} (teacher)"
        )
    classes = _load_classes(folder / CLASSES)
    if "classifier" in widths and len(classes) != widths["classifier"][1]:
        raise ModelError(
            f"{folder / CLASSES} has {len(classes)} classes, but the classifier has {widths['classifier'][1]}"
        )
    about = read_about(folder)
    anchors = _load_anchors(folder, about, widths.get("student", (0, 0))[1])
    return Distilled(student.to(device).eval(), heads, classes, anchors, about)


def _load_anchors(folder: Path, about: About | None, width: int) -> dict[str, Tensor]:
    """Return the projected anchors (C, d) by rule; raise `ModelError` if classes or widths do not fit."""
    path = folder / ANCHORS
    if about is None or not path.is_file():
        return {}
    stored = stored_weights(path, str(folder))
    for rule, (_, shape) in stored.items():
        if shape != (len(about.anchor_classes), width or shape[-1]):
            raise ModelError(
                f"{path}: the anchors {rule} have the shape {shape}, but there are {len(about.anchor_classes)} classes "
                f"and {width} dimensions"
            )
    anchors: dict[str, Tensor] = load_file(path)
    check_finite(anchors.items(), str(path))
    return anchors


def _load_classes(path: Path) -> list[str]:
    if not path.exists():
        return []
    classes = read_json(path, list)
    if any(not isinstance(name, str) for name in classes) or len(set(classes)) < len(classes):
        raise ModelError(f"{path} is not a list of distinct names")
    return classes


def _load_head(path: Path) -> tuple[nn.Module, tuple[int, int]]:
    """Return a head, and the widths of its input and output."""
    stored = stored_weights(path, str(path.parent))
    shapes = {name: shape for name, (_, shape) in stored.items()}
    layers = ("",) if "weight" in shapes else ("0.", "3.")
    if any(len(shapes.get(f"{layer}weight", ())) != 2 for layer in layers):
        raise ModelError(
            f"{path} is not a head: its weights are {', '.join(sorted(shapes))[:80] or 'missing'}"
        )
    (width, taken), (given, _) = (shapes[f"{layer}weight"] for layer in (layers[0], layers[-1]))
    with torch.device("meta"):  # values are assigned from the file
        head = nn.Linear(taken, width) if len(layers) == 1 else ProjectionHead(taken, width, given)
    check_kinds(head.state_dict().items(), {name: kind for name, (kind, _) in stored.items()}, str(path))
    weights: dict[str, Tensor] = load_file(path)
    check_finite(weights.items(), str(path))
    try:
        head.load_state_dict({name: _as_made(values) for name, values in weights.items()}, assign=True)
    except RuntimeError as error:
        raise ModelError(f"{path} is not a head: {' '.join(str(error).split())[:200]}") from error
    return head.requires_grad_(), (taken, given)


def _as_made(values: Tensor) -> Tensor:
    return values.float() if values.is_floating_point() else values


def saved_about(folder: Path, key: str) -> str | None:
    """Return an entry of a saved student's comodo.json: `objective` or `trained_by`.

    Returns:
        The entry; None if it is missing, as in students of comodo 0.1.

    Raises:
        ModelError: if the entry is not a string.
    """
    about = read_json(folder / OWN_FILE, dict).get(key)
    if about is not None and not isinstance(about, str):
        raise ModelError(f"{folder / OWN_FILE}: {key} is {about!r}, not a string")
    return about


def student_digest(folder: Path) -> str:
    """Return a digest of a saved student: that of its list of checksums."""
    return file_digest(folder / SUMS)[:16]


def has_linear_head(folder: Path) -> bool:
    """Return whether a saved student was trained with a linear projection and without a teacher projection.

    True for the baselines InfoNCE and L2. True for COMODO only with `student_head: linear` and `projection: none`.
    """
    student, teacher = (folder / f"{HEADS[role]}.safetensors" for role in ("student", "teacher"))
    if not student.is_file() or teacher.is_file():
        return False
    return "weight" in stored_weights(student, str(folder))
