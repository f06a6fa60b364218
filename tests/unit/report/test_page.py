"""The page of the report: what its figures and tables hold."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import pytest

from comodo.config import load
from comodo.evaluate.results import Result, scores_on, write_scores
from comodo.report.intervals import accuracies, differences, pool_hits
from comodo.report.page.accuracy import accuracy
from comodo.report.page.blocks import Figure, Section, labels
from comodo.report.page.classes import classes_section
from comodo.report.page.headline import best_experiment, headline
from comodo.report.page.provenance import rule_costs
from comodo.report.page.render import plot_of, table_of, write_page
from comodo.report.runs import EvaluatedRun, evaluated_runs
from comodo.report.tables import collect
from tests.support.project import tiny_config

BASELINES = {"comodo": "frozen"}
RIGHT = {None: [4, 4], "frozen": [1, 2], "comodo": [3, 4]}  # of 4 windows in each of 2 recordings


@pytest.fixture
def measured(tmp_path: Path) -> tuple[Path, list[EvaluatedRun]]:
    runs = evaluated_runs(load(tiny_config()))
    for run in runs:
        hits = RIGHT[run["experiment"]]
        confusion = [[sum(hits), 8 - sum(hits)], [0, 0]]
        for protocol in run["protocols"]:
            scoring, number = ("mean", 0) if protocol == "anchors" else ("decision", "all")
            values = {"top1": sum(hits) / 8, "top3": 1, "top5": 1, "hits": hits, "confusion": confusion}
            by_class = {"classes": ["a", "b"], "class_accuracy": [sum(hits) / 8, 0]}
            about = {"labels_per_class": number, "scoring": scoring}
            result = Result.model_validate({**about, **values, **by_class})
            path = tmp_path / run["folder"] / f"{protocol}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_scores(scores_on(["r1"] * 4 + ["r2"] * 4, ["a", "b"], [result]), path)
    return tmp_path, [{**run, "trained_by": None} for run in runs]


def test_figures_are_valid_and_hold_the_scores(measured: tuple[Path, list[EvaluatedRun]]) -> None:
    results, runs = measured
    pooled = pool_hits(results, runs)
    found = accuracies(pooled)
    gained = differences(pooled, BASELINES)
    top1 = found.set_index(["experiment", "protocol"])["top1"]
    assert (top1[("", "anchor")], top1[("frozen", "svm")], top1[("comodo", "anchor")]) == (1.0, 0.375, 0.875)
    assert (found["low"] <= found["top1"]).all()
    assert (found["high"] >= found["top1"]).all()
    sections = [
        accuracy(collect(results, runs), found, gained, {}),
        classes_section(results, runs, "tiny", "comodo", BASELINES),
        headline(found, gained, {"tiny": 0.5}, "tiny", str(best_experiment(found, gained, "tiny"))),
    ]
    for section in sections:
        assert section is not None
        for block in section.blocks:
            if isinstance(block, Figure):
                go.Figure(plot_of(block))  # raises for keys that Plotly does not know
    assert sections[2] is not None
    assert "comodo reaches a top-1 accuracy of 87.5 % zero-shot" in sections[2].texts[0]
    assert "+50.0 points against frozen" in sections[2].texts[0]
    assert "Chance is 50.0 %" in sections[2].texts[0]
    assert sections[1] is not None
    assert "frozen never predicts" not in " ".join(sections[1].texts)
    assert "comodo never predicts" not in " ".join(sections[1].texts)
    assert "teacher small never predicts b." in sections[1].texts


def test_the_page_is_the_same_but_for_its_environment(tmp_path: Path) -> None:
    pages = []
    for number in range(2):
        section = Section("s", "S", ["text"], numbers=[("1 %", "what", "detail")])
        environment = {"about": {"written": str(number)}, "rules": []}
        write_page(tmp_path / "page.html", "t", [section], environment)
        pages.append((tmp_path / "page.html").read_text())
    block = re.compile(r'<script type="application/json" id="environment">(.*?)</script>')
    assert pages[0] != pages[1]
    assert block.sub("", pages[0]) == block.sub("", pages[1])
    found = block.search(pages[1])
    assert found is not None
    assert json.loads(found[1])["about"]["written"] == "1"


def test_names_stay_distinct_and_inert() -> None:
    assert labels(["a" * 50, "a" * 60, "<b>"]) == ["a" * 39 + "…", "a" * 39 + "… (2)", "&lt;b&gt;"]


def test_cells() -> None:
    data = pd.DataFrame({"x": [1.25, float("nan")], "n": [1, 2], "t": ["a", None]})
    figure = Figure("f", "F", [{"type": "bar", "x": [float("nan")]}], {"height": 100}, data, alt="")
    assert table_of(figure)["rows"] == [
        [("1.2", 1.25), ("1", 1.0), ("a", None)],
        [("", None), ("2", 2.0), ("", None)],
    ]
    assert plot_of(figure)["data"][0]["x"] == [None]


def test_costs_of_rules(tmp_path: Path) -> None:
    (tmp_path / "distill").mkdir()
    head = "s\th:m:s\tmax_rss\n"
    (tmp_path / "distill/a.tsv").write_text(f"{head}10.0\t0:0:10\t500\n")
    (tmp_path / "distill/b.tsv").write_text(f"{head}4.0\t0:0:4\t-\n")
    (tmp_path / "distill/c.tsv").write_text("")
    (tmp_path / "report.tsv").write_text(f"{head}1.0\t0:0:1\t90\n")
    assert rule_costs(tmp_path) == [
        {"rule": "distill", "jobs": 2, "seconds": 14.0, "longest job, s": 10.0, "peak memory, MB": 500},
        {"rule": "report", "jobs": 1, "seconds": 1.0, "longest job, s": 1.0, "peak memory, MB": 90},
    ]
