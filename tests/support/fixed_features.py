"""Samples of the protocols and of the report, on fixed features, for `tests.support.stages`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from comodo.config import EvaluationSettings, load
from comodo.evaluate.anchors import score_anchors
from comodo.evaluate.head import score_head
from comodo.evaluate.results import Scores, write_scores
from comodo.evaluate.svm import score_svm
from comodo.report.runs import evaluated_runs
from comodo.report.write import write_report
from comodo.storage.artefacts import create_hdf5, write_array, write_texts
from tests.support.project import tiny_config
from tests.support.samples import Sample


def sample_evaluation(found: dict[str, Sample], folder: Path) -> None:
    """Sample the protocols and the report on fixed features: two classes and a half, 60 train and 30 test windows."""
    features = folder / "features.h5"
    _write_features(features)
    settings = EvaluationSettings(labels_per_class=(2, "all"), label_draws=2)
    scores = {
        "anchors": score_anchors(features, settings),
        "head": score_head(features, EvaluationSettings(labels_per_class=("all",))),
        "svm": score_svm(features, settings),
    }
    for name, scored in scores.items():
        found[f"evaluate_{name}"].text("scores", _rounded(scored.model_dump(mode="json", exclude_none=True)))
    _report(found["report"], scores, folder)


def _report(sample: Sample, scores: dict[str, Scores], folder: Path) -> None:
    config = load(tiny_config())
    runs = evaluated_runs(config)
    for run in runs:
        for protocol in run["protocols"]:
            write_scores(scores[protocol], folder / run["folder"] / f"{protocol}.json")
    history = folder / "history.json"
    history.write_text(json.dumps([{"epoch": 0, "loss": 1.0, "zero_shot_mean": 0.5}]))
    write_report(folder, runs, {str(history): "comodo"}, folder / "report", {"comodo": "frozen"})
    sample.text("files", sorted(path.name for path in (folder / "report").iterdir()))
    for name in ("accuracy.csv", "differences.csv"):
        sample.text(name, pd.read_csv(folder / "report" / name).round(6))
    for name in ("accuracy.md", "summary.md"):
        sample.text(name, (folder / "report" / name).read_text())


def _write_features(path: Path) -> None:
    rng = np.random.default_rng(0)
    classes = ["a", "b", "c"]
    centres = rng.standard_normal((3, 6))
    with create_hdf5(path) as file:
        for split, count in (("train", 60), ("test", 30)):
            own = np.arange(count) % 3
            rows = centres[own] + rng.standard_normal((count, 6))
            group = file.create_group(split)
            for name in ("feature", "projected"):
                write_array(group, name, rows.astype(np.float32))
            write_array(group, "scores", (rows @ centres.T).astype(np.float32))
            write_texts(group, "clip", [f"{split}{k}#00000" for k in range(count)])
            write_texts(group, "label", [classes[k] for k in own])
            write_texts(group, "recording", [f"{split}{k // 6}" for k in range(count)])
        for rule in ("first", "medoid", "mean"):
            group = file.create_group(f"anchors/{rule}")
            write_array(group, "projected", centres.astype(np.float32))
            write_texts(group, "label", classes)
        file["classes"] = classes


def _rounded(content: Any) -> Any:
    """Numbers of six digits, for CPUs differ in the last ones."""
    if isinstance(content, float):
        return round(content, 6)
    if isinstance(content, dict):
        return {key: _rounded(value) for key, value in content.items()}
    return [_rounded(value) for value in content] if isinstance(content, list) else content
