"""Section Provenance, and what differs each time: machine, versions, commit, and time and memory of each rule."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from comodo.report.page.blocks import Section, Table
from comodo.report.runs import EvaluatedRun
from comodo.storage.packages import package_versions
from comodo.storage.regular import open_text


def provenance(config: Mapping[str, Any], runs: Sequence[EvaluatedRun]) -> Section:
    """Return the section: config as used, digests of the students' settings, commands to repeat."""
    digests = pd.DataFrame(
        [
            (run["experiment"], run["seed"], run["fold"], run["trained_by"])
            for run in runs
            if run["trained_by"]
        ],
        columns=["experiment", "seed", "fold", "settings"],
    ).drop_duplicates()
    digests = digests.dropna(axis="columns", how="all")
    text = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)
    code = {
        "Repeat it": "snakemake --cores all --configfile config.yaml   # the config below, at the commit below",
        "Config as used": text,
    }
    tables = [Table("digests", "Digests of the students' settings", digests)] if len(digests) else []
    return Section("provenance", "Provenance", [], tables, code=code)


def environment(benchmarks: Path, project: Path) -> dict[str, Any]:
    """Return what differs between two runs on the same artefacts, as plain data.

    Args:
        benchmarks: folder of Snakemake's benchmark files.
        project: folder of the Snakefile; its commit is named if it is a Git repository.
    """
    about = {
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "comodo": version("comodo"),
        "commit": commit_of(project),
        "python": platform.python_version(),
        "machine": f"{platform.platform()}, {os.cpu_count()} cores",
        **package_versions(),
    }
    return {"about": about, "rules": rule_costs(benchmarks)}


def rule_costs(benchmarks: Path) -> list[dict[str, Any]]:
    """Return jobs, time (s) and peak memory (MB) of each rule, from benchmark files of the last run of each job."""
    rows = []
    for rule in sorted(path for path in benchmarks.glob("*") if path.exists()):
        files = [rule] if rule.suffix == ".tsv" else sorted(rule.rglob("*.tsv"))
        tables = [_read(file) for file in files]
        measured = [row for row in tables if row is not None]
        if measured:
            seconds, memory = zip(*measured, strict=True)
            rows.append(
                {
                    "rule": rule.stem,
                    "jobs": len(measured),
                    "seconds": round(sum(seconds), 1),
                    "longest job, s": round(max(seconds), 1),
                    "peak memory, MB": round(max(memory)),
                }
            )
    return sorted(rows, key=lambda row: -float(row["seconds"]))


def _read(path: Path) -> tuple[float, float] | None:
    """Return time and peak memory from a benchmark file; None if it is incomplete. Short jobs have no memory."""
    try:
        with open_text(path) as file:
            table = pd.read_csv(file, sep="\t", na_values=["-"])
        return float(table["s"].iloc[0]), float(table["max_rss"].fillna(0).iloc[0])
    except (OSError, ValueError, KeyError, IndexError):
        return None


def commit_of(project: Path) -> str:
    """Return the commit of a Git repository, with "+" where files were changed; "" if it is none."""
    try:
        asked = ["git", "-C", str(project), "describe", "--always", "--dirty=+", "--abbrev=40", "--exclude=*"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
