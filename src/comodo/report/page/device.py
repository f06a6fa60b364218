"""Sections Cost on a device and Published: accuracy against latency, and our figures beside the published ones."""

from __future__ import annotations

from typing import Any

import pandas as pd

from comodo.report.cost import ACCURACIES
from comodo.report.page.blocks import Figure, Section, Table, colour, label, percent, symbol

VARIANTS = ("torch", "onnx", "onnx-int8")


def device_section(cost: pd.DataFrame | None) -> Section | None:
    """Return the section on what exported students cost; None where nothing was exported.

    Args:
        cost: of `comodo.report.cost.collect_cost`.
    """
    if cost is None or cost.empty:
        return None
    score = next((name for name in ACCURACIES if cost[name].notna().any()), "top1")
    experiments = list(dict.fromkeys(cost["experiment"]))
    traces: list[dict[str, Any]] = []
    for number, experiment in enumerate(experiments):
        own = cost[cost["experiment"] == experiment]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers+text",
                "name": label(experiment),
                "x": own["ms"].tolist(),
                "y": percent(own[score]).round(3).tolist(),
                "text": own["variant"].tolist(),
                "textposition": "top center",
                "marker": {"color": colour(number), "symbol": symbol(number), "size": 11},
            }
        )
    shown = cost.assign(**{name: percent(cost[name]) for name in ("top1", *ACCURACIES)})
    figure = Figure(
        "cost",
        "Accuracy against latency",
        traces,
        {
            "height": 440,
            "xaxis": {"type": "log", "title": {"text": "latency of one window on one thread, ms"}},
            "yaxis": {"title": {"text": f"top-1 on test, % ({score})"}},
        },
        shown,
        alt="Top-1 against latency of each exported student and variant. The table has the values.",
        note="Measured on the machine that ran the workflow. on_front: nothing else is faster and at least as good.",
        digits=2,
    )
    return Section("device", "Cost on a device", [], [figure])


def published_section(beside: pd.DataFrame | None) -> Section | None:
    """Return the section that compares with published figures; None where no experiment matches.

    Args:
        beside: the table of published.csv.
    """
    if beside is None or beside.empty or beside["top1"].isna().all():
        return None
    rows = beside[beside["top1"].notna()]
    names = [label(f"{row.experiment} on {row.eval_dataset}") for row in rows.itertuples()]
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": title,
            "x": percent(rows[column]).round(3).tolist(),
            "y": names,
            "marker": {"color": colour(number), "symbol": symbol(number), "size": 11},
        }
        for number, (title, column) in enumerate((("published", "published_top1"), ("ours", "top1")))
    ]
    figure = Figure(
        "published-figure",
        "Ours beside the published figures",
        traces,
        {
            "height": 150 + 30 * len(rows),
            "xaxis": {"title": {"text": "top-1, %"}},
            "yaxis": {"automargin": True, "autorange": "reversed", "type": "category"},
        },
        rows[["experiment", "eval_dataset", "published_top1", "top1", "difference", "seeds"]],
        alt="Top-1 of our experiments and of the published rows with the same settings. The table has the values.",
        digits=3,
    )
    return Section(
        "published", "Published", [], [figure, Table("published", "All columns", beside, digits=3)]
    )
