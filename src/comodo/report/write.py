"""The report: tables and figures of everything that was measured."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from comodo.report.figures import plot_label_efficiency, plot_training
from comodo.report.summary import gains, summary
from comodo.report.tables import collect, differences, mean_over_seeds
from comodo.storage.files import atomic


def write_report(
    results: Path,
    runs: Mapping[str, Sequence[str]],
    experiments: Mapping[str, Mapping[str, Any]],
    baselines: Mapping[str, str],
    histories: Sequence[Path],
    folder: Path,
) -> pd.DataFrame:
    """Write accuracy.csv, accuracy.md, differences.csv, summary.md, training.png and label-efficiency.png.

    Returns the table of accuracy.csv.
    """
    table = collect(results, runs, experiments)
    gained = differences(results, runs, baselines)
    with atomic(folder / "differences.csv") as partial:
        gained.to_csv(partial, index=False)
    with atomic(folder / "accuracy.csv") as partial:
        table.to_csv(partial, index=False)
    with atomic(folder / "accuracy.md") as partial:
        partial.write_text(mean_over_seeds(table).to_markdown(index=False) + "\n")
    with atomic(folder / "summary.md") as partial:
        note = "Top-1 accuracy on the test split, per cent"
        seeds = table["seed"].nunique()
        note += f", mean ± standard deviation over {seeds} seeds" if seeds > 1 else ""
        text = f"{note}. Chance: {_chances(results, runs)}.\n\n{summary(table).to_markdown(index=False)}\n"
        if len(gained):
            text += "\nGain over the baseline, points [95 % interval, paired bootstrap over recordings and seeds]:\n\n"
            text += f"{gains(gained).to_markdown(index=False)}\n"
        partial.write_text(text)
    with atomic(folder / "training.png") as partial:
        plot_training(histories, partial)
    with atomic(folder / "label-efficiency.png") as partial:
        plot_label_efficiency(table, partial)
    return table


def _chances(results: Path, runs: Mapping[str, Sequence[str]]) -> str:
    """Chance level of each evaluated dataset, from the number of its classes."""
    chances = {}
    for run in runs:
        dataset = Path(run).parts[3 if run.startswith("experiments/") else 0]
        chances[dataset] = 100 / json.loads((results / run / "svm.json").read_text())["n_classes"]
    return ", ".join(f"{chance:.1f} on {dataset}" for dataset, chance in sorted(chances.items()))
