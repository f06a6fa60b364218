"""Describe a trained student: its anchors, its calibration on val, and the figures of its training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from comodo.clips.tables import fold_of, pairs_of
from comodo.embeddings.anchors import held_out_anchors
from comodo.embeddings.ranking import nearest_anchor, unit
from comodo.embeddings.store import clips_digest, read_embeddings
from comodo.models.about import About, Calibration
from comodo.models.base import Student
from comodo.models.calibration import calibrate
from comodo.models.heads import project_teacher
from comodo.objectives import Lesson
from comodo.objectives.rankings import project_anchors
from comodo.recordings.signal import CHANNELS
from comodo.storage.packages import package_versions

UNITS = ("m/s²",) * 3 + ("rad/s",) * 3


def calibrate_anchors(
    outputs: NDArray[np.float32],
    val: pd.DataFrame,
    embeddings: NDArray[np.float32],
    classes: Sequence[str],
    anchors: Mapping[str, Tensor],
    teacher_head: nn.Module,
) -> dict[str, Calibration]:
    """Calibrate the nearest anchor on val windows, with anchors that leave the window's own recording out.

    Args:
        outputs: (N, d), the student's projected embeddings of the val windows.
        val: rows of the val windows, N.
        embeddings: (N, D), the teacher's embeddings of their clips.
        classes: classes of the anchors.
        anchors: projected anchors (C, d) by rule.
        teacher_head: projection of the teacher.

    Returns:
        Calibrations by rule. It is empty if no class has two val recordings.
    """
    labels, recordings = (val[name].to_numpy(object) for name in ("label", "recording"))
    truth = np.array([classes.index(label) for label in labels], dtype=np.int64)
    found = {}
    for rule, projected in anchors.items():
        held_out = held_out_anchors(embeddings, labels, recordings, rule)
        usable = np.array([recording in held_out for recording in recordings], dtype=bool)
        if not usable.any():
            return {}
        own = project_teacher(torch.from_numpy(np.stack(list(held_out.values()))), teacher_head).numpy()
        places = {recording: number for number, recording in enumerate(held_out)}
        place = [places[recording] for recording in recordings[usable]]
        scores = nearest_anchor(outputs[usable], projected.numpy())
        rows = np.arange(len(scores))
        scores[rows, truth[usable]] = (unit(outputs[usable]) * unit(own[place])).sum(axis=1)
        found[rule] = calibrate(scores, truth[usable])
    return found


def describe(
    config: Mapping[str, Any],
    student: Student,
    lesson: Lesson,
    windows: pd.DataFrame,
    outputs: NDArray[np.float32],
    store: h5py.File | None,
    anchors: Path | None,
    rows: Sequence[Mapping[str, Any]],
    seed: int,
) -> tuple[About, dict[str, Tensor]]:
    """Return the description of a trained student, and its projected anchors (C, d) by rule.

    Args:
        config: keyword arguments of `About` from the config.
        student: the trained student.
        lesson: what it was trained on.
        windows: table of the dataset's windows.
        outputs: (N, d), output of the trained head for the windows of `lesson.val`; empty without any.
        store: open embedding store; None without a teacher.
        anchors: anchors of the dataset; None without a teacher.
        rows: the history.
        seed: seed of the run.
    """
    classes: tuple[str, ...] = ()
    projected: dict[str, Tensor] = {}
    calibration: dict[str, Calibration] = {}
    missing = "" if len(outputs) else "there are no val windows"
    if anchors is not None and {"student", "teacher"} <= lesson.heads.keys():
        head = lesson.heads["teacher"].cpu()
        found, projected = project_anchors(anchors, head)
        classes = tuple(found.tolist())
        if len(outputs) and store is not None:
            val = np.flatnonzero(pairs_of(windows)["split"] == "val")
            embeddings = read_embeddings(store, val)
            calibration = calibrate_anchors(outputs, lesson.val, embeddings, classes, projected, head)
            missing = "" if calibration else "no class has val windows of two recordings"
    elif lesson.classes and len(outputs):
        known = lesson.val["label"].isin(lesson.classes).to_numpy()
        truth = [lesson.classes.index(label) for label in lesson.val["label"][known]]
        if truth:
            calibration = {"head": calibrate(outputs[known], np.array(truth))}
    train = windows.loc[windows["split"] == "train", "label"]
    whole = student.channels == len(CHANNELS)
    channels = CHANNELS if whole else tuple(f"channel_{number}" for number in range(student.channels))
    last = {key: value for key, value in rows[-1].items() if key not in ("epoch", "loss", "lr", "seconds")}
    about = About.model_validate(
        {
            **config,
            "input": {**config["input"], "channels": channels, "units": UNITS if whole else ()},
            "clip_table": clips_digest(pairs_of(windows)) if store is not None else "",
            "seed": seed,
            "fold": fold_of(windows),
            "train_windows": train.value_counts().sort_index().to_dict(),
            "anchor_classes": classes,
            "calibration": calibration,
            "uncalibrated": missing,
            "val": {key: value for key, value in last.items() if isinstance(value, float)},
            "packages": package_versions(),
        }
    )
    return about, projected
