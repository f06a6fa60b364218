"""What the whole chain leaves behind."""

from __future__ import annotations

import json
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest

from comodo.config import load
from comodo.embeddings.store import open_store
from comodo.report.tables import COLUMNS
from tests.support.project import Project, tiny_config
from tests.support.stores import read_made_by

pytestmark = pytest.mark.workflow


def test_accuracy_table(finished: Project) -> None:
    table = pd.read_csv(finished.folder / "results/report/accuracy.csv", keep_default_na=False)
    assert table.columns.tolist() == COLUMNS
    assert set(table["objective"]) == {"comodo", "none", "-"}
    assert set(table[table["student"] == "-"]["teacher"]) == {"small"}
    for (_, _), rows in table.groupby(["student", "objective"]):
        anchors = rows[rows["protocol"] == "anchor"]
        assert anchors["scoring"].tolist() == ["first", "medoid", "mean"]
        svm = rows[rows["protocol"] == "svm"]
        assert svm["labels_per_class"].tolist() == ["1", "5", "10", "all", "all"]
        assert svm["scoring"].tolist() == ["decision"] * 4 + ["platt"]
    scores = table[["top1", "top3", "top5"]].astype(float)
    assert scores.stack().between(0, 1).all()
    assert (scores["top1"] <= scores["top3"]).all()
    assert table[["macro_f1", "balanced_accuracy"]].stack().between(0, 1).all()
    assert table["kappa"].between(-1, 1).all()
    assert table["balanced_accuracy"].tolist() == pytest.approx(
        table["top1"].tolist()
    )  # as many of each class
    assert set(table["n_test"]) == {9}  # 3 activities × 15 s of one subject


def test_report_has_tables_and_figures(finished: Project) -> None:
    folder = finished.folder / "results/report"
    assert "teacher small" in (folder / "summary.md").read_text()
    assert (folder / "accuracy.md").read_text().count("\n") > 20
    for figure in ("training.png", "label-efficiency.png"):
        assert (folder / figure).read_bytes().startswith(b"\x89PNG")


def test_store_says_what_made_it(finished: Project) -> None:
    clips = pd.read_parquet(finished.folder / "results/tiny/clips.parquet")
    with open_store(finished.folder / "results/tiny/teachers/small/embeddings.h5", expected=clips) as store:
        made_by = read_made_by(store)
        assert made_by["family"] == "videomae"
        assert len(made_by["weights"]) == 16
        assert store["embedding"].shape == (45, 32)
        assert np.unique(store["embedding"], axis=0).shape == (45, 32)


def test_splits_stay_apart(finished: Project) -> None:
    """Train and test of the features, and val of the anchors, are the recordings that the split files name."""
    results = finished.folder / "results"
    split = {}
    for name in ("train", "val", "test"):
        for line in (finished.folder / f"dataset/tiny/splits/{name}.txt").read_text().splitlines():
            split[line.split("\t")[0]] = name

    def recordings(clips: list[str]) -> set[str]:
        return {split[clip.split("#")[0]] for clip in clips}

    with h5py.File(results / "experiments/comodo/seed42/tiny/features.h5") as features:
        for name in ("train", "test"):
            assert recordings(features[f"{name}/clip"].asstr()[:].tolist()) == {name}
    with h5py.File(results / "tiny/teachers/small/anchors.h5") as anchors:
        for rule in anchors.values():
            assert recordings("\n".join(rule["clips"].asstr()[:]).split("\n")) == {"val"}


def test_quality_report_covers_every_recording(finished: Project) -> None:
    quality = pd.read_csv(finished.folder / "results/tiny/quality.csv", keep_default_na=False)
    whole = quality[quality["window"] == -1]
    indexed = pd.read_parquet(finished.folder / "results/tiny/recordings.parquet")
    assert sorted(whole["recording"]) == sorted(indexed["recording"])
    assert whole["pairs"].tolist() == [3] * 15


def test_history_follows_the_epochs(finished: Project) -> None:
    history = json.loads((finished.folder / "results/experiments/comodo/seed42/history.json").read_text())
    assert [row["epoch"] for row in history] == [0, 1]
    assert all(0 <= row["zero_shot_mean"] <= 1 for row in history)
    assert not (finished.folder / "results/experiments/comodo/seed42/state").exists()


def test_distilled_student_loads_by_itself(finished: Project) -> None:
    import torch

    from comodo.models.students import load_student

    student = load_student(finished.folder / "results/experiments/comodo/seed42/student")
    settings = load(tiny_config()).students["small"]
    assert student.dim == 6 * settings.architecture_config["hidden_dim"]
    assert student(torch.randn(2, 6, 1000)).shape == (2, student.dim)


@pytest.mark.slow
def test_every_objective_runs_beside(copied: Project) -> None:
    config = tiny_config()
    config["defaults"]["baseline"] = "frozen"
    config["experiments"] |= {
        "infonce": {"objective": "infonce", "infonce_symmetric": [False, True]},
        "l2": {"objective": "l2"},
        "supervised": {"objective": "supervised", "labels_per_class": [None, 2]},
        "untaught": {"objective": "none", "teacher": None},
        "projection": {"projection": ["pca", "none"], "student_head": "linear", "clips_per_recording": 2},
    }
    assert copied.plan(config)["distill"] == 8
    copied.run(config)
    results = copied.folder / "results"
    table = pd.read_csv(results / "report/accuracy.csv", keep_default_na=False)
    assert set(table["objective"]) == {"comodo", "none", "infonce", "l2", "supervised", "-"}
    untrained = (results / "experiments/frozen/seed42/student/model.safetensors").read_bytes()
    for name in (
        "infonce-infonce_symmetric=False",
        "infonce-infonce_symmetric=True",
        "l2",
        "supervised-labels_per_class=None",
    ):
        run = results / f"experiments/{name}/seed42"
        losses = [epoch["loss"] for epoch in json.loads((run / "history.json").read_text())]
        assert np.isfinite(losses).all()
        assert name != "l2" or losses[-1] < losses[0]  # the others are noise after two epochs of six steps
        assert (run / "student/model.safetensors").read_bytes() != untrained
    assert set(table.loc[table["objective"] == "infonce", "queue_size"]) == {""}

    untaught = table[table["experiment"] == "untaught"]
    assert set(untaught["protocol"]) == {"svm"}
    assert set(untaught["teacher"]) == {"-"}
    head = table[table["protocol"] == "head"]
    assert dict(zip(head["experiment"], head["labels_per_class"], strict=True)) == {
        "supervised-labels_per_class=None": "all",
        "supervised-labels_per_class=2": "2",
    }
    differences = pd.read_csv(results / "report/differences.csv")
    assert set(differences["baseline"]) == {"frozen"}
    assert (differences["low"] <= differences["high"]).all()
    assert len(differences[differences["experiment"] == "comodo"]) == 3 + 5
    assert len(differences[differences["experiment"] == "untaught"]) == 5
    assert "comodo − frozen" in (results / "report/summary.md").read_text()

    shutil.rmtree(results / "experiments/projection-projection=pca")
    (
        results / "report/accuracy.csv"
    ).unlink()  # as in a sweep that was broken off: nobody has asked for less yet
    again = copied.plan(config)
    assert again["distill"] == again["extract_features"] == again["evaluate_svm"] == 1
