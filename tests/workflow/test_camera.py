"""Real footage: three GoPro files, from mp4 to the report."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.support.project import ROOT, Project

pytest.importorskip("telemetry_parser", reason="telemetry-parser has no wheel for this Python")
pytestmark = [pytest.mark.workflow, pytest.mark.realdata]


@pytest.mark.slow
def test_camera_files_become_a_report(
    realdata: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMODO_REALDATA", str(realdata.resolve()))
    (tmp_path / "config").mkdir()
    shutil.copy(ROOT / "config/camera.csv", tmp_path / "config")
    project = Project(tmp_path)
    project.run(yaml.safe_load((ROOT / "config/camera.yaml").read_text()))

    clips = pd.read_parquet(tmp_path / "results/gopro/clips.parquet")
    pairs = clips[clips["paired"]].groupby("recording").size()
    # 2.5 s windows: 11.0 s of IMU, 5 s, 5 s, 2.5 s, and the rests of 5.5 s and 4.6 s
    expected = {
        "walk-1": 4,
        "flight-train": 2,
        "walk-2-val": 2,
        "flight-val": 1,
        "walk-2-test": 2,
        "flight-test": 1,
    }
    assert pairs.to_dict() == expected
    quality = pd.read_csv(tmp_path / "results/gopro/quality.csv", keep_default_na=False)
    assert set(quality.loc[quality["window"] == -1, "reason"]) == {""}
    accuracy = pd.read_csv(tmp_path / "results/report/accuracy.csv")
    assert set(accuracy["objective"]) == {"comodo", "none", "-"}
    assert set(accuracy["n_test"]) == {3}
