"""What a training is bound to: its clips, and what its resumable state was made from."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from comodo.config import ExperimentSettings, StudentSettings, trained_by
from comodo.distill import experiment
from comodo.embeddings import store
from comodo.embeddings.anchors import select_anchors
from comodo.embeddings.store import open_store, write_store
from comodo.errors import StoreError
from comodo.models.distilled import saved_about
from comodo.objectives.targets import TeacherTargets
from tests.support.tables import window_table, write_windows

N = 24
CLIPS = window_table(
    {f"r{n}": 1 for n in range(N)},
    label=[f"class {n % 2}" for n in range(N)],
    split=[("train", "val", "test")[n * 3 // N] for n in range(N)],
)
SIZES = {"queue_size": 2, "batch_size": 4, "projection_hidden": 8, "projection_dim": 4}
EMBEDDINGS = np.random.default_rng(0).standard_normal((N, 8)).astype(np.float32)


def write_inputs(folder: Path, clips: pd.DataFrame = CLIPS, teacher: str = "t") -> None:
    write_store(folder / "store.h5", clips, 8, [EMBEDDINGS], {"teacher": teacher})
    select_anchors(folder / "store.h5", folder / "anchors.h5")
    write_windows(folder / "imu.h5", clips)


def distil(folder: Path, clips: pd.DataFrame = CLIPS) -> None:
    experiment.distill(
        settings=ExperimentSettings(dataset="d", teacher="t", student="s", **SIZES),
        student_settings=StudentSettings(architecture="dlinear"),
        seed=0,
        windows=clips,
        imu=[folder / "imu.h5"],
        store=folder / "store.h5",
        anchors=folder / "anchors.h5",
        state=folder / "state",
        folder=folder / "student",
        history=folder / "history.json",
        threads=1,
    )


def test_a_store_of_other_clips_is_refused(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    with pytest.raises(StoreError, match=r"store\.h5 was made from another clip table"):
        distil(tmp_path, CLIPS.assign(start_s=0.1))


def test_a_student_of_a_fold_has_its_splits_and_carries_its_number(tmp_path: Path) -> None:
    """The store and its anchors are of the listed splits, under which train and test are swapped."""
    write_inputs(tmp_path)
    swapped = CLIPS["split"].map({"train": "test", "val": "val", "test": "train"})
    distil(tmp_path, CLIPS.assign(split=swapped, listed_split=CLIPS["split"], fold=3))
    settings = ExperimentSettings(dataset="d", teacher="t", student="s", **SIZES)
    student = StudentSettings(architecture="dlinear")
    assert saved_about(tmp_path / "student", "trained_by") == trained_by(settings, student, 0, fold=3)
    with pytest.raises(StoreError):
        distil(tmp_path, CLIPS.assign(split=swapped))


def test_targets_keep_nothing_of_the_store_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_inputs(tmp_path)
    rows = np.array([3, 1, 7])
    monkeypatch.setattr(store, "MAPPED_ROWS", 1)
    with open_store(tmp_path / "store.h5") as file:
        targets = TeacherTargets(file, rows, torch.nn.Identity())
        found = targets[torch.tensor([2, 0])]
        expected = torch.from_numpy(EMBEDDINGS[[7, 3]])
        torch.testing.assert_close(found, torch.nn.functional.normalize(expected))
        if (maps := Path("/proc/self/maps")).exists():
            assert "store.h5" not in maps.read_text()


def other_clips(folder: Path) -> pd.DataFrame:
    clips = CLIPS.assign(end_s=4.9)
    write_inputs(folder, clips)
    return clips


def other_imu(folder: Path) -> pd.DataFrame:
    os.utime(folder / "imu.h5", ns=(0, 0))
    return CLIPS


def other_teacher(folder: Path) -> pd.DataFrame:
    write_inputs(folder, teacher="another")
    return CLIPS


CHANGES: dict[str, Callable[[Path], pd.DataFrame]] = {
    "clip table": other_clips,
    "IMU shards": other_imu,
    "embedding store": other_teacher,
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_state_knows_what_it_was_made_from(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Mapping[str, str]] = []

    def train(*given: Any) -> list[dict[str, float]]:
        seen.append(given[-1].made_from)
        return []

    monkeypatch.setattr(experiment, "train_distillation", train)
    write_inputs(tmp_path)
    os.utime(tmp_path / "imu.h5", ns=(1, 1))
    distil(tmp_path)
    distil(tmp_path)
    distil(tmp_path, CHANGES[name](tmp_path))
    assert seen[0] == seen[1]
    assert seen[1][name] != seen[2][name]
