"""Frozen features of an encoder, and how they score.

One HDF5 file holds all that the protocols of one encoder on one dataset need:

    train/, test/   feature (N, D) pooled encoder output; clip, label (N,); test/ also projected (N, d), the
                    student in the teacher's space (for a teacher: its embedding)
    anchors/<rule>/ projected (C, d), label (C,): the anchors in that space
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from comodo.anchors import ANCHOR_RULES, nearest_anchor
from comodo.devices import use_device
from comodo.files import atomic
from comodo.metrics import top_k
from comodo.store import open_store, read_rows


def extract_features(
    student: Path, clips: pd.DataFrame, imu: Sequence[Path], anchors: Path, target: Path, threads: int
) -> None:
    """Write the features of every train and test window with whole IMU, with or without a video clip.

    Args:
        student: what `distill` wrote.
        clips: the clip table of the dataset to evaluate on.
        imu: its preprocessed shards.
        anchors: its anchors in the space of the student's teacher.
        target: the HDF5 file to write.
        threads: CPU threads to use.
    """
    import torch

    from comodo.distillation import load_distilled
    from comodo.models import project_teacher
    from comodo.windows import ImuWindows, embed

    device = use_device(threads)
    encoder, student_head, teacher_head = load_distilled(student, device)
    with atomic(target) as partial, h5py.File(partial, "w") as out, h5py.File(anchors, "r") as anchor_file:
        for split in ("train", "test"):
            own = clips[clips["split"] == split]
            features, projected = [], []
            for batch in embed(encoder, ImuWindows(own, imu), device):
                features.append(batch.cpu().numpy())
                with torch.inference_mode():
                    projected.append(student_head(batch).cpu().numpy())
            _write_split(out.create_group(split), own, np.concatenate(features), np.concatenate(projected))
        for rule in ANCHOR_RULES:
            embedding = torch.as_tensor(anchor_file[rule]["embedding"][:], device=device)
            group = out.create_group(f"anchors/{rule}")
            group["projected"] = project_teacher(embedding, teacher_head).cpu().numpy()
            group["label"] = list(anchor_file[rule]["label"].asstr()[:])


def extract_teacher_features(store: Path, anchors: Path, target: Path) -> None:
    """Write a teacher's own embeddings as features: what its student could at best take over."""
    with (
        open_store(store) as file,
        h5py.File(anchors, "r") as anchor_file,
        atomic(target) as partial,
        h5py.File(partial, "w") as out,
    ):
        rows = read_rows(file)
        for split in ("train", "test"):
            own = np.flatnonzero(rows["split"] == split)
            embeddings = file["embedding"][own]
            _write_split(out.create_group(split), rows.iloc[own], embeddings, embeddings)
        for rule in ANCHOR_RULES:
            group = out.create_group(f"anchors/{rule}")
            group["projected"] = anchor_file[rule]["embedding"][:]
            group["label"] = list(anchor_file[rule]["label"].asstr()[:])


def _write_split(
    group: h5py.Group, rows: pd.DataFrame, features: NDArray[np.float32], projected: NDArray[np.float32]
) -> None:
    group["feature"] = features
    group["projected"] = projected
    group["clip"] = list(rows["clip"])
    group["label"] = list(rows["label"])


def score_anchors(features: Path) -> dict[str, Any]:
    """Zero-shot accuracy on test: the class of the nearest anchor, by each anchor rule."""
    with h5py.File(features, "r") as file:
        labels = file["test/label"].asstr()[:]
        results = []
        for rule in ANCHOR_RULES:
            anchors = file[f"anchors/{rule}"]
            classes = anchors["label"].asstr()[:]
            similarity = nearest_anchor(file["test/projected"][:], anchors["projected"][:])
            results.append({"labels_per_class": 0, "scoring": rule} | top_k(similarity, classes, labels))
        return {"n_test": len(labels), "n_classes": len(classes), "results": results}
