"""Rule export through the real Snakefile, and the program for a device in an environment of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from comodo.clips.imu_windows import ImuWindows
from comodo.commands.cli import main
from comodo.deploy.classifier import load_classifier
from comodo.deploy.export import open_session, run_graph
from tests.support.project import ROOT, Project, tiny_config
from tests.support.saved import COLUMNS, save_trained, write_csv

pytestmark = [pytest.mark.workflow, pytest.mark.slow]


def test_a_run_is_exported_with_its_figures_and_its_cost(copied: Project) -> None:
    config = tiny_config() | {"export": ["onnx", "onnx-int8"], "license": "cc-by-4.0"}
    config["students"]["cnn"] = {"architecture": "cnn", "architecture_config": {"width": 8, "blocks": 1}}
    config["experiments"]["cnn"] = {"student": "cnn"}
    copied.run(config)
    assert copied.plan(config) == {}
    results = copied.folder / "results"
    table = pd.read_csv(results / "report/cost.csv")
    assert table["variant"].tolist() == ["torch", "onnx", "onnx-int8"] * 3
    assert table["on_front"].any()
    assert "Cost on a device" in (results / "report/summary.md").read_text()
    assert (results / "report/cost.png").stat().st_size > 10_000
    windows = pd.read_parquet(results / "tiny/clips.parquet")
    test = windows[windows["split"] == "test"]
    read = ImuWindows(test, [results / f"tiny/imu/{shard}.h5" for shard in (0, 1)])
    data = np.stack([read[row] for row in range(len(read))])
    for name in ("comodo", "cnn", "frozen"):
        run = results / f"experiments/{name}/seed42"
        cost = json.loads((run / "cost.json").read_text())
        scores = json.loads((run / "tiny/anchors.json").read_text())
        (reported,) = [row["top1"] for row in scores["results"] if row["scoring"] == "mean"]
        variants = cost["variants"]
        assert set(variants) == {"torch", "onnx", "onnx-int8"}
        assert variants["torch"]["top1"] == pytest.approx(reported, abs=1e-6)
        assert variants["onnx"]["top1"] == pytest.approx(reported, abs=1e-6)
        assert all(found["ms"] > 0 for found in variants.values())
        assert cost["macs"] > 1000
        assert cost["parameters"] > 500
        folder = run / "export"
        classifier = load_classifier(folder)
        graph = run_graph(open_session(folder / "student.onnx"), data)
        predicted = np.array(classifier.classes)[graph["scores"].argmax(axis=1)]
        assert (predicted == test["label"]).mean() == pytest.approx(reported)
        card = (folder / "README.md").read_text()
        metadata = yaml.safe_load(card.split("---")[1])
        assert metadata["license"] == "cc-by-4.0"
        assert metadata["library_name"] == "comodo"
        assert f"| tiny | anchors | 0 | mean | {100 * reported:.1f} |" in card
        content = b"".join(file.read_bytes() for file in folder.iterdir())
        assert str(copied.folder).encode() not in content
        for recording in pd.read_parquet(results / "tiny/recordings.parquet")["recording"]:
            assert recording.encode() not in content


def test_the_folder_of_a_student_is_complete(finished: Project) -> None:
    """Calibrated on val where a class has two val recordings; here it has one, and the folder says so."""
    about = json.loads((finished.folder / "results/experiments/comodo/seed42/student/about.json").read_text())
    assert about["input"]["clip_s"] == 5.0
    assert about["uncalibrated"] == "no class has val windows of two recordings"
    assert len(about["anchor_classes"]) == 3
    assert sum(about["train_windows"].values()) == 27
    assert about["teacher"]["name"] == "small"


def test_the_device_program_needs_numpy_and_onnxruntime_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert len((ROOT / "examples/device/classify.py").read_text().splitlines()) <= 60
    save_trained(tmp_path / "student", family="cnn")
    write_csv("a.csv", rate_hz=50.0)
    assert main(["export", "--student", "student", "--out", "s.onnx"]) == 0
    subprocess.run([sys.executable, "-m", "venv", "venv"], check=True)
    pip = ["venv/bin/pip", "install", "--quiet", "-r", str(ROOT / "examples/device/requirements.txt")]
    installed = subprocess.run(pip, capture_output=True, text=True, check=False)
    if installed.returncode:
        pytest.skip(f"numpy and onnxruntime cannot be installed: {installed.stderr[-200:]}")
    program = ["venv/bin/python", str(ROOT / "examples/device/classify.py"), "s.onnx", "a.csv"]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line.split(",") for line in done.stdout.splitlines()]
    assert main(["predict", "--student", "student", "--imu", "a.csv", *COLUMNS]) == 0
    table = pd.read_csv("predictions.csv")
    assert [float(row[0]) for row in rows] == table["start_s"].tolist()
    assert np.mean([row[1] for row in rows] == table["label"]) > 0.95
    assert (
        "comodo"
        not in subprocess.run(["venv/bin/pip", "list"], capture_output=True, text=True, check=True).stdout
    )
