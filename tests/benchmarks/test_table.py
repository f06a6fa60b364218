from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.learning import table
from comodo.config import load
from comodo.evaluate.results import Result, Scores, write_scores

LEARNING = Path(table.__file__).parent
WINDOWS = [10, 10, 20]
CONFIG = {
    "datasets": {"world": {"layout": "ego4d", "root": "x"}},
    "teachers": {"video": {"checkpoint": "x"}},
    "students": {"small": {"checkpoint": "x"}},
    "defaults": {"dataset": "world", "teacher": "video", "student": ["small"]},
    "experiments": {
        **{name: {"objective": name} for name in ("comodo", "infonce", "l2", "supervised")},
        "warm": {"objective": "comodo", "projection": "pca"},
        "frozen": {"objective": "none"},
    },
}


def write_score_file(folder: Path, name: str, rows: list[tuple[Any, str, list[int]]]) -> None:
    results = [
        Result(
            labels_per_class=labels,
            scoring=scoring,
            top1=sum(hits) / sum(WINDOWS),
            top3=1,
            top5=1,
            hits=hits,
        )
        for labels, scoring, hits in rows
    ]
    about = {"n_test": sum(WINDOWS), "n_classes": 4, "recordings": ["a", "b", "c"], "windows": WINDOWS}
    write_scores(Scores(**about, results=results), folder / f"{name}.json")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of two seeds: comodo is right 8 windows more often than the others, seed 1 twice more than seed 0."""
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    results = tmp_path / "results"
    for seed in (0, 2):
        for name in ("comodo", "warm", "infonce", "l2", "frozen"):
            gain = {"comodo": 2, "warm": 3}.get(name, 0)
            hits = [4 + gain + seed // 2, 4 + gain, 8 + 2 * gain]
            folder = results / f"experiments/{name}-student=small/seed{seed}/world"
            write_score_file(
                folder,
                "svm",
                [(1, "decision", hits), ("all", "decision", [5, 5, 9]), ("all", "platt", [0] * 3)],
            )
            write_score_file(folder, "anchors", [(0, "first", [0] * 3), (0, "mean", hits)])
        folder = results / f"experiments/supervised-student=small/seed{seed}/world"
        write_score_file(folder, "svm", [(1, "decision", [10, 10, 20])])
        write_score_file(folder, "head", [("all", "head", [5, 0, 0])])
    write_score_file(results / "world/teachers/video", "svm", [(1, "decision", [1, 1, 2])])
    write_score_file(results / "world/teachers/video", "anchors", [(0, "mean", [3, 3, 6])])
    (results / "benchmarks/distill").mkdir(parents=True)
    (results / "benchmarks/distill/a.tsv").write_text("s\th:m:s\n120.0\t0:02:00\n")
    return tmp_path


def cells(text: str, start: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.replace(" ", "").startswith(f"|{start}|")]
    return [cell.strip() for cell in line.split("|")[2:-1]]


def test_the_section_holds_means_gains_and_what_they_say(run: Path) -> None:
    text = table.section([run])
    head = cells(text.split("What comodo")[0], "")
    assert head == ["zero-shot", "SVM, 1 label", "all labels", "own head"]
    assert cells(text, "teacher(video)") == ["30.0", "10.0", "", ""]
    # 24 and 25 of 40 windows; all labels as everybody
    assert cells(text, "small,comodo") == ["61.3 ± 1.8", "61.3 ± 1.8", "47.5 ± 0.0", ""]
    assert cells(text, "small,supervised") == ["", "100.0 ± 0.0", "", "12.5 ± 0.0"]
    assert cells(text, "small,comodo−frozen") == ["+20.0 [+20.0, +20.0]"] * 2 + ["+0.0 [+0.0, +0.0]"]
    assert cells(text, "small,comodo-warm−comodo") == ["+10.0 [+10.0, +10.0]"] * 2 + ["+0.0 [+0.0, +0.0]"]
    assert (
        "comodo − l2: zero-shot and 1, 5, 10 labels +20.0 on average, 2 of 2 intervals above 0, 0 below; "
        in text
    )
    assert "all labels +0.0 on average, 0 of 1 intervals above 0, 0 below." in text
    assert "40 test windows of 3 recordings, 4 classes" in text
    assert "2 minutes of jobs" in text
    assert "over 2 seeds" in text


def test_only_what_stands_between_the_markers_is_written_anew(tmp_path: Path) -> None:
    docs = tmp_path / "docs/benchmark-tables.md"
    table.insert(docs, "first")
    assert docs.read_text().startswith("# Benchmark tables\n")
    docs.write_text(f"{docs.read_text()}\n## Speed\n\nfast\n")
    table.insert(docs, "second")
    text = docs.read_text()
    assert "first" not in text
    assert f"{table.BEGIN}\nsecond\n{table.END}\n" in text
    assert text.endswith("\n## Speed\n\nfast\n")


@pytest.mark.parametrize("world", ["simulated", "glasses"])
def test_the_benchmark_asks_for_all_that_it_compares(world: str) -> None:
    config = load(yaml.safe_load((LEARNING / f"{world}.yaml").read_text()))
    asked = {(e.dataset, e.student, table.objective(e.model_dump())) for e in config.experiments.values()}
    for dataset in config.datasets:
        for student in ("mantis-small", "moment-small"):
            for objective in (*table.BASELINES, "comodo-warm", "supervised"):
                assert (dataset, student, objective) in asked
        assert (dataset, "minirocket", "supervised") in asked
    assert len(config.seeds) == 5
    assert config.evaluation.labels_per_class == (1, 5, 10, "all")
