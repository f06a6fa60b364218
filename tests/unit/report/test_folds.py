"""Tables of a dataset with folds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from comodo.config import load
from comodo.report.intervals import differences, pool_hits
from comodo.report.published import candidates
from comodo.report.runs import evaluated_runs
from comodo.report.summary import summary
from comodo.report.tables import collect, mean_over_seeds

CONFIG = load(
    {
        "datasets": {"home": {"layout": "ego4d", "root": ".", "video": None, "splits": "loso"}},
        "students": {"s": {"checkpoint": "s"}},
        "defaults": {"dataset": "home", "student": "s", "objective": "none"},
        "experiments": {"base": {}, "ours": {}},
        "seeds": [1, 2],
    }
)
RUNS = evaluated_runs(CONFIG, {"home": 3})
# correct windows of the one recording of each fold, and its windows
WINDOWS = [10, 10, 20]
BASE = [5, 5, 5]
OURS = {1: [6, 4, 10], 2: [8, 6, 10]}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for run in RUNS:
        fold, seed = run["fold"], run["seed"]
        assert fold is not None
        assert seed is not None
        hits = OURS[seed][fold] if run["experiment"] == "ours" else BASE[fold]
        row: dict[str, Any] = {
            "labels_per_class": "all",
            "scoring": "decision",
            "top3": 1,
            "top5": 1,
            "hits": [hits],
        }
        row |= {"top1": hits / WINDOWS[fold], "macro_f1": 0.5, "balanced_accuracy": 0.5, "kappa": 0.1 * fold}
        about = {
            "n_test": WINDOWS[fold],
            "n_classes": 4,
            "recordings": [f"r{fold}"],
            "windows": [WINDOWS[fold]],
        }
        path = tmp_path / run["folder"] / "svm.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({**about, "results": [row]}))
    return tmp_path


def test_each_fold_and_seed_is_a_row(results: Path) -> None:
    table = collect(results, RUNS)
    assert table.columns[-1] == "fold"
    assert (
        table[["fold", "seed"]].to_numpy().tolist()
        == [[fold, seed] for fold in range(3) for seed in (1, 2)] * 2
    )


def test_mean_and_deviation_over_folds(results: Path) -> None:
    """Means over seeds of the folds: 70, 50, 50 %; all folds together test 40 windows."""
    short = mean_over_seeds(collect(results, RUNS))
    assert short["experiment"].tolist() == ["base", "ours"]
    ours = short.iloc[1]
    assert (ours["top1"], ours["kappa"]) == ("56.7 ± 11.5", "0.10 ± 0.10")
    assert (ours["seeds"], ours["folds"], ours["n_test"]) == (2, 3, 40)
    wide = summary(collect(results, RUNS))
    assert wide["n"].tolist() == ["40", "40"]


def test_recordings_of_all_folds_are_pooled(results: Path) -> None:
    """Mean gain of the seeds: 2, 0 and 5 of 40 windows; each recording is a group of its own."""
    groups = {"home": {f"r{fold}": f"g{fold}" for fold in range(3)}}
    (row,) = differences(pool_hits(results, RUNS), {"ours": "base"}, groups).to_dict("records")
    assert row["difference"] == pytest.approx(7 / 40)
    assert (row["seeds"], row["groups"]) == (2, 3)
    assert (row["low"], row["high"]) == (row["group_low"], row["group_high"])
    assert row["low"] < 0 < row["high"]


def test_a_fixed_split_beside_folds_keeps_its_seeds(results: Path) -> None:
    table = collect(results, RUNS)
    fixed = table["fold"] == 0
    table.loc[fixed, "eval_dataset"] = "away"
    table.loc[fixed, "fold"] = pd.NA
    short = mean_over_seeds(table[table["experiment"] == "ours"]).set_index("eval_dataset")
    columns = ["seeds", "folds", "n_test", "top1"]
    assert short.loc["away", columns].tolist() == [2, 1, 10, "70.0 ± 14.1"]
    assert short.loc["home", columns].tolist() == [2, 2, 30, "50.0 ± 0.0"]


def test_folds_are_not_compared_with_published_splits() -> None:
    raw: dict[str, Any] = {
        "datasets": {"d": {"layout": "ego4d", "root": "r"}},
        "students": {"s": {"checkpoint": "s"}},
        "experiments": {"e": {"dataset": "d", "student": "s", "objective": "none"}},
    }
    assert len(candidates(load(raw))) == 1
    raw["datasets"]["d"]["splits"] = "loso"
    assert candidates(load(raw)) == []
