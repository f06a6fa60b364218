"""Accuracies and gains with 95 % intervals, from the hits per test recording in the score files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from comodo.evaluate.bootstrap import paired_difference, sum_by_group
from comodo.report.runs import EvaluatedRun
from comodo.report.tables import PROTOCOLS, read_run

DIFFERENCES: Final = [
    *("eval_dataset", "experiment", "baseline", "protocol", "labels_per_class", "scoring"),
    *("seeds", "difference", "low", "high", "groups", "group_low", "group_high"),
]
ACCURACIES: Final = [
    *("eval_dataset", "experiment", "teacher", "protocol", "labels_per_class", "scoring"),
    *("seeds", "n_test", "top1", "low", "high"),
]


class Measured(NamedTuple):
    """What was measured: an encoder on a dataset by a protocol. experiment is "" for a teacher."""

    eval_dataset: str
    experiment: str
    teacher: str
    protocol: str
    labels_per_class: str
    scoring: str


@dataclass
class Hits:
    """Correct test windows of each recording, for each seed; with folds, the test recordings of all folds."""

    by_seed: dict[int | None, list[float]] = field(default_factory=dict)
    recordings: dict[int | None, list[str]] = field(default_factory=dict)
    windows: dict[int | None, list[int]] = field(default_factory=dict)

    def first(self) -> tuple[list[str], list[int]]:
        """Return recordings (R,) and their numbers of windows, which all seeds share."""
        seed = next(iter(self.by_seed))
        return self.recordings[seed], self.windows[seed]


def pool_hits(results: Path, runs: Sequence[EvaluatedRun]) -> dict[Measured, Hits]:
    """Return the hits of everything that was measured, in the order of the runs, folds pooled.

    Args:
        results: the folder that the runs' folders are relative to.
        runs: of `evaluated_runs`.
    """
    pooled: dict[Measured, Hits] = {}
    for run in runs:  # folds in order
        for name in run["protocols"]:
            scores = read_run(results, run, name)
            for row in scores.results:
                key = Measured(
                    run["eval_dataset"],
                    run["experiment"] or "",
                    run["teacher"],
                    name,
                    str(row.labels_per_class),
                    row.scoring,
                )
                hits, seed = pooled.setdefault(key, Hits()), run["seed"]
                hits.by_seed.setdefault(seed, []).extend(row.hits)
                hits.recordings.setdefault(seed, []).extend(scores.recordings)
                hits.windows.setdefault(seed, []).extend(scores.windows)
    return pooled


def accuracies(pooled: Mapping[Measured, Hits]) -> pd.DataFrame:
    """Return top-1 of everything that was measured, with a 95 % interval from a bootstrap over recordings and seeds.

    Args:
        pooled: of `pool_hits`.

    Returns:
        A table with the columns `ACCURACIES`; top1, low and high are fractions.
    """
    rows = []
    for measured, hits in pooled.items():
        counts = np.array(list(hits.by_seed.values()))
        _, windows = hits.first()
        interval = paired_difference(counts, np.zeros_like(counts), np.array(windows))
        about = measured._replace(protocol=PROTOCOLS[measured.protocol])
        rows.append((*about, len(counts), sum(windows), *interval))
    return pd.DataFrame(rows, columns=ACCURACIES)


def differences(
    pooled: Mapping[Measured, Hits],
    baselines: Mapping[str, str],
    groups: Mapping[str, Mapping[str, str]] | None = None,
) -> pd.DataFrame:
    """Return what each experiment gains in top-1 over its baseline, wherever both were measured alike.

    Args:
        pooled: of `pool_hits`.
        baselines: an experiment's baseline, by the experiment's name.
        groups: group of each recording, by dataset and recording; "" or missing if unknown.

    Returns:
        A table with the columns `DIFFERENCES`; difference and the ends of the 95 % intervals are fractions. low and
        high are from a bootstrap over recordings. group_low and group_high are from a bootstrap over groups, where a
        recording without a group is one of its own; missing if test has fewer than two known groups.
    """
    students = {(*key[:2], *key[3:]): hits for key, hits in pooled.items() if key.experiment}
    rows = []
    for (dataset, experiment, name, labels, scoring), ours in students.items():
        baseline = baselines.get(experiment)
        theirs = students.get((dataset, str(baseline), name, labels, scoring))
        # the order that the bootstrap draws in
        seeds = sorted(ours.by_seed.keys() & (theirs.by_seed if theirs else {}).keys(), key=str)
        if theirs is None or not seeds:
            continue
        recordings, windows = ours.first()
        counts = (
            np.array([ours.by_seed[seed] for seed in seeds]),
            np.array([theirs.by_seed[seed] for seed in seeds]),
            np.array(windows),
        )
        about = (dataset, experiment, baseline, PROTOCOLS[name], labels, scoring)
        interval = paired_difference(*counts)
        by_group = _by_group(*counts, recordings, (groups or {}).get(dataset, {}))
        rows.append((*about, len(seeds), *interval, *by_group))
    return pd.DataFrame(rows, columns=DIFFERENCES).astype(
        {"groups": "Int64", "group_low": "float64", "group_high": "float64"}
    )


def _by_group(
    ours: NDArray[Any],
    baseline: NDArray[Any],
    windows: NDArray[Any],
    recordings: Sequence[str],
    known: Mapping[str, str],
) -> tuple[int | None, float | None, float | None]:
    """Return the number of groups and the interval over them; None where fewer than two are known.

    Args:
        ours: (S, R), as for `paired_difference`.
        baseline: (S, R).
        windows: (R,).
        recordings: R ids.
        known: group by recording.
    """
    groups = [known.get(recording, "") for recording in recordings]
    if len({*groups} - {""}) < 2:
        return None, None, None
    # a name that no group has makes a recording without a group one of its own
    names = [group or f"\0{number}" for number, group in enumerate(groups)]
    counts = [sum_by_group(each, names) for each in (ours, baseline, windows)]
    interval = paired_difference(counts[0], counts[1], counts[2])
    return len({*names}), interval.low, interval.high
