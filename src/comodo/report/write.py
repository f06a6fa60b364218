"""The report: tables and figures of everything that was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from comodo.clips.quality import read_quality, summarise_notes
from comodo.evaluate.results import read_scores
from comodo.recordings.index import read_groups
from comodo.recordings.sync_table import read_sync, summarise_sync
from comodo.report.cost import collect_cost, cost_text, plot_cost
from comodo.report.figures import plot_label_efficiency, plot_training
from comodo.report.intervals import differences, pool_hits
from comodo.report.page.provenance import environment
from comodo.report.page.render import write_page
from comodo.report.page.sections import report_sections
from comodo.report.published import write_published
from comodo.report.runs import EvaluatedRun
from comodo.report.summary import gains_text, summary
from comodo.report.tables import collect, mean_over_seeds
from comodo.storage.files import atomic
from comodo.storage.regular import open_text


def write_report(
    results: Path,
    runs: Sequence[EvaluatedRun],
    histories: Mapping[str, str],
    folder: Path,
    baselines: Mapping[str, str],
    candidates: Sequence[Mapping[str, Any]] = (),
    published: Path | None = None,
    quality: Sequence[Path] = (),
    recordings: Mapping[str, str] | None = None,
    sync: Sequence[Path] = (),
    costs: Mapping[str, str] | None = None,
    config: Mapping[str, Any] | None = None,
    project: Path | None = None,
) -> None:
    """Write the tables and figures of everything that was measured.

    accuracy.csv, accuracy.md, differences.csv, summary.md, training.png, label-efficiency.png; beside published figures
    also published.csv and published.md; where students are exported also cost.csv and cost.png. With `config` also
    index.html, the page that shows all of it.

    Args:
        results: the folder that the runs' folders are relative to.
        runs: of `evaluated_runs`.
        histories: the experiment of each training history, by its path.
        folder: receives the files.
        baselines: an experiment's baseline, by the experiment's name.
        candidates: of `comodo.report.published.candidates`.
        published: the published table; read where there are candidates.
        quality: quality reports; the summary counts their notes by kind.
        recordings: the dataset of each index of recordings, by its path, for intervals over groups.
        costs: the experiment of each cost.json, by its path.
        sync: of `comodo.recordings.sync_table`; the summary counts the recordings that are out of step.
        config: the config as used; None: no page.
        project: folder of the Snakefile, whose commit the page names.
    """
    table = collect(results, runs)
    groups = {dataset: read_groups(Path(path)) for path, dataset in (recordings or {}).items()}
    pooled = pool_hits(results, runs)
    gained = differences(pooled, baselines, groups)
    if candidates and published is not None:
        write_published(table, candidates, published, folder)
    cost = collect_cost(costs, table) if costs else None
    if cost is not None:
        with atomic(folder / "cost.csv") as partial:
            cost.to_csv(partial, index=False)
        with atomic(folder / "cost.png") as partial:
            plot_cost(cost, partial)
    with atomic(folder / "differences.csv") as partial:
        gained.to_csv(partial, index=False)
    with atomic(folder / "accuracy.csv") as partial:
        table.to_csv(partial, index=False)
    with atomic(folder / "accuracy.md") as partial:
        partial.write_text(mean_over_seeds(table).to_markdown(index=False) + "\n")
    chances = {
        run["eval_dataset"]: 1 / read_scores(results / run["folder"] / "svm.json").n_classes for run in runs
    }
    with atomic(folder / "summary.md") as partial:
        note = "Top-1 accuracy on the test split, per cent"
        seeds = table["seed"].nunique()
        note += f", mean ± standard deviation over {seeds} seeds" if seeds > 1 else ""
        short = summary(table)
        text = f"{note}. n: test windows. Chance: {_chances_text(chances)}.\n"
        if short.groupby("on")["n"].nunique().max() > 1:
            text += "\nEncoders with another n on the same dataset were scored on other windows.\n"
        if table["fold"].notna().any():
            text += "\nWith folds: mean ± standard deviation over folds; the score of a fold is the mean over seeds.\n"
        text += "\nMacro-F1, balanced accuracy and Cohen's κ of all rows: accuracy.md.\n"
        text += f"\n{short.to_markdown(index=False)}\n"
        if len(gained):
            text += gains_text(gained)
        if cost is not None:
            text += cost_text(cost)
        for path in quality:
            if notes := summarise_notes(read_quality(path)):
                text += f"\nNotes on the recordings of {path.parent.name}, see {path.name}:\n\n"
                text += "".join(f"- {line}\n" for line in notes.splitlines())
        for path in sync:
            text += f"\nSync of video and IMU of {path.parent.name}, see {path.name}:\n\n"
            text += "".join(f"- {line}\n" for line in summarise_sync(read_sync(path)).splitlines())
        partial.write_text(text)
    with atomic(folder / "training.png") as partial:
        plot_training(histories, partial)
    with atomic(folder / "label-efficiency.png") as partial:
        plot_label_efficiency(table, partial)
    if config is None:
        return
    beside = folder / "published.csv"
    sections = report_sections(
        results=results,
        runs=runs,
        pooled=pooled,
        table=table,
        gained=gained,
        chances=chances,
        histories=histories,
        baselines=baselines,
        quality=quality,
        recordings=recordings or {},
        sync=sync,
        cost=cost,
        beside=_published(beside) if candidates and beside.exists() else None,
        config=config,
    )
    write_page(
        folder / "index.html",
        "comodo: report",
        sections,
        environment(results / "benchmarks", project or Path()),
    )


def _chances_text(chances: Mapping[str, float]) -> str:
    return ", ".join(f"{100 * chance:.1f} on {dataset}" for dataset, chance in sorted(chances.items()))


def _published(path: Path) -> pd.DataFrame:
    with open_text(path) as file:
        return pd.read_csv(file)
