"""Two shapes of IMU data as people have them, from their files to a table over subjects, without a script."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.support.project import SNAKEMAKE, STUDENT, Project

pytestmark = [pytest.mark.workflow, pytest.mark.slow]
SUBJECTS = ("ann", "bob", "cem")
RATES = {"walk": 1.8, "sit": 0.2}  # of the motion, Hz
FILES = """
datasets:
  files:
    layout: table
    root: raw
    table: files.csv
    video: null
    clip_s: 2
    splits: loso
    imu:
      rate_hz: 50
      csv: { time: epoch, time_unit: ms, accel: [x, y, z], gyro: [x, y, z], accel_unit: g, gyro_unit: deg/s }
"""
LABELS = """
datasets:
  labels:
    layout: table
    root: raw
    table: labels.csv
    segments: segments.csv
    video: null
    clip_s: 2
    splits: { folds: 3 }
    imu:
      rate_hz: 50
      csv: { time: when, time_unit: iso8601, accel: [ax, ay, az], gyro: [gx, gy, gz], label: activity }
"""


def motion(label: str, time: np.ndarray, seed: int) -> np.ndarray:
    """Six channels of a motion at the rate of its label."""
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 6, (6, 1))
    return np.sin(2 * np.pi * RATES[label] * time + phase) + rng.normal(0, 0.1, (6, len(time)))


def write_files(folder: Path) -> None:
    """A file for each sensor, as MetaWear writes them: their own clocks, g and deg/s."""
    rows = []
    for number, subject in enumerate(SUBJECTS):
        for label in RATES:
            (folder / "raw" / subject).mkdir(parents=True, exist_ok=True)
            for sensor, rate in (("Accelerometer", 50), ("Gyroscope", 100)):
                time = np.arange(20 * rate) / rate
                values = motion(label, time, number)[:3] + ([[0], [1], [0]] if rate == 50 else 0)
                table = pd.DataFrame(dict(zip("xyz", values, strict=True)))
                table.insert(
                    0, "epoch", (1_700_000_000_000 + 1000 * time + 3 * (rate == 100)).round().astype(int)
                )
                table.to_csv(folder / f"raw/{subject}/{label}_{sensor}.csv", index=False)
            names = (f"{subject}/{label}_{sensor}.csv" for sensor in ("Accelerometer", "Gyroscope"))
            rows.append(",".join([f"{subject}-{label}", label, subject, *names]))
    (folder / "files.csv").write_text("\n".join(["recording,label,group,accel,gyro", *rows]) + "\n")


def write_labels(folder: Path) -> None:
    """One long file of each subject, with times of day and a label for each sample; a short one between."""
    for number, subject in enumerate(SUBJECTS):
        time = np.arange(50 * 50) / 50
        labels = np.where(time < 20, "walk", np.where(time < 21, "turn", np.where(time < 45, "sit", "")))
        values = np.where(time < 20.5, motion("walk", time, number), motion("sit", time, number))
        table = pd.DataFrame(dict(zip(("ax", "ay", "az", "gx", "gy", "gz"), values, strict=True)))
        table["ay"] += 9.81
        stamps = pd.Timestamp("2026-03-01T09:00:00+01:00") + pd.to_timedelta(time, unit="s")
        table.insert(0, "when", [stamp.isoformat() for stamp in stamps])
        table["activity"] = labels
        (folder / "raw").mkdir(exist_ok=True)
        table.to_csv(folder / f"raw/{subject}.csv", index=False)
    rows = [f"{subject},{subject}.csv" for subject in SUBJECTS]
    (folder / "labels.csv").write_text("\n".join(["recording,imu", *rows]) + "\n")


def experiments(dataset: str) -> dict[str, Any]:
    return {
        "students": {"small": STUDENT},
        "defaults": {"dataset": dataset, "student": "small"},
        "experiments": {"frozen": {"objective": "none"}},
    }


@pytest.mark.parametrize("text", [FILES, LABELS], ids=["a file for each sensor", "a column of labels"])
def test_from_the_files_to_a_table_over_subjects(text: str, tmp_path: Path) -> None:
    assert len(text.strip().splitlines()) <= 15
    name = "files" if text is FILES else "labels"
    config = yaml.safe_load(text) | experiments(name)
    (write_files if text is FILES else write_labels)(tmp_path)
    project = Project(tmp_path)
    if text is LABELS:
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
        comodo = Path(SNAKEMAKE).with_name("comodo")
        command = [str(comodo), "segments", "config.yaml", "labels"]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, env=os.environ, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "turn: 3 segments, 0.1 min" in done.stdout
    project.run(config)

    quality = pd.read_csv(tmp_path / f"results/{name}/quality.csv", keep_default_na=False)
    whole = quality[quality["window"] == -1]
    short = whole[whole["label"] == "turn"]
    assert set(short["reason"]) == ({"segment_too_short"} if text is LABELS else set())
    others = whole[whole["label"] != "turn"]
    assert set(others["reason"]) == {""}
    assert others["windows"].between(8, 12).all()
    accuracy = pd.read_csv(tmp_path / "results/report/accuracy.csv")
    last = accuracy[(accuracy["labels_per_class"] == "all") & (accuracy["scoring"] == "decision")]
    assert sorted(last["fold"]) == [0, 1, 2]
    assert (last["top1"] > 0.9).all()
    assert (last["macro_f1"] > 0.9).all()
