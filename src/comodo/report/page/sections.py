"""The sections of the page, from the artefacts of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from comodo.report.intervals import Hits, Measured, accuracies
from comodo.report.page.accuracy import accuracy
from comodo.report.page.blocks import Section
from comodo.report.page.classes import classes_section
from comodo.report.page.data import data_section
from comodo.report.page.device import device_section, published_section
from comodo.report.page.headline import best_experiment, headline
from comodo.report.page.provenance import provenance
from comodo.report.runs import EvaluatedRun


def report_sections(
    results: Path,
    runs: Sequence[EvaluatedRun],
    pooled: Mapping[Measured, Hits],
    table: pd.DataFrame,
    gained: pd.DataFrame,
    chances: Mapping[str, float],
    histories: Mapping[str, str],
    baselines: Mapping[str, str],
    quality: Sequence[Path],
    recordings: Mapping[str, str],
    sync: Sequence[Path],
    cost: pd.DataFrame | None,
    beside: pd.DataFrame | None,
    config: Mapping[str, Any],
) -> list[Section]:
    """Return the sections of the page. Those without their inputs are left out.

    Args:
        results: the folder that the runs' folders are relative to.
        runs: of `evaluated_runs`.
        pooled: of `comodo.report.intervals.pool_hits`.
        table: the accuracy table (`comodo.report.tables.collect`).
        gained: of `comodo.report.intervals.differences`.
        chances: chance level of each dataset, a fraction.
        histories: the experiment of each training history, by its path.
        baselines: an experiment's baseline, by the experiment's name.
        quality: quality reports.
        recordings: the dataset of each index of recordings, by its path.
        sync: sync tables.
        cost: of `comodo.report.cost.collect_cost`.
        beside: the table of published.csv.
        config: the config as used.
    """
    measured = accuracies(pooled)
    main = main_dataset(runs)
    best = best_experiment(measured, gained, main)
    found = [
        None if best is None else headline(measured, gained, chances, main, best),
        accuracy(table, measured, gained, histories),
        None if best is None else classes_section(results, runs, main, best, baselines),
        data_section(quality, recordings, sync),
        device_section(cost),
        published_section(beside),
        Section("time", "Time and memory"),
        provenance(config, runs),
    ]
    return [section for section in found if section is not None]


def main_dataset(runs: Sequence[EvaluatedRun]) -> str:
    """Return the dataset that most students were evaluated on; the first of several."""
    counts: dict[str, int] = {}
    for run in runs:
        counts[run["eval_dataset"]] = counts.get(run["eval_dataset"], 0) + (run["experiment"] is not None)
    return max(counts, key=lambda name: counts[name])
