"""Tables of everything that was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from comodo.evaluate.identity import check_features
from comodo.evaluate.results import Scores, read_scores
from comodo.report.bootstrap import paired_difference
from comodo.report.runs import EvaluatedRun

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


def collect(results: Path, runs: Sequence[EvaluatedRun]) -> pd.DataFrame:
    """Return one row per run, protocol, number of labels and scoring.

    Args:
        results: the folder that the runs' folders are relative to.
        runs: of `evaluated_runs`.

    Returns:
        A table with the columns `COLUMNS`.
    """
    rows = []
    for run in runs:
        about = {key: run[key] for key in ("dataset", "eval_dataset", "teacher", "queue_size", "seed")}
        about |= {key: run[key] or "-" for key in ("student", "objective", "experiment")}
        for name in run["protocols"]:
            scores = read_run(results, run, name)
            more = {"protocol": PROTOCOLS[name], "n_test": scores.n_test}
            rows += [{**about, **more, **result.model_dump()} for result in scores.results]
    table = pd.DataFrame(rows).reindex(columns=COLUMNS)
    return table.astype({"seed": "Int64", "queue_size": "Int64"})


def read_run(results: Path, run: EvaluatedRun, protocol: str) -> Scores:
    """Read the scores of a run, and check that they are of the features and the student beside them.

    Raises:
        DamageError: it names the file that was exchanged or edited.
    """
    folder = results / run["folder"]
    scores = read_scores(folder / f"{protocol}.json", protocol)
    check_features(folder / "features.h5", scores.features, run["trained_by"])
    return scores


def differences(results: Path, runs: Sequence[EvaluatedRun], baselines: Mapping[str, str]) -> pd.DataFrame:
    """Return what each experiment gains in top-1 over its baseline, wherever both were measured alike.

    Args:
        results: the folder that the runs' folders are relative to.
        runs: of `evaluated_runs`.
        baselines: an experiment's baseline, by the experiment's name.

    Returns:
        A table with the columns `DIFFERENCES`; difference, low and high (95 %) are fractions.
    """
    hits: dict[tuple[str, ...], dict[int, Any]] = {}
    windows: dict[tuple[str, str], list[int]] = {}
    for run in runs:
        if run["experiment"] is None or run["seed"] is None:
            continue
        for name in run["protocols"]:
            scores = read_run(results, run, name)
            windows[run["eval_dataset"], name] = scores.windows
            for row in scores.results:
                key = (run["eval_dataset"], run["experiment"], name, str(row.labels_per_class), row.scoring)
                hits.setdefault(key, {})[run["seed"]] = row.hits
    rows = []
    for (dataset, experiment, name, labels, scoring), ours in hits.items():
        baseline = baselines.get(experiment)
        theirs = hits.get((dataset, str(baseline), name, labels, scoring))
        seeds = sorted(ours.keys() & (theirs or {}).keys(), key=str)  # the order that the bootstrap draws in
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
