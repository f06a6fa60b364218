"""What the students cost on a device, beside their accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import pandas as pd
from matplotlib import pyplot as plt

from comodo.storage.artefacts import read_json

mpl.use("Agg")
ACCURACIES: Final = {
    "zero_shot": ("anchor", "0", "mean"),
    "svm_10": ("svm", "10", "decision"),
    "svm_all": ("svm", "all", "decision"),
}
"""Columns of accuracy: protocol, labels per class, scoring."""
COLUMNS: Final = [
    "experiment", "variant", "parameters", "macs", "MB", "memory_MB", "ms", "top1", *ACCURACIES, "on_front",
]  # fmt: skip


def collect_cost(costs: Mapping[str, str], accuracy: pd.DataFrame) -> pd.DataFrame:
    """Return one row per experiment and variant (torch and graphs), means over folds and seeds.

    Columns: `parameters`; `macs` per window; `MB` of the file; `memory_MB` and `ms` per window, as measured where the
    students were exported; `top1` of the variant's own classes on test; top-1 of the experiment on its own dataset,
    zero-shot by mean anchors and by an SVM with 10 and all labels per class; `on_front`: no other row is both faster
    and better zero-shot (with 10 labels where nothing has anchors).

    Args:
        costs: the experiment of each cost.json, by its path.
        accuracy: the accuracy table of the report.
    """
    rows: list[dict[str, Any]] = []
    for path, experiment in costs.items():
        found = read_json(Path(path))
        for variant, figures in found["variants"].items():
            shared = {key: found[key] for key in ("parameters", "macs")}
            rows.append({"experiment": experiment, "variant": variant, **shared, **figures})
    measured = pd.DataFrame(
        rows, columns=["experiment", "variant", "parameters", "macs", "MB", "memory_MB", "ms", "top1"]
    )
    numbers = measured.columns.drop(["experiment", "variant"])
    measured[numbers] = measured[numbers].astype(float)
    table = measured.groupby(["experiment", "variant"], sort=False).mean().reset_index()
    own = accuracy[accuracy["dataset"] == accuracy["eval_dataset"]]
    for name, (protocol, labels, scoring) in ACCURACIES.items():
        chosen = own[
            (own["protocol"] == protocol)
            & (own["labels_per_class"].astype(str) == labels)
            & (own["scoring"] == scoring)
        ]
        table[name] = table["experiment"].map(chosen.groupby("experiment")["top1"].mean())
    score = table["zero_shot"] if table["zero_shot"].notna().any() else table["svm_10"]
    table["on_front"] = [
        bool(pd.notna(own_score)) and not ((table["ms"] < ms) & (score >= own_score)).any()
        for ms, own_score in zip(table["ms"], score, strict=True)
    ]
    table[["parameters", "macs"]] = table[["parameters", "macs"]].round().astype(int)
    return table[COLUMNS]


def cost_text(table: pd.DataFrame) -> str:
    """Return the table as Markdown: accuracies in per cent."""
    shown = table.copy()
    for name in ("top1", *ACCURACIES):
        shown[name] = (100 * shown[name]).round(1)
    shown["ms"], shown["MB"] = shown["ms"].round(2), shown["MB"].round(2)
    shown["on_front"] = shown["on_front"].map({True: "yes", False: ""})
    return (
        "\nCost on a device, by `cost.json`: multiply-accumulates (macs) and latency (ms) of one window on one thread "
        "of the machine that exported. `on_front`: nothing else is faster and at least as good. See cost.png.\n\n"
        f"{shown.to_markdown(index=False)}\n"
    )


def plot_cost(table: pd.DataFrame, target: Path) -> None:
    """Plot accuracy against latency, a panel per accuracy, with the Pareto front as a line.

    Args:
        table: of `collect_cost`.
        target: the picture to write.
    """
    titles = {
        "zero_shot": "zero-shot, mean anchors",
        "svm_10": "SVM, 10 labels per class",
        "svm_all": "SVM, all labels",
    }
    shown = [name for name in ACCURACIES if table[name].notna().any()]
    figure, panels = plt.subplots(
        1,
        max(1, len(shown)),
        figsize=(5 * max(1, len(shown)) + 2.5, 4.5),
        layout="constrained",
        squeeze=False,
    )
    markers = {"torch": "o", "onnx": "s", "onnx-int8": "^"}
    experiments = list(dict.fromkeys(table["experiment"]))
    for name, axes in zip(shown, panels[0], strict=False):
        known = table[table[name].notna()].sort_values("ms")
        for number, experiment in enumerate(experiments):
            for variant, marker in markers.items():
                own = known[(known["experiment"] == experiment) & (known["variant"] == variant)]
                label = f"{experiment}, {variant}" if name == shown[0] else None
                axes.plot(
                    own["ms"],
                    100 * own[name],
                    marker,
                    color=f"C{number % 10}",
                    label=label if len(own) else None,
                )
        best = known[known[name] > known[name].cummax().shift(fill_value=-1)]
        axes.step(best["ms"], 100 * best[name], where="post", color="grey", linewidth=1, zorder=0)
        axes.set_xscale("log")
        for axis_formatter in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
            axis_formatter("{x:g}")
        axes.tick_params(axis="x", which="both", labelsize="x-small")
        axes.set_xlabel("latency of one window on one thread, ms")
        axes.set_ylabel("top-1 on test, %")
        axes.set_title(titles[name], fontsize="small")
        axes.grid(alpha=0.3)
    if shown:
        figure.legend(loc="outside right upper", fontsize="small")
    figure.savefig(target, dpi=150)
    plt.close(figure)
