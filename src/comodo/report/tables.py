"""Tables of everything that was measured."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from comodo.report.bootstrap import paired_difference

COLUMNS: Final = [
    *("dataset", "eval_dataset", "teacher", "student", "objective", "queue_size", "seed", "protocol"),
    *("labels_per_class", "scoring", "top1", "top3", "top5", "n_test", "experiment"),
]
SCORES: Final = ["top1", "top3", "top5"]
DIFFERENCES: Final = [
    *("eval_dataset", "experiment", "baseline", "protocol", "labels_per_class", "scoring"),
    *("seeds", "difference", "low", "high"),
]
# Score files and their names in the tables.
PROTOCOLS: Final = {"anchors": "anchor", "head": "head", "svm": "svm"}
TEACHER_ROWS: Final = {"student": "-", "objective": "-", "experiment": "-"}


def collect(
    results: Path, runs: Mapping[str, Sequence[str]], experiments: Mapping[str, Mapping[str, Any]]
) -> pd.DataFrame:
    """One row per run, protocol, number of labels and scoring.

    Args:
        results: the folder that `runs` are relative to.
        runs: folders and the score files in them, without `.json`: `experiments/<experiment>/seed<seed>/<eval dataset>`
            for a student, `<eval dataset>/teachers/<teacher>` for a teacher itself.
        experiments: settings of each experiment.

    Returns:
        A table with the columns `COLUMNS`.
    """
    rows = []
    for run, protocols in runs.items():
        parts = Path(run).parts
        if parts[0] == "experiments":
            settings = experiments[parts[1]]
            about = {key: settings.get(key, "-") for key in ("dataset", "teacher", "student", "objective")}
            about |= {
                "experiment": parts[1],
                "seed": int(parts[2].removeprefix("seed")),
                "eval_dataset": parts[3],
            }
            if settings["objective"] == "comodo":
                about["queue_size"] = settings["queue_size"]
        else:
            about = {"dataset": parts[0], "eval_dataset": parts[0], "teacher": parts[2], **TEACHER_ROWS}
        for name in sorted(protocols):
            scored = json.loads((results / run / f"{name}.json").read_text())
            for result in scored["results"]:
                rows.append({**about, "protocol": PROTOCOLS[name], "n_test": scored["n_test"], **result})
    table = pd.DataFrame(rows).reindex(columns=COLUMNS)
    return table.astype({"seed": "Int64", "queue_size": "Int64"})


def differences(
    results: Path, runs: Mapping[str, Sequence[str]], baselines: Mapping[str, str]
) -> pd.DataFrame:
    """What each experiment gains in top-1 over its baseline, wherever both were measured alike.

    Args:
        results: the folder that `runs` are relative to.
        runs: see `collect`.
        baselines: an experiment's baseline, by the experiment's name.

    Returns:
        A table with the columns `DIFFERENCES`; difference, low and high (95 %) are fractions.
    """
    hits: dict[tuple[str, ...], dict[str, Any]] = {}
    windows: dict[tuple[str, str], list[int]] = {}
    for run, protocols in runs.items():
        if not run.startswith("experiments/"):
            continue
        _, experiment, seed, dataset = Path(run).parts
        for name in sorted(protocols):
            scored = json.loads((results / run / f"{name}.json").read_text())
            windows[dataset, name] = scored["windows"]
            for row in scored["results"]:
                key = (dataset, experiment, name, str(row["labels_per_class"]), row["scoring"])
                hits.setdefault(key, {})[seed] = row["hits"]
    rows = []
    for (dataset, experiment, name, labels, scoring), ours in hits.items():
        baseline = baselines.get(experiment)
        theirs = hits.get((dataset, str(baseline), name, labels, scoring))
        seeds = sorted(ours.keys() & (theirs or {}).keys())
        if theirs is None or not seeds:
            continue
        gain = paired_difference(
            np.array([ours[seed] for seed in seeds]),
            np.array([theirs[seed] for seed in seeds]),
            np.array(windows[dataset, name]),
        )
        about = (dataset, experiment, baseline, PROTOCOLS[name], labels, scoring)
        rows.append((*about, len(seeds), *gain))
    return pd.DataFrame(rows, columns=DIFFERENCES)


def mean_over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """The table with mean ± standard deviation over seeds, as text, in per cent."""
    keys = [column for column in COLUMNS if column not in {"seed", *SCORES}]
    # labels_per_class holds both numbers and "all", which pandas cannot order: keep the table's own order
    grouped = table.groupby(keys, sort=False, dropna=False)
    out = grouped["top1"].count().rename("seeds").reset_index()
    for score in SCORES:
        mean, std = 100 * grouped[score].mean().to_numpy(), 100 * grouped[score].std().to_numpy()
        out[score] = [
            f"{m:.1f}" if pd.isna(s) else f"{m:.1f} ± {s:.1f}" for m, s in zip(mean, std, strict=True)
        ]
    return out
