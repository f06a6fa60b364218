"""Section Classes: accuracy of each class, and confusion matrices side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binomtest

from comodo.report.page.accuracy import encoder
from comodo.report.page.blocks import Figure, Section, Table, colour, label, labels, symbol
from comodo.report.runs import EvaluatedRun
from comodo.report.tables import read_run

PREFERRED: Final = (("anchors", "mean", "0"), ("svm", "decision", "all"))
TITLES: Final = {"anchors": "zero-shot, mean anchors", "svm": "SVM, all labels"}
NUMBERED: Final = 16  # classes up to which the cells show their numbers
CELL, MARGIN = 30, 230  # pixels


def confusions(
    results: Path,
    runs: Sequence[EvaluatedRun],
    dataset: str,
    experiments: Sequence[str],
    protocol: tuple[str, str, str],
) -> tuple[list[str], dict[str, NDArray[np.int64]]]:
    """Return the classes and the confusion matrix (C, C; rows: truth) of each encoder, summed over seeds and folds.

    Args:
        results: the folder that the runs' folders are relative to.
        runs: of `evaluated_runs`.
        dataset: the evaluated dataset.
        experiments: experiments to show; "" stands for the teachers.
        protocol: protocol, scoring and number of labels.
    """
    name, scoring, number = protocol
    found: dict[str, list[tuple[list[str], NDArray[np.int64]]]] = {}
    for run in runs:
        experiment = run["experiment"] or ""
        if run["eval_dataset"] != dataset or name not in run["protocols"] or experiment not in experiments:
            continue
        for row in read_run(results, run, name).results:
            if (row.scoring, str(row.labels_per_class)) == (scoring, number) and row.confusion is not None:
                matrix = np.array(row.confusion, dtype=np.int64)
                found.setdefault(encoder(experiment, run["teacher"]), []).append((row.classes or [], matrix))
    classes = sorted({own for parts in found.values() for names, _ in parts for own in names})
    place = {own: row for row, own in enumerate(classes)}
    totals = {}
    for encoder_name, parts in found.items():
        total = np.zeros((len(classes), len(classes)), dtype=np.int64)
        for names, matrix in parts:
            rows = [place[own] for own in names]
            total[np.ix_(rows, rows)] += matrix
        totals[encoder_name] = total
    return classes, totals


def classes_section(
    results: Path, runs: Sequence[EvaluatedRun], dataset: str, experiment: str, baselines: Mapping[str, str]
) -> Section | None:
    """Return the section for the teacher, an experiment and its baseline on a dataset; None where nothing is known."""
    shown = list(dict.fromkeys(["", baselines.get(experiment, experiment), experiment]))
    for protocol in PREFERRED:
        classes, totals = confusions(results, runs, dataset, shown, protocol)
        if totals:
            break
    else:
        return None
    what = f"{dataset}, {TITLES[protocol[0]]}"
    blocks: list[Table | Figure] = [_accuracies(classes, totals, what)]
    blocks += [
        _matrix(classes, matrix, name, what, number) for number, (name, matrix) in enumerate(totals.items())
    ]
    never = {
        name: [own for own, n in zip(classes, matrix.sum(axis=0), strict=True) if n == 0]
        for name, matrix in totals.items()
    }
    texts = [f"{name} never predicts {', '.join(lost)}." for name, lost in never.items() if lost]
    return Section("classes", "Classes", [f"On {what}.", *texts], blocks)


def _accuracies(classes: list[str], totals: Mapping[str, NDArray[np.int64]], what: str) -> Figure:
    rows, traces = [], []
    names = labels(classes)
    for number, (name, matrix) in enumerate(totals.items()):
        right, count = matrix.diagonal(), matrix.sum(axis=1)
        known = [row for row in range(len(classes)) if count[row]]
        ends = [binomtest(int(right[k]), int(count[k])).proportion_ci(method="wilson") for k in known]
        share = [100 * right[k] / count[k] for k in known]
        low, high = [100 * end.low for end in ends], [100 * end.high for end in ends]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": label(name),
                "x": [round(float(value), 3) for value in share],
                "y": [names[k] for k in known],
                "marker": {"color": colour(number), "symbol": symbol(number), "size": 10},
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [round(float(b - a), 3) for a, b in zip(share, high, strict=True)],
                    "arrayminus": [round(float(a - b), 3) for a, b in zip(share, low, strict=True)],
                    "thickness": 1,
                },
            }
        )
        rows += [
            (name, classes[k], float(share[n]), float(low[n]), float(high[n]), int(count[k]))
            for n, k in enumerate(known)
        ]
    data = pd.DataFrame(rows, columns=["encoder", "class", "accuracy, %", "low", "high", "test windows"])
    return Figure(
        "classes",
        "Accuracy of each class",
        traces,
        {
            "height": 150 + 34 * len(classes),
            "xaxis": {"title": {"text": "test windows of the class that are right, %"}, "range": [-2, 102]},
            "yaxis": {"autorange": "reversed", "automargin": True, "type": "category"},
        },
        data,
        alt=f"Accuracy of each class, an encoder per marker: {what}. The table has the values.",
        note="Bars: 95 % Wilson intervals, as if windows were independent. Windows of all seeds and folds are pooled.",
    )


def _matrix(classes: list[str], matrix: NDArray[np.int64], name: str, what: str, number: int) -> Figure:
    names = labels(classes)
    total = matrix.sum(axis=1, keepdims=True)
    share = 100 * matrix / np.maximum(total, 1)
    trace: dict[str, Any] = {
        "type": "heatmap",
        "z": share.round(2).tolist(),
        "x": names,
        "y": names,
        "zmin": 0,
        "zmax": 100,
        "colorscale": "Cividis",
        "reversescale": True,
        "customdata": matrix.tolist(),
        "hovertemplate": "true %{y}<br>predicted %{x}<br>%{z:.1f} %, %{customdata} windows<extra></extra>",
        "colorbar": {"title": {"text": "%"}},
    }
    if len(classes) <= NUMBERED:
        trace |= {"texttemplate": "%{z:.0f}"}
    side = MARGIN + CELL * len(classes)
    data = pd.DataFrame(
        [
            (truth, other, int(matrix[i, j]), float(share[i, j]))
            for i, truth in enumerate(classes)
            for j, other in enumerate(classes)
            if matrix[i, j]
        ],
        columns=["true class", "predicted class", "windows", "% of the true class"],
    )
    return Figure(
        f"confusion-{number}",
        f"Confusion of {name}",
        [trace],
        {
            "height": side,
            "width": side + 120,
            "xaxis": {
                "title": {"text": "predicted"},
                "automargin": True,
                "type": "category",
                "constrain": "domain",
            },
            "yaxis": {
                "title": {"text": "true"},
                "autorange": "reversed",
                "automargin": True,
                "type": "category",
            },
        },
        data,
        alt=f"Confusion matrix of {name}: {what}. The table lists the cells that are not zero.",
    )
