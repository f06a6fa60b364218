"""Folds by group through the real Snakefile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from tests.support.project import STUDENT, Project, tiny_config
from tests.support.writers import motion
from tests.workflow.test_imu_only import IMU_CSV, write_imu

pytestmark = pytest.mark.workflow
PEOPLE = ("ann", "bob", "cem")


def leave_one_out(root: Path) -> dict[str, Any]:
    """A config of an IMU-only table without splits: three people, each walking and sitting for 10 s."""
    rows = []
    for k, (person, label) in enumerate((person, label) for person in PEOPLE for label in ("walk", "sit")):
        time = np.arange(1000) / 100
        accel, gyro = np.split(motion(time + k) * (1 if label == "walk" else 0.01), 2)
        write_imu(root / f"{k}.csv", 1e12 + 1000 * time, accel / 9.80665, np.rad2deg(gyro))
        rows.append(f"{person}-{label},{label},{k}.csv,{person}")
    (root / "table.csv").write_text("\n".join(["recording,label,imu,person", *rows]) + "\n")
    mine = {"layout": "table", "root": str(root), "table": str(root / "table.csv"), "video": None}
    return {
        "datasets": {"mine": {**mine, "imu": {"csv": IMU_CSV}, "splits": {"by": "person"}}},
        "students": {"small": STUDENT},
        "experiments": {"frozen": {"dataset": "mine", "student": "small", "objective": "none"}},
        "evaluation": {"labels_per_class": ["all"]},
    }


@pytest.mark.slow
def test_leave_one_subject_out_from_a_table_without_splits(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    config = leave_one_out(tmp_path / "raw")
    project, results = Project(tmp_path), tmp_path / "results"
    project.run(config)
    assert project.plan(config) == {}
    for fold, person in enumerate(PEOPLE):
        windows = pd.read_parquet(results / f"mine/fold{fold}/clips.parquet")
        split_of = windows.groupby(windows["recording"].str.split("-").str[0])["split"].agg(set).to_dict()
        after = PEOPLE[(fold + 1) % 3]
        assert split_of == {name: {"train"} for name in PEOPLE} | {person: {"test"}, after: {"val"}}
        with h5py.File(results / f"experiments/frozen/fold{fold}/seed42/mine/features.h5") as features:
            tested = {name.split("-")[0] for name in features["test/recording"].asstr()[:]}
            trained = {name.split("-")[0] for name in features["train/recording"].asstr()[:]}
        assert tested == {person}
        assert trained == {*PEOPLE} - {person, after}
    table = pd.read_csv(results / "report/accuracy.csv")
    assert table["fold"].tolist() == [0, 0, 1, 1, 2, 2]  # by decision and by Platt's probabilities
    assert set(table["n_test"]) == {4}
    summary = (results / "report/summary.md").read_text()
    assert "With folds: mean ± standard deviation over folds" in summary
    assert "|  12 |" in summary
    digests = {
        json.loads(path.read_text())["trained_by"]
        for path in results.glob("experiments/*/*/*/student/comodo.json")
    }
    assert len(digests) == 3  # so that students of two folds cannot be exchanged


def test_a_recording_without_a_group_is_named(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    config = leave_one_out(tmp_path / "raw")
    path = tmp_path / "raw/table.csv"
    path.write_text(path.read_text().replace("sit,1.csv,ann", "sit,1.csv,"))
    done = Project(tmp_path).snakemake(config, "--dry-run")
    told = done.stdout + done.stderr
    assert done.returncode != 0
    assert "no group is known of recording ann-sit: name it" in told
    assert "datasets.mine.splits" in told
    assert "Traceback" not in told


def test_folds_share_all_that_does_not_depend_on_them(finished: Project) -> None:
    """Of a project with a fixed split: no clip is extracted, no IMU resampled, nothing encoded again."""
    config = tiny_config()
    for splits, folds in (({"folds": 3}, 3), ("loso", 5)):
        config["datasets"]["tiny"]["splits"] = splits
        assert finished.plan(config) == {
            **dict.fromkeys(("assign_fold", "select_fold_anchors", "extract_teacher_features"), folds),
            **dict.fromkeys(("distill", "extract_features"), 2 * folds),
            **dict.fromkeys(("evaluate_anchors", "evaluate_svm"), 3 * folds),
            "report": 1,
        }
