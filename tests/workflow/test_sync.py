"""Video and IMU out of step: reported by default, corrected where asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.support.project import Project, tiny_config

pytestmark = [pytest.mark.workflow, pytest.mark.slow]
LATE_S = 0.8


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, dict[str, Any]]:
    """A simulated dataset whose IMU clocks of one subject read 0.8 s too much."""
    project = Project(tmp_path_factory.mktemp("sync"))
    config = tiny_config()
    config["datasets"]["tiny"]["sync"] = "report"
    config["datasets"]["tiny"]["simulate"] |= {"duration_s": 32, "size": 64}
    config["datasets"]["tiny"]["video"] = {"size": 64}
    project.run(config, "--until", "simulate")
    for path in sorted(project.folder.glob("dataset/tiny/imu/s000-*.csv")):
        table = pd.read_csv(path)
        table["canonical_timestamp_ms"] += 1000 * LATE_S
        table.to_csv(path, index=False)
    return project, config


def test_what_is_out_of_step_is_reported(late: tuple[Project, dict[str, Any]]) -> None:
    project, config = late
    project.run(config, "--", "prepared")
    table = pd.read_csv(project.folder / "results/tiny/sync.csv", keep_default_na=False).set_index(
        "recording"
    )
    known = table[table["reason"] == ""]
    assert len(known) >= 8  # of 15
    moved = known.index.str.startswith("s000-")
    assert moved.any()
    offset = known["offset_s"].astype(float)
    assert ((offset - LATE_S * moved).abs() < 0.06).all(), offset.to_dict()


def test_a_correction_moves_the_imu_and_pairs_anew(late: tuple[Project, dict[str, Any]]) -> None:
    project, config = late
    clips = pd.read_parquet(project.folder / "results/tiny/clips.parquet").set_index("clip")
    config["datasets"]["tiny"]["sync"] = "correct"
    plan = project.plan(config, "prepared")
    assert plan == {"pair_clips": 2, "report_quality": 1, "merge_clips": 1, "prepared": 1}
    project.run(config, "--", "prepared")
    moved = pd.read_parquet(project.folder / "results/tiny/clips.parquet").set_index("clip")
    sync = pd.read_csv(project.folder / "results/tiny/sync.csv", keep_default_na=False).set_index("recording")
    own = moved[moved["recording"].map(sync["reason"]) == ""]
    shift = own["first_sample"] - clips["first_sample"].reindex(own.index)
    expected = 200 * own["recording"].map(sync["offset_s"].replace("", "nan").astype(float))
    # a recording whose first samples were not on the grid begins a sample earlier or later
    assert ((shift - expected).dropna().abs() <= 1.5).all()
    quality = pd.read_csv(project.folder / "results/tiny/quality.csv", keep_default_na=False)
    assert quality["detail"].str.contains("imu_synced: moved by -0.").any()


def test_the_report_counts_what_is_out_of_step(late: tuple[Project, dict[str, Any]]) -> None:
    project, config = late
    config["datasets"]["tiny"]["sync"] = "report"
    project.run(config)
    summary = (project.folder / "results/report/summary.md").read_text()
    assert "Sync of video and IMU of tiny, see sync.csv:" in summary
    assert " out of step: s000-" in summary


def test_off_costs_nothing(late: tuple[Project, dict[str, Any]], tmp_path: Path) -> None:
    project, config = late
    config["datasets"]["tiny"]["sync"] = "off"
    assert not {"estimate_sync", "merge_sync"} & project.plan(config, "prepared", "--forceall").keys()
