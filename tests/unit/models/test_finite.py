"""Weights, embeddings and scores that are not finite are refused, and named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from comodo.clips.imu_windows import ImuWindows
from comodo.embeddings.anchors import select_anchors
from comodo.embeddings.store import write_store
from comodo.errors import ModelError
from comodo.evaluate.features import extract_features, extract_teacher_features
from comodo.models.checkpoints import check_finite
from comodo.models.distilled import load_distilled, save_distilled
from comodo.models.embed import embed
from comodo.models.students import load_student, save_student
from comodo.models.teachers import load_teacher
from comodo.storage.artefacts import write_sums
from tests.support.checkpoints import copy_of, write_dinov2
from tests.support.students import FRESH, small_student
from tests.support.tables import window_table, write_windows

SPLITS = np.array(["train", "val", "test"])


def poison(file: Path, value: float, name: str | None = None) -> str:
    """Put a value among the weights of a file, or of one by name, and list its digest anew; the weight's name."""
    weights = load_file(file)
    name = name or next(
        n for n in sorted(weights) if weights[n].is_floating_point() and weights[n].numel() > 1
    )
    weights[name].flatten()[-1] = value
    save_file(weights, file, metadata={"format": "pt"})
    if (file.parent / "SHA256SUMS").exists():
        write_sums(file.parent)
    return name


def windows_of(folder: Path, recordings: int = 6) -> tuple[pd.DataFrame, Path]:
    table = window_table(
        {f"r{k}": 3 for k in range(recordings)}, label=[f"c{n % 2}" for n in range(3 * recordings)]
    )
    table = table.assign(split=SPLITS[np.arange(len(table)) // 6 % 3])
    return table, write_windows(folder / "imu.h5", table)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("family", FRESH)
def test_a_student_of_weights_that_are_not_finite(family: str, value: float, tmp_path: Path) -> None:
    save_student(small_student(family), tmp_path / "s")
    name = poison(tmp_path / "s/model.safetensors", value)
    with pytest.raises(
        ModelError, match=rf"{tmp_path}/s'?: the weight '.*{name}' holds values that are not finite"
    ):
        load_student(tmp_path / "s")


@pytest.mark.parametrize("role", ["student_projection", "teacher_projection", "classifier"])
def test_a_head_of_weights_that_are_not_finite(role: str, tmp_path: Path) -> None:
    student = small_student("dlinear")
    heads = {
        "student": nn.Linear(student.dim, 4),
        "teacher": nn.Linear(8, 4),
        "classifier": nn.Linear(student.dim, 2),
    }
    save_distilled(tmp_path / "s", student, heads, ["a", "b"], objective="comodo")
    name = poison(tmp_path / f"s/{role}.safetensors", np.nan)
    with pytest.raises(
        ModelError, match=rf"{role}\.safetensors: the weight '{name}' holds values that are not"
    ):
        load_distilled(tmp_path / "s", "cpu")


@pytest.mark.parametrize("write", [write_dinov2, None])
def test_a_teacher_of_weights_that_are_not_finite(
    write: Callable[[Path], object] | None, golden: Path, tmp_path: Path
) -> None:
    if write:
        write(tmp_path / "t")
    else:
        copy_of(golden, "videomae-tiny", tmp_path / "t")
    name = poison(tmp_path / "t/model.safetensors", np.nan)
    with pytest.raises(
        ModelError, match=rf"teacher '{tmp_path}/t': the weight '.*{name.split('.')[-1]}' holds"
    ):
        load_teacher(tmp_path / "t")


def test_large_and_odd_weights_are_finite() -> None:
    check_finite(
        {
            "large": torch.full((4,), torch.finfo(torch.float32).min),
            "half": torch.full((4,), 65504, dtype=torch.float16),
            "none": torch.empty(0),
            "scalar": torch.tensor(3.0),
            "ids": torch.arange(3),
            "grown": nn.Parameter(torch.ones(2, 2)),
        }.items(),
        "x",
    )


def test_an_embedding_that_overflows_names_the_window(tmp_path: Path) -> None:
    table, shard = windows_of(tmp_path)
    student = small_student("dlinear")
    with torch.no_grad():
        for weight in student.parameters():
            weight.fill_(torch.finfo(torch.float32).max)
    with pytest.raises(ModelError, match=r"dlinear student's embedding of window 0 \(recording r0, samples "):
        list(embed(student, ImuWindows(table, [shard]), "cpu"))


def test_imu_that_is_not_finite_is_not_blamed_on_the_student(tmp_path: Path) -> None:
    table, shard = windows_of(tmp_path)
    with h5py.File(shard, "r+") as file:
        file["r1/data"][:, :] = np.nan
    with pytest.raises(
        ModelError, match=r"the IMU of window 3 \(recording r1, samples .*\) is not finite: no student"
    ):
        list(embed(small_student("dlinear"), ImuWindows(table, [shard]), "cpu"))


def test_scores_that_overflow_name_student_and_clip(tmp_path: Path) -> None:
    table, shard = windows_of(tmp_path)
    student, head = small_student("dlinear"), nn.Linear(6 * 64, 2)
    nn.init.constant_(head.weight, torch.finfo(torch.float32).max)
    save_distilled(tmp_path / "s", student, {"classifier": head}, ["c0", "c1"], objective="supervised")
    with pytest.raises(
        ModelError, match=rf"student {tmp_path}/s: not finite: the scores of {table['clip'][0]};"
    ):
        extract_features(tmp_path / "s", table, [shard], None, tmp_path / "features.h5", 1)
    assert not (tmp_path / "features.h5").exists()


def test_a_teacher_s_embedding_that_is_not_finite(tmp_path: Path) -> None:
    """Of a store of the first version, which had no checksum."""
    table, _ = windows_of(tmp_path)
    store, anchors = tmp_path / "store.h5", tmp_path / "anchors.h5"
    write_store(store, table, 4, [np.ones((len(table), 4), np.float32)], {})
    select_anchors(store, anchors)
    with h5py.File(store, "r+") as file:
        file["embedding"][1, 2] = np.nan
        del file.attrs["checksum"]
    with pytest.raises(
        ModelError, match=rf"teacher of {store}: not finite: the feature of {table['clip'][1]};"
    ):
        extract_teacher_features(store, table, anchors, tmp_path / "features.h5")
    with h5py.File(store, "r+") as file:
        file["embedding"][1, 2] = 1
    with h5py.File(anchors, "r+") as file:
        file["mean/embedding"][1, 0] = np.inf
    with pytest.raises(ModelError, match=r"not finite: the anchor of c1;"):
        extract_teacher_features(store, table, anchors, tmp_path / "features.h5")
