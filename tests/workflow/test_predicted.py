"""Split `predict` through the real Snakefile: recordings without labels are classified, and nothing is retrained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from comodo.commands.cli import main
from tests.support.project import Project, tiny_config

pytestmark = [pytest.mark.workflow, pytest.mark.slow]
RUN = Path("results/experiments/comodo/seed42")


def recorded_config() -> dict[str, Any]:
    """The tiny world as if it had been recorded."""
    config = tiny_config()
    config["datasets"]["tiny"] |= {"simulate": None}
    config["teachers"]["small"] = {"checkpoint": "results/teachers/small"}
    return config


def test_recordings_without_labels_are_classified(copied: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(copied.folder)
    config = recorded_config()
    raw = Path("dataset/tiny")
    known = [line.split("\t")[0] for line in (raw / "splits/test.txt").read_text().splitlines()]
    for number, name in enumerate(known[:2]):
        (raw / f"imu/night-{number}.csv").symlink_to((raw / f"imu/{name}.csv").absolute())
    (raw / "splits/predict.txt").write_text("night-0\n")
    copied.run(config, "predicted")
    found = pd.read_csv(RUN / "predictions.csv")
    assert not Path("results/experiments/frozen/seed42/predictions").exists()
    files = ["--imu", str(raw / "imu/night-0.csv")]
    assert main(["predict", "--student", str(RUN / "student"), *files, "--out", "own.csv"]) == 0
    own = pd.read_csv("own.csv")
    shared = [name for name in own if name != "file"]
    pd.testing.assert_frame_equal(found[shared], own[shared], rtol=1e-5)
    assert "night-0" not in pd.read_parquet("results/tiny/recordings.parquet")["recording"].tolist()
    assert copied.plan(config, "predicted") == {}

    (raw / "splits/predict.txt").write_text("night-0\nnight-1\n=lost\twalking\n")
    assert set(copied.plan(config, "predicted")) == {"predict", "merge_predictions", "predicted"}
    copied.run(config, "predicted")
    found = pd.read_csv(RUN / "predictions.csv")
    assert set(found.loc[found["reason"].isna(), "recording"]) == {"night-0", "night-1"}
    (lost,) = found[found["reason"].notna()].to_dict("records")
    assert (lost["recording"], lost["reason"]) == ("'=lost", "imu_missing_file")
    assert pd.isna(lost["label"])
    assert "predict" not in copied.plan(config)


def test_a_target_without_recordings_says_so(finished: Project) -> None:
    done = finished.snakemake(tiny_config(), "--dry-run", str(RUN / "predictions.csv"))
    assert done.returncode != 0
    assert "datasets.tiny lists no recordings of the split predict" in done.stdout + done.stderr
