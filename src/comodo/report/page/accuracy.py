"""Section Accuracy: everything that was measured, gains with intervals, label efficiency and training curves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from comodo.distill.history import read_history
from comodo.report.page.blocks import Figure, Section, Table, colour, label, labels, percent, symbol

ROW = 26  # height of a row of the forest plot, pixels


def accuracy(
    table: pd.DataFrame, accuracies: pd.DataFrame, gained: pd.DataFrame, histories: Mapping[str, str]
) -> Section:
    """Return the section.

    Args:
        table: the accuracy table (`comodo.report.tables.collect`).
        accuracies: of `comodo.report.intervals.accuracies`.
        gained: of `comodo.report.intervals.differences`.
        histories: the experiment of each training history, by its path.
    """
    blocks: list[Table | Figure] = [_all(table, accuracies)]
    blocks += [
        _forest(gained[gained["eval_dataset"] == name], name) for name in gained["eval_dataset"].unique()
    ]
    blocks += [_efficiency(accuracies, name) for name in accuracies["eval_dataset"].unique()]
    epochs = _epochs(histories)
    for column, title, unit in (
        ("loss", "Training loss", "loss"),
        ("val", "Accuracy on val while training", "top-1 on val, %"),
    ):
        if len(epochs) and epochs[column].notna().any():
            blocks.append(_curves(epochs, column, title, unit))
    return Section("accuracy", "Accuracy", [], blocks)


def encoder(experiment: str, teacher: str) -> str:
    """Return the name of an encoder: its experiment, or its teacher."""
    return experiment or f"teacher {teacher}"


def _all(table: pd.DataFrame, accuracies: pd.DataFrame) -> Table:
    keys = ["eval_dataset", "experiment", "teacher", "protocol", "labels_per_class", "scoring"]
    means = table.assign(
        experiment=table["experiment"].replace("-", ""),
        labels_per_class=table["labels_per_class"].astype(str),
    )
    means = means.groupby(keys, sort=False)[["macro_f1", "balanced_accuracy", "kappa"]].mean().reset_index()
    rows = accuracies.merge(means, on=keys, how="left")
    names = [encoder(*pair) for pair in zip(rows["experiment"], rows["teacher"], strict=True)]
    shown = pd.DataFrame(
        {
            "dataset": rows["eval_dataset"],
            "encoder": names,
            "protocol": rows["protocol"].replace("anchor", "zero-shot"),
            "scoring": rows["scoring"],
            "labels per class": rows["labels_per_class"],
            "top-1, %": percent(rows["top1"]),
            "low": percent(rows["low"]),
            "high": percent(rows["high"]),
            "macro-F1, %": percent(rows["macro_f1"]),
            "balanced, %": percent(rows["balanced_accuracy"]),
            "kappa × 100": percent(rows["kappa"]),
            "seeds": rows["seeds"],
            "test windows": rows["n_test"],
        }
    )
    note = "low and high: 95 % interval of top-1, from a bootstrap over test recordings and seeds."
    return Table("accuracy", "All figures", shown, note=note)


def _column(protocol: str, labels_per_class: str, scoring: str) -> str:
    """Return the name of what was measured, as in the summary."""
    if protocol == "anchor":
        return f"zero-shot, {scoring} anchors"
    number = f"{labels_per_class} label{'' if labels_per_class == '1' else 's'}"
    return f"own head, {number}" if protocol == "head" else f"SVM, {number}, {scoring}"


def _forest(gained: pd.DataFrame, dataset: str) -> Figure:
    """Gains with intervals; a menu chooses what was measured."""
    columns = [
        _column(*map(str, key))
        for key in gained[["protocol", "labels_per_class", "scoring"]].itertuples(index=False, name=None)
    ]
    rows = gained.assign(measured=columns)
    first = next((name for name in columns if "mean anchors" in name), columns[0])
    traces: list[dict[str, Any]] = []
    for measured, own in rows.groupby("measured", sort=False):
        ours = labels([f"{a} − {b}" for a, b in zip(own["experiment"], own["baseline"], strict=True)])
        gain = percent(own["difference"])
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": label(measured),
                "x": gain.round(3).tolist(),
                "y": ours,
                "visible": measured == first,
                "marker": {"size": 9, "color": colour(0)},
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": (percent(own["high"]) - gain).round(3).tolist(),
                    "arrayminus": (gain - percent(own["low"])).round(3).tolist(),
                    "color": colour(0),
                },
                "hovertemplate": "%{y}: %{x:+.1f} points<extra></extra>",
            }
        )
    buttons = [
        {
            "label": trace["name"],
            "method": "update",
            "args": [{"visible": [k == n for k in range(len(traces))]}],
        }
        for n, trace in enumerate(traces)
    ]
    active = list(dict.fromkeys(columns)).index(first)
    most = rows.groupby("measured").size().max()
    layout = {
        "height": 170 + ROW * int(most),
        "xaxis": {"title": {"text": "gain in top-1, points"}, "zeroline": True, "zerolinewidth": 2},
        "yaxis": {"autorange": "reversed", "automargin": True},
        "showlegend": False,
        "updatemenus": [
            {"buttons": buttons, "active": active, "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"}
        ],
    }
    data = pd.DataFrame(
        {
            "experiment": rows["experiment"],
            "baseline": rows["baseline"],
            "measured": rows["measured"],
            "gain, points": percent(rows["difference"]),
            "low": percent(rows["low"]),
            "high": percent(rows["high"]),
            "seeds": rows["seeds"],
        }
    )
    return Figure(
        f"gains-{dataset}",
        f"Gain over the baseline on {dataset}",
        traces,
        layout,
        data,
        alt=f"Gain in top-1 over the baseline on {dataset}, with 95 % intervals. The table has the values.",
        note="95 % intervals, paired bootstrap over test recordings and seeds. The menu chooses what was measured.",
    )


def _efficiency(accuracies: pd.DataFrame, dataset: str) -> Figure:
    own = accuracies[accuracies["eval_dataset"] == dataset]
    own = own[own["scoring"].isin(["decision", "mean"])]
    ticks = sorted(
        set(own["labels_per_class"]), key=lambda text: float("inf") if text == "all" else float(text)
    )
    traces = []
    groups = own.groupby(["experiment", "teacher"], sort=False)
    for number, ((experiment, teacher), rows) in enumerate(groups):
        rows = rows.set_index("labels_per_class").reindex(
            [tick for tick in ticks if tick in set(rows["labels_per_class"])]
        )
        top1 = percent(rows["top1"])
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": label(encoder(str(experiment), str(teacher))),
                "x": rows.index.tolist(),
                "y": top1.round(3).tolist(),
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": (percent(rows["high"]) - top1).round(3).tolist(),
                    "arrayminus": (top1 - percent(rows["low"])).round(3).tolist(),
                    "thickness": 1,
                },
                "line": {"color": colour(number)},
                "marker": {"color": colour(number), "symbol": symbol(number), "size": 8},
            }
        )
    data = pd.DataFrame(
        {
            "encoder": [encoder(*pair) for pair in zip(own["experiment"], own["teacher"], strict=True)],
            "labels per class": own["labels_per_class"],
            "top-1, %": percent(own["top1"]),
            "low": percent(own["low"]),
            "high": percent(own["high"]),
        }
    )
    return Figure(
        f"labels-{dataset}",
        f"Label efficiency on {dataset}",
        traces,
        {
            "height": 440,
            "xaxis": {
                "title": {"text": "labels per class (0: zero-shot, mean anchors)"},
                "type": "category",
                "categoryorder": "array",
                "categoryarray": ticks,
            },
            "yaxis": {"title": {"text": "top-1 on test, %"}},
        },
        data,
        alt=f"Top-1 on {dataset} against the number of labels per class, a line per encoder. The table has the values.",
        note="0 labels: nearest mean anchor; else an SVM on frozen features. Bars: 95 % intervals.",
    )


def _epochs(histories: Mapping[str, str]) -> pd.DataFrame:
    """Return loss and accuracy on val (fraction) after each epoch of each run."""
    rows = []
    for number, (path, experiment) in enumerate(histories.items()):
        for row in read_history(Path(path)):
            val = next((row[key] for key in ("zero_shot_mean", "head") if row.get(key) is not None), None)
            run = f"{experiment}, {Path(path).parent.name}"
            rows.append((number, experiment, run, row["epoch"] + 1, row.get("loss"), val))
    table = pd.DataFrame(rows, columns=["number", "experiment", "run", "epoch", "loss", "val"])
    return table.astype({"loss": float, "val": float})


def _curves(epochs: pd.DataFrame, column: str, title: str, unit: str) -> Figure:
    experiments = list(dict.fromkeys(epochs["experiment"]))
    known = epochs[epochs[column].notna()]
    scale = 100 if column == "val" else 1
    traces: list[dict[str, Any]] = []
    for _, rows in known.groupby("number", sort=False):
        experiment = rows["experiment"].iloc[0]
        number = experiments.index(experiment)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": label(experiment),
                "legendgroup": label(experiment),
                "showlegend": all(trace["legendgroup"] != label(experiment) for trace in traces),
                "x": rows["epoch"].tolist(),
                "y": (scale * rows[column]).round(5).tolist(),
                "line": {"color": colour(number)},
                "marker": {"color": colour(number), "symbol": symbol(number)},
            }
        )
    data = known[["run", "epoch"]].assign(**{unit: scale * known[column]})
    note = (
        "Each objective has its own scale of loss."
        if column == "loss"
        else "Zero-shot by mean anchors; supervised: own head. An undistilled encoder has one point."
    )
    return Figure(
        f"curve-{column}",
        title,
        traces,
        {"height": 400, "xaxis": {"title": {"text": "epoch"}}, "yaxis": {"title": {"text": unit}}},
        data,
        alt=f"{title} after each epoch, a line per run. The table has the values.",
        note=note,
        digits=4 if column == "loss" else 1,
    )
