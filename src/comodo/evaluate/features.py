"""Frozen features of an encoder, and how they score.

One HDF5 file holds all that the protocols of one encoder on one dataset need:

    train/, test/   feature (N, D) pooled encoder output; clip, label, recording (N,); with a teacher also projected
                    (N, d), the student in the teacher's space (for a teacher: its embedding); of a classifier also
                    scores (N, C)
    anchors/<rule>/ with a teacher: projected (C, d), label (C,), the anchors in that space
    classes         of a classifier: (C,)

Its attributes say what it was made from (`comodo.evaluate.identity`).
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
    """Write the features of every train and test window with whole IMU, with or without a video clip.

    Args:
        student: what `distill` wrote.
        windows: of the dataset to evaluate on (`comodo.clips.tables`).
        imu: its preprocessed shards.
        anchors: its anchors in the space of the student's teacher; none where there is no teacher, or no video.
        target: the HDF5 file to write.
        threads: CPU threads to use.
        expected: what the student was trained by (`Config.trained_by`), where that is known.
        student_class: class path of the student in the config, which may lie in the working folder.

    Raises:
        ClassPathError: there is no such class.
        DamageError: when the student's files are damaged, or it was trained by something else than `expected`.
    """
    import torch

    from comodo.clips.imu_windows import ImuWindows
    from comodo.models.distilled import load_distilled
    from comodo.models.embed import embed_batches
    from comodo.models.heads import project_teacher

    check_student(student, expected)
    if student_class is not None:
        import_class(student_class)  # a student's folder alone imports nothing from the working folder
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
    """Write a teacher's own embeddings as features: an upper bound of what its student can take over.

    Args:
        store: the embedding store.
        windows: of the dataset; the store holds the pairs among them.
        anchors: the teacher's anchors.
        target: the HDF5 file to write.

    Raises:
        StoreError: when the store was made from another clip table.
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
    """Refuse rows (N, D) that are not finite, which rankings would place at will.

    Args:
        arrays: by what their rows are.
        ids: of the rows: clips or classes.
        whose: the model that made them.

    Raises:
        ModelError: it names the model, and the first such row.
    """
    for name, array in arrays.items():
        finite = np.isfinite(array).reshape(len(array), -1).all(axis=1)
        if not finite.all():
            raise ModelError(
                f"{whose}: not finite: the {name} of {np.asarray(ids)[finite.argmin()]}; take another model, or train "
                "it again"
            )


def _write_split(
    group: h5py.Group, rows: pd.DataFrame, arrays: Mapping[str, NDArray[np.float32]], content: Any
) -> None:
    """Write a split; `content` is a hash that takes in all of it."""
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
