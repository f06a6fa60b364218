"""Tables of everything that was measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pandas as pd

from comodo.evaluate.identity import check_features
from comodo.evaluate.metrics import CLASS_SCORES
from comodo.evaluate.results import Scores, read_scores
from comodo.report.runs import EvaluatedRun

COLUMNS: Final = [
    *("dataset", "eval_dataset", "teacher", "student", "objective", "queue_size", "seed", "protocol"),
    *("labels_per_class", "scoring", "top1", "top3", "top5", "n_test", "experiment", *CLASS_SCORES, "fold"),
]
SCORES: Final = ["top1", "top3", "top5", *CLASS_SCORES]
# Score files and their names in the tables.
PROTOCOLS: Final = {"anchors": "anchor", "head": "head", "svm": "svm"}


def collect(results: Path, runs: Sequence[EvaluatedRun]) -> pd.DataFrame:
    """Return one row per run (of a seed and, with folds, a fold), protocol, number of labels and scoring.

    Args:
        results: the folder that the runs' folders are relative to.
        runs: of `evaluated_runs`.

    Returns:
        A table with the columns `COLUMNS`.
    """
    rows = []
    for run in runs:
        about = {
            key: run[key] for key in ("dataset", "eval_dataset", "teacher", "queue_size", "seed", "fold")
        }
        about |= {key: run[key] or "-" for key in ("student", "objective", "experiment")}
        for name in run["protocols"]:
            scores = read_run(results, run, name)
            more = {"protocol": PROTOCOLS[name], "n_test": scores.n_test}
            rows += [{**about, **more, **result.model_dump()} for result in scores.results]
    table = pd.DataFrame(rows).reindex(columns=COLUMNS)
    whole = dict.fromkeys(("seed", "queue_size", "fold"), "Int64")
    return table.astype(whole | dict.fromkeys(CLASS_SCORES, "float64"))


def read_run(results: Path, run: EvaluatedRun, protocol: str) -> Scores:
    """Read the scores of a run, and check that they are of the features and the student beside them.

    Raises:
        DamageError: it names the file that was exchanged or edited.
    """
    folder = results / run["folder"]
    scores = read_scores(folder / f"{protocol}.json", protocol)
    check_features(folder / "features.h5", scores.features, run["trained_by"])
    return scores


def mean_over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """Return mean ± standard deviation over seeds, as text: kappa as it is, other scores in per cent.

    With folds: over folds, where the score of a fold is the mean over seeds, and n_test is the sum over folds.
    """
    keys = [column for column in COLUMNS if column not in {"seed", "fold", *SCORES}]
    # labels_per_class holds both numbers and "all", which pandas cannot order: keep the table's own order
    one_seed = [*(key for key in keys if key != "n_test"), "seed"]
    n_test = table.groupby(one_seed, dropna=False)["n_test"].transform("sum")
    folded = table["fold"].notna()
    table = table.assign(n_test=table["n_test"].where(~folded, n_test))
    repeats = table.assign(repeat=table["fold"].where(folded, table["seed"]))
    averaged = repeats.groupby([*keys, "repeat"], sort=False, dropna=False)[SCORES].mean()
    grouped = averaged.groupby(keys, sort=False, dropna=False)
    runs = table.groupby(keys, sort=False, dropna=False)
    out = runs["seed"].nunique().clip(lower=1).rename("seeds").reset_index()
    if folded.any():
        out["folds"] = runs["fold"].nunique().clip(lower=1).to_numpy()
    for score in SCORES:
        scale, digits = (1, 2) if score == "kappa" else (100, 1)
        mean, std = (scale * values.to_numpy() for values in (grouped[score].mean(), grouped[score].std()))
        out[score] = [_text(m, s, digits) for m, s in zip(mean, std, strict=True)]
    return out


def _text(mean: float, std: float, digits: int) -> str:
    """Return mean ± standard deviation; without the latter for one seed, empty where nothing was measured."""
    if pd.isna(mean):
        return ""
    return f"{mean:.{digits}f}" + ("" if pd.isna(std) else f" ± {std:.{digits}f}")
