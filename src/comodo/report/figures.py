"""Figures of everything that was measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from comodo.distill.history import read_history

mpl.use("Agg")


def plot_training(histories: Mapping[str, str], target: Path) -> None:
    """Plot loss and zero-shot accuracy on val after each epoch: a line per seed, dashed where nothing was trained.

    Args:
        histories: the experiment of each training history, by its path.
        target: the picture to write.
    """
    figure, (loss, zero_shot) = plt.subplots(1, 2, figsize=(14, 4.5), layout="constrained")
    colours: dict[str, Any] = {}
    for path, name in histories.items():
        epochs = pd.DataFrame(read_history(Path(path)))
        label = None if name in colours else name
        style: dict[str, Any] = {"label": label, "color": colours.setdefault(name, _colour(len(colours)))}
        shown = next((key for key in ("zero_shot_mean", "head") if key in epochs), None)
        if epochs["loss"].isna().all():
            if shown:
                zero_shot.axhline(100 * epochs[shown].iloc[-1], linestyle="--", linewidth=1, **style)
            continue
        loss.plot(epochs["epoch"] + 1, epochs["loss"], marker=".", **style)
        if shown:
            zero_shot.plot(epochs["epoch"] + 1, 100 * epochs[shown], marker=".", **style)
    for axes in (loss, zero_shot):
        axes.xaxis.get_major_locator().set_params(integer=True)
    _finish(loss, "epochs", "training loss")
    _finish(zero_shot, "epochs", "top-1 on val, %")
    loss.set_title("each objective has a scale of its own", fontsize="small")
    zero_shot.set_title("zero-shot by mean anchors; supervised: own head", fontsize="small")
    _legend(figure)
    figure.savefig(target, dpi=150)
    plt.close(figure)


def plot_label_efficiency(table: pd.DataFrame, target: Path) -> None:
    """Top-1 of an SVM against labels per class, and of the nearest anchor (0 labels); a panel per evaluated dataset."""
    rows = table[
        ((table["protocol"] == "svm") & (table["scoring"] == "decision")) | (table["scoring"] == "mean")
    ].copy()
    rows["labels"] = rows["labels_per_class"].astype(str)
    ticks = sorted(rows["labels"].unique(), key=lambda text: float("inf") if text == "all" else float(text))
    datasets = sorted(rows["eval_dataset"].unique())
    figure, panels = plt.subplots(
        1, len(datasets), figsize=(6 * len(datasets) + 4.5, 4.5), layout="constrained", squeeze=False
    )
    for axes, dataset in zip(panels[0], datasets, strict=True):
        own = rows[rows["eval_dataset"] == dataset]
        for (teacher, student, experiment), group in own.groupby(
            ["teacher", "student", "experiment"], sort=False
        ):
            scores = 100 * group.groupby("labels")["top1"].agg(["mean", "std"]).reindex(ticks)
            name = f"teacher {teacher}" if student == "-" else f"{student}: {experiment}"
            svm, anchor = scores[scores.index != "0"], scores[scores.index == "0"]
            style = {"capsize": 3, "color": _colour(len(axes.containers) // 2)}
            axes.errorbar(
                anchor.index, anchor["mean"], anchor["std"].fillna(0), fmt="*", markersize=11, **style
            )
            axes.errorbar(svm.index, svm["mean"], svm["std"].fillna(0), label=name, marker="o", **style)
        axes.set_title(dataset)
        _finish(
            axes,
            "labels per class (SVM; stars at 0: mean anchors)",
            "top-1 on test, %",
        )
    _legend(figure)
    figure.savefig(target, dpi=150)
    plt.close(figure)


def _finish(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.3)


def _colour(number: int) -> Any:
    """Ten colours, then their lighter kin."""
    return plt.get_cmap("tab20")(number % 10 * 2 + number // 10 % 2)


def _legend(figure: Any) -> None:
    """One legend beside all panels, each name once."""
    found: dict[str, Any] = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        found |= dict(zip(labels, handles, strict=True))
    if found:
        figure.legend(found.values(), found.keys(), loc="outside right upper", fontsize="small")
