"""The cost of a dataset with folds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from comodo.config import ConfigError, load
from comodo.plan.cost import dataset_sizes, fold_sizes, plan
from comodo.plan.rates import Rates

RAW: dict[str, Any] = {
    "datasets": {
        "home": {"layout": "table", "table": "t.csv", "root": "r", "video": None, "splits": "loso"},
        "away": {"layout": "ego4d", "root": "r"},
    },
    "students": {"s": {"checkpoint": "org/Tiny"}},
    "defaults": {"student": "s", "objective": "supervised", "epochs": 3, "batch_size": 8},
    "experiments": {"own": {"dataset": "home"}, "other": {"dataset": "away", "eval_datasets": ["home"]}},
    "seeds": [1, 2],
}
RATES = Rates(
    device="a stopwatch",
    seconds={"train Tiny, 1000 samples": {8: 360.0}, "embed Tiny, 1000 samples": {256: 3.6}},
    widths={"Tiny": 600},
)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """8 recordings of 4 people, each of 6 windows, all listed as train."""
    names = [f"r{k}" for k in range(8)]
    (tmp_path / "home").mkdir()
    index = pd.DataFrame({"recording": names, "group": [f"p{k % 4}" for k in range(8)]})
    index.to_parquet(tmp_path / "home/recordings.parquet")
    rows = [
        {"recording": name, "split": "train", "label": "x", "paired": False}
        for name in names
        for _ in range(6)
    ]
    pd.DataFrame(rows).to_parquet(tmp_path / "home/clips.parquet")
    return tmp_path


def test_each_fold_is_trained_and_evaluated(results: Path) -> None:
    """Each of 4 folds: 4 recordings in train, 2 in val, 2 in test."""
    config = load(RAW)
    sizes = dataset_sizes(config, results)
    parts = fold_sizes(sizes["home"][0])
    assert [part["split"].value_counts().to_dict() for part in parts] == [
        {"train": 4, "val": 2, "test": 2}
    ] * 4
    row = plan(config, sizes, RATES).set_index("job").loc["own"]
    assert (row["train"], row["epochs"], row["steps"]) == (24, 3, 2 * 4 * 9)
    assert row["windows"] == 2 * 4 * 36
    train, val, evaluated = 2 * 4 * 72 * 360 / 3600, 2 * 4 * 3 * 12 * 3.6 / 3600, 2 * 4 * 36 * 3.6 / 3600
    assert row["device_h"] == pytest.approx(train + val + evaluated)
    assert row["gb"] == pytest.approx(2 * 4 * 36 * 600 * 4 / 1e9)


def test_a_student_of_a_fixed_split_is_trained_once_and_evaluated_on_each_fold(results: Path) -> None:
    config = load(RAW)
    sizes = dataset_sizes(config, results)
    row = plan(config, sizes, RATES).set_index("job").loc["other"]
    once = (
        plan(load({**RAW, "experiments": {"other": {"dataset": "away"}}}), sizes, RATES)
        .set_index("job")
        .loc["other"]
    )
    assert (row["train"], row["steps"]) == (once["train"], once["steps"])
    assert row["windows"] == 2 * 4 * 36


def test_an_unknown_number_of_folds_is_named() -> None:
    raw = {**RAW, "datasets": {**RAW["datasets"], "home": {"layout": "ego4d", "root": "r", "splits": "loso"}}}
    with pytest.raises(
        ConfigError, match=r"datasets\.home: its number of folds is unknown until .*clips\.parquet"
    ):
        dataset_sizes(load(raw), Path("nowhere"))
    raw["datasets"]["home"]["splits"] = {"folds": 5}
    size, estimated = dataset_sizes(load(raw), Path("nowhere"))["home"]
    assert estimated
    assert sorted(set(size["fold"])) == [0, 1, 2, 3, 4]
