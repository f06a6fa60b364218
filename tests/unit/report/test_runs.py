"""What a config evaluates."""

from __future__ import annotations

from comodo.config import load
from comodo.report.runs import evaluated_runs

CONFIG = load(
    {
        "datasets": {name: {"layout": "ego4d", "root": name} for name in ("home", "away")},
        "teachers": {"t": {"checkpoint": "t"}},
        "students": {"s": {"checkpoint": "s"}},
        "defaults": {"dataset": "home", "student": "s"},
        "experiments": {
            "seed7": {"teacher": "t", "queue_size": 3, "eval_datasets": ["away", "home"]},
            "labels": {"objective": "supervised", "eval_datasets": ["home", "away"]},
        },
        "seeds": [1, 2],
    }
)


def test_every_encoder_on_every_dataset() -> None:
    runs = {run["folder"]: run for run in evaluated_runs(CONFIG)}
    assert list(runs) == [
        "away/teachers/t",
        "home/teachers/t",
        *(f"experiments/seed7/seed{seed}/{on}" for on in ("away", "home") for seed in (1, 2)),
        *(f"experiments/labels/seed{seed}/{on}" for on in ("home", "away") for seed in (1, 2)),
    ]
    teacher = runs["away/teachers/t"]
    assert teacher["protocols"] == ["anchors", "svm"]
    assert (teacher["experiment"], teacher["seed"], teacher["dataset"]) == (None, None, "away")
    ours = runs["experiments/seed7/seed2/away"]
    assert (ours["experiment"], ours["seed"], ours["dataset"], ours["eval_dataset"]) == (
        "seed7",
        2,
        "home",
        "away",
    )
    assert (ours["teacher"], ours["queue_size"], ours["protocols"]) == ("t", 3, ["anchors", "svm"])


def test_a_classifier_is_scored_on_its_own_dataset() -> None:
    runs = {run["folder"]: run for run in evaluated_runs(CONFIG)}
    assert runs["experiments/labels/seed1/home"]["protocols"] == ["head", "svm"]
    assert runs["experiments/labels/seed1/away"]["protocols"] == ["svm"]
    assert runs["experiments/labels/seed1/home"]["teacher"] == "-"
    assert runs["experiments/labels/seed1/home"]["queue_size"] is None


def test_a_seed_or_dataset_listed_twice_is_one_run() -> None:
    twice = CONFIG.model_copy(update={"seeds": (1, 1, 2)})
    assert [run["folder"] for run in evaluated_runs(twice)] == [
        run["folder"] for run in evaluated_runs(CONFIG)
    ]


def test_runs_of_folds() -> None:
    """`home` has two folds; a student of `away`, which has a fixed split, is the same for both."""
    raw = CONFIG.model_dump(by_alias=True, exclude_none=True)
    raw["datasets"]["home"]["splits"] = "loso"
    raw["experiments"] = {
        "own": {"dataset": "home", "student": "s", "teacher": "t", "queue_size": 3},
        "other": {"dataset": "away", "student": "s", "objective": "supervised", "eval_datasets": ["home"]},
    }
    config = load(raw)
    runs = {run["folder"]: run for run in evaluated_runs(config, {"home": 2})}
    assert list(runs) == [
        *(f"home/fold{fold}/teachers/t" for fold in (0, 1)),
        *(
            f"experiments/{name}/fold{fold}/seed{seed}/home"
            for name in ("own", "other")
            for fold in (0, 1)
            for seed in (1, 2)
        ),
    ]
    assert [run["fold"] for run in runs.values()] == [0, 1, *[0, 0, 1, 1] * 2]
    assert runs["experiments/own/fold1/seed2/home"]["trained_by"] == config.trained_by("own", 2, 1)
    assert runs["experiments/other/fold1/seed2/home"]["trained_by"] == config.trained_by("other", 2)
