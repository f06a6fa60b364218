"""`comodo segments`: segments from a column of labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from comodo.commands.cli import main

LABELS = ["walk"] * 30 + [""] * 10 + ["sit"] * 20


def write_project(folder: Path, **more: Any) -> Path:
    """A config, its table of three recordings and their csv files; each label lasts seconds at 10 Hz."""
    rows = [f"{n},{split},{n}.csv" for n, split in (("a", "train"), ("b", "val"), ("c", "test"))]
    (folder / "t.csv").write_text("\n".join(["recording,split,imu", *rows]) + "\n")
    for name in "abc":
        lines = [f"{n / 10},{n},0,1,0,{n},1,{label}" for n, label in enumerate(LABELS)]
        (folder / f"{name}.csv").write_text("\n".join(["t,ax,ay,az,gx,gy,gz,act", *lines]) + "\n")
    csv = {"time": "t", "accel": ["ax", "ay", "az"], "gyro": ["gx", "gy", "gz"], "label": "act"}
    dataset: dict[str, Any] = {
        "layout": "table",
        "root": str(folder),
        "table": str(folder / "t.csv"),
        "video": None,
        "clip_s": 1,
    }
    dataset |= {"imu": {"csv": csv, "rate_hz": 10}, "segments": str(folder / "segments.csv"), **more}
    config = {
        "datasets": {"d": dataset},
        "students": {"s": {"architecture": "mantis"}},
        "experiments": {"e": {"dataset": "d", "student": "s", "objective": "supervised"}},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder / "config.yaml"


def test_runs_of_labels_become_segments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_project(tmp_path)
    for _ in range(2):  # its own file is written again
        assert main(["segments", str(config), "d"]) == 0
    assert (tmp_path / "segments.csv").read_text().splitlines()[:3] == [
        "recording,start_s,end_s,label",
        "a,0.000000,3.000000,walk",
        "a,4.000000,6.000000,sit",
    ]
    assert "sit: 3 segments, 0.1 min" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "dataset", "message"),
    [
        ({}, "x", "has no dataset 'x'; it has d"),
        ({"segments": None}, "d", "datasets.d: set segments"),
        ({"imu": {"csv": {"time": "t"}}}, "d", "datasets.d: set imu.csv.label"),
        ({"table": "gone.csv"}, "d", "gone.csv does not exist"),
    ],
)
def test_what_is_missing_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: dict[str, Any], dataset: str, message: str
) -> None:
    assert main(["segments", str(write_project(tmp_path, **more)), dataset]) == 1
    assert message in capsys.readouterr().err


def test_another_file_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_project(tmp_path)
    (tmp_path / "segments.csv").write_text("mine\n")
    assert main(["segments", str(config), "d"]) == 1
    assert "segments.csv" in capsys.readouterr().err
    assert (tmp_path / "segments.csv").read_text() == "mine\n"
