"""Frozen features of an encoder.

One HDF5 file holds the data that all protocols need for one encoder and one dataset:

    train/, test/   feature (N, D), pooled encoder output; clip, label, recording (N,).
                    With a teacher: projected (N, d), the student's features in the teacher's space, or the teacher's
                    own embeddings. With a classifier: scores (N, C).
    anchors/<rule>/ with a teacher: projected (C, d), the anchors in that space; label (C,)
    classes         with a classifier: (C,)

Its attributes identify the student and the content (`comodo.evaluate.identity`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from comodo.clips.tables import pairs_of
from comodo.embeddings.anchors import ANCHOR_RULES
from comodo.embeddings.store import open_store
from comodo.errors import ModelError
from comodo.evaluate.identity import ID, check_student, sign_features
from comodo.jobs.class_paths import import_class
from comodo.jobs.devices import use_device
from comodo.storage.artefacts import create_hdf5, open_hdf5, write_array, write_texts


def extract_features(
    student: Path,
    windows: pd.DataFrame,
    imu: Sequence[Path],
    anchors: Path | None,
    target: Path,
    threads: int,
    expected: str | None = None,
    student_class: str | None = None,
) -> None:
    """Write the features of every train and test window with complete IMU, with or without a video clip.

    Args:
        student: student folder of `distill`.
        windows: table of the windows of the dataset to evaluate (`comodo.clips.tables`).
        imu: preprocessed IMU shards of the dataset.
        anchors: anchors of the dataset and the student's teacher; None without a teacher or without video.
        target: the HDF5 file to write.
        threads: CPU threads to use.
        expected: digest of the settings that the student was trained by (`Config.trained_by`); None if unknown.
        student_class: class path of the student in the config. The class may be in the working folder.

    Raises:
        ClassPathError: if the class does not exist.
        DamageError: if the student's files are damaged, or its training settings do not match `expected`.
    """
    import torch

    from comodo.clips.imu_windows import ImuWindows
    from comodo.models.distilled import load_distilled
    from comodo.models.embed import embed_batches
    from comodo.models.heads import project_teacher

    check_student(student, expected)
    if student_class is not None:
        import_class(student_class)  # loading a student does not import from the working folder
    device = use_device(threads)
    trained = load_distilled(student, device)
    outputs = {"projected": trained.heads.get("student") if anchors is not None else None}
    outputs["scores"] = trained.heads.get("classifier")
    content = hashlib.sha256()
    with create_hdf5(target) as out:
        for split in ("train", "test"):
            own = windows[windows["split"] == split]
            columns: dict[str, list[NDArray[np.float32]]] = {"feature": []}
            for batch in embed_batches(trained.student, ImuWindows(own, imu), device):
                columns["feature"].append(batch.cpu().numpy())
                for name, head in outputs.items():
                    if head is not None:
                        with torch.inference_mode():
                            columns.setdefault(name, []).append(head(batch).cpu().numpy())
            arrays = {name: np.concatenate(parts) for name, parts in columns.items()}
            check_rows(arrays, own["clip"], f"student {student}")
            _write_split(out.create_group(split), own, arrays, content)
        if trained.classes:
            out["classes"] = trained.classes
        if anchors is not None:
            with open_hdf5(anchors) as anchor_file:
                for rule in ANCHOR_RULES:
                    embedding = torch.as_tensor(anchor_file[rule]["embedding"][:], device=device)
                    projected = project_teacher(embedding, trained.heads["teacher"]).cpu().numpy()
                    classes = anchor_file[rule]["label"].asstr()[:]
                    check_rows({"projected anchor": projected}, classes, f"student {student}")
                    _write_anchors(out, rule, projected, classes, content)
        sign_features(out, content.hexdigest()[:16], student)


def extract_teacher_features(store: Path, windows: pd.DataFrame, anchors: Path, target: Path) -> None:
    """Write a teacher's embeddings as features, an upper bound for its students.

    Args:
        store: the embedding store.
        windows: table of the dataset's windows; the store has the pairs among them.
        anchors: the teacher's anchors.
        target: the HDF5 file to write.

    Raises:
        StoreError: if the store is of another clip table.
    """
    pairs = pairs_of(windows)
    content = hashlib.sha256()
    with (
        open_store(store, expected=pairs) as file,
        open_hdf5(anchors) as anchor_file,
        create_hdf5(target) as out,
    ):
        for split in ("train", "test"):
            own = np.flatnonzero(pairs["split"] == split)
            embeddings = file["embedding"][own]
            arrays = {"feature": embeddings, "projected": embeddings}
            check_rows(arrays, pairs["clip"].iloc[own], f"teacher of {store}")
            _write_split(out.create_group(split), pairs.iloc[own], arrays, content)
        for rule in ANCHOR_RULES:
            embedding, classes = anchor_file[rule]["embedding"][:], anchor_file[rule]["label"].asstr()[:]
            check_rows({"anchor": embedding}, classes, f"teacher of {store}")
            _write_anchors(out, rule, embedding, classes, content)
        out.attrs[ID] = content.hexdigest()[:16]


def check_rows(arrays: Mapping[str, NDArray[np.float32]], ids: ArrayLike, whose: str) -> None:
    """Raise an error for rows (N, D) that are not finite, because their rank would be arbitrary.

    Args:
        arrays: arrays by the name of their rows.
        ids: ids of the rows: clips or classes.
        whose: the model that computed them, for the message.

    Raises:
        ModelError: if a row is not finite. The message names the model and the first such row.
    """
    for name, array in arrays.items():
        finite = np.isfinite(array).reshape(len(array), -1).all(axis=1)
        if not finite.all():
            raise ModelError(
                f"{whose}: not finite: the {name} of {np.asarray(ids)[finite.argmin()]}; use another model, or train "
                "it again"
            )


def _write_split(
    group: h5py.Group, rows: pd.DataFrame, arrays: Mapping[str, NDArray[np.float32]], content: Any
) -> None:
    """Write a split, and update the hash `content` with it."""
    for name, array in arrays.items():
        write_array(group, name, array)
        content.update(np.ascontiguousarray(array))
    for name in ("clip", "label", "recording"):
        write_texts(group, name, rows[name])
        content.update("\n".join(rows[name]).encode())


def _write_anchors(
    out: h5py.File, rule: str, projected: NDArray[np.float32], classes: NDArray[Any], content: Any
) -> None:
    group = out.create_group(f"anchors/{rule}")
    write_array(group, "projected", projected)
    write_texts(group, "label", classes)
    content.update(np.ascontiguousarray(projected))
