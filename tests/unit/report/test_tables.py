from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from comodo.config import load
from comodo.report.intervals import DIFFERENCES, differences, pool_hits
from comodo.report.runs import evaluated_runs
from comodo.report.summary import gains, gains_text, summary
from comodo.report.tables import COLUMNS, collect, mean_over_seeds
from comodo.report.write import write_report
from comodo.storage.artefacts import write_table

CONFIG = load(
    {
        "datasets": {"home": {"layout": "ego4d", "root": "."}},
        "teachers": {"videomae": {"checkpoint": "videomae"}},
        "students": {"mantis": {"checkpoint": "mantis"}},
        "defaults": {"dataset": "home", "teacher": "videomae", "student": "mantis"},
        "experiments": {"frozen": {"objective": "none"}, "ours": {"queue_size": 64}},
        "seeds": [1, 2],
    }
)
BASELINES = {"ours": "frozen"}
RUNS = evaluated_runs(CONFIG)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for number, run in enumerate(RUNS):
        folder = tmp_path / run["folder"]
        folder.mkdir(parents=True)

        def row(labels: Any, scoring: str, top1: float) -> dict[str, Any]:
            scores = {"top1": top1, "top3": 0.9, "top5": 1.0, "hits": [10 * top1, 20 * top1]}
            return {"labels_per_class": labels, "scoring": scoring, **scores}

        anchors = [row(0, rule, 0.1 * number) for rule in ("first", "medoid", "mean")]
        for each in anchors:  # the other rows are as earlier versions wrote them
            each |= {"macro_f1": 0.1 * number, "balanced_accuracy": 0.2, "kappa": -0.05 * number}
        svm = [row(1, "decision", 0.5), row("all", "decision", 0.6 + 0.05 * number), row("all", "platt", 0.4)]
        about = {"n_test": 30, "n_classes": 4, "recordings": ["a", "b"], "windows": [10, 20]}
        (folder / "anchors.json").write_text(json.dumps({**about, "results": anchors}))
        (folder / "svm.json").write_text(json.dumps({**about, "results": svm}))
        if run["experiment"]:
            loss = None if run["experiment"] == "frozen" else 3.0
            history = [{"epoch": 0, "loss": loss, "zero_shot_mean": 0.3}]
            folder.parent.joinpath("history.json").write_text(json.dumps(history))
    return tmp_path


def test_table_has_a_row_per_run_and_score(results: Path) -> None:
    table = collect(results, RUNS)
    assert table.columns.tolist() == COLUMNS
    assert len(table) == len(RUNS) * 6
    teacher = table[table["student"] == "-"]
    assert set(teacher["experiment"]) == {"-"}
    assert teacher["seed"].isna().all()
    ours = table[table["experiment"] == "ours"]
    assert set(ours["queue_size"]) == {64}
    assert set(ours["seed"]) == {1, 2}
    assert table[table["experiment"] == "frozen"]["queue_size"].isna().all()


def test_mean_and_deviation_over_seeds(results: Path) -> None:
    short = mean_over_seeds(collect(results, RUNS))
    row = short[
        (short["experiment"] == "ours")
        & (short["labels_per_class"] == "all")
        & (short["scoring"] == "decision")
    ]
    assert row["top1"].tolist() == ["77.5 ± 3.5"]  # of 75 and 80
    assert row["seeds"].tolist() == [2]
    teacher = short[(short["student"] == "-") & (short["scoring"] == "platt")]
    assert teacher["top1"].tolist() == ["40.0"]
    assert teacher["macro_f1"].tolist() == teacher["kappa"].tolist() == [""]
    zero_shot = short[(short["experiment"] == "ours") & (short["scoring"] == "mean")]
    assert zero_shot[["macro_f1", "balanced_accuracy", "kappa"]].to_numpy().tolist() == [
        ["35.0 ± 7.1", "20.0 ± 0.0", "-0.18 ± 0.04"]
    ]


def test_summary_is_one_row_per_encoder(results: Path) -> None:
    wide = summary(collect(results, RUNS))
    assert wide["encoder"].tolist() == ["teacher videomae", "mantis (frozen)", "mantis (ours)"]
    assert wide["SVM, all labels"].tolist() == ["60.0", "67.5 ± 3.5", "77.5 ± 3.5"]
    assert "zero-shot, medoid anchors" not in wide


def test_difference_to_the_baseline(results: Path) -> None:
    table = differences(pool_hits(results, RUNS), BASELINES)
    assert set(table["experiment"]) == {"ours"}
    assert len(table) == 6
    row = table[(table["scoring"] == "decision") & (table["labels_per_class"] == "all")].iloc[0]
    assert row["difference"] == pytest.approx(0.1)  # 75 and 80 against 65 and 70
    assert row["low"] == pytest.approx(0.1)
    assert row["seeds"] == 2
    assert table[["groups", "group_low", "group_high"]].isna().all().all()
    shown = gains(table)
    assert shown["encoder"].tolist() == ["ours − frozen"]
    assert shown["SVM, all labels"].tolist() == ["+10.0 [+10.0, +10.0]"]


def test_intervals_over_groups(tmp_path: Path) -> None:
    """Gains of 3, −1, 1 and 1 of 10 windows: −0.05 … 0.25 by recording, 0.1 in both subjects."""
    runs = [run for run in RUNS if run["experiment"] and run["seed"] == 1]
    for run, hits in zip(runs, ([5, 5, 5, 5], [8, 4, 6, 6]), strict=True):
        for name, scoring in (("svm", "decision"), ("anchors", "mean")):
            row = {"labels_per_class": 0, "scoring": scoring, "top1": sum(hits) / 40, "top3": 1, "top5": 1}
            about = {"n_test": 40, "n_classes": 4, "recordings": [*"abcd"], "windows": [10] * 4}
            path = tmp_path / run["folder"] / f"{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({**about, "results": [{**row, "hits": hits}]}))

    def interval(groups: dict[str, str]) -> list[Any]:
        table = differences(pool_hits(tmp_path, runs), BASELINES, {"home": groups})
        assert table.columns.tolist() == DIFFERENCES
        found = table.loc[0, ["difference", "low", "high"]].tolist()
        assert found == pytest.approx([0.1, -0.05, 0.25])
        return table[["groups", "group_low", "group_high"]].iloc[0].tolist()

    two = {"a": "p", "b": "p", "c": "q", "d": "q"}
    assert interval(two) == [2, pytest.approx(0.1), pytest.approx(0.1)]
    assert interval({**two, "c": "p", "d": "", "other": "q"})[0] is pd.NA  # one group in test
    assert interval({"a": "p", "c": "q"})[0] == 4  # b and d are groups of their own
    assert interval(dict(zip("abcd", "pqrs", strict=True))) == pytest.approx([4, -0.05, 0.25])
    text = gains_text(differences(pool_hits(tmp_path, runs), BASELINES, {"home": two}))
    assert text.count("+10.0 [-5.0, +25.0]") == text.count("+10.0 [+10.0, +10.0]") == 2  # protocols
    assert "comparisons" not in text


def test_many_comparisons_are_noted(results: Path) -> None:
    table = differences(pool_hits(results, RUNS), BASELINES)
    shown = table[table["scoring"] != "medoid"]
    assert "comparisons" not in gains_text(table)
    many = pd.concat([shown.assign(experiment=f"ours{number}") for number in range(5)])
    assert "25 comparisons are shown" in gains_text(many)
    assert "about 1 of them" in gains_text(many)
    assert "comparisons are shown" not in gains_text(many[:20])


def test_report_is_written(results: Path) -> None:
    histories = {
        str(results / f"experiments/{name}/seed{seed}/history.json"): name
        for name in CONFIG.experiments
        for seed in (1, 2)
    }
    quality = results / "home/quality.csv"
    quality.parent.mkdir(exist_ok=True)
    quality.write_text(
        "recording,window,detail\na,-1,imu_wrap: x; imu_stuck: y\nb,-1,imu_wrap: z\nb,0,imu_stuck: no\n"
    )
    index = pd.DataFrame({"recording": ["a", "b"], "group": ["p", "q"]})
    write_table(index, results / "home/recordings.parquet")
    recordings = {str(results / "home/recordings.parquet"): "home"}
    write_report(
        results, RUNS, histories, results / "report", BASELINES, quality=[quality], recordings=recordings
    )
    names = {path.name for path in (results / "report").iterdir()}
    figures = {"training.png", "label-efficiency.png"}
    assert names == {"accuracy.csv", "accuracy.md", "differences.csv", "summary.md"} | figures
    assert len(pd.read_csv(results / "report/accuracy.csv")) == len(RUNS) * 6
    assert "Chance: 25.0 on home" in (summary := (results / "report/summary.md").read_text())
    assert "- 2 recordings with imu_wrap: a counter" in summary
    assert "- 1 recording with imu_stuck: " in summary
    assert "ours − frozen" in summary
    assert "intervals from a bootstrap over groups" in summary
    assert set(pd.read_csv(results / "report/differences.csv")["groups"]) == {2}
