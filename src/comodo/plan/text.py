"""The plan as text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from comodo.plan.rates import Rates


def as_text(table: pd.DataFrame, rates: Rates) -> str:
    """The plan as a markdown table with a line of totals, and what its numbers rest on."""
    sums = table[["clips", "steps", "windows", "device_h", "gb"]].sum()
    rows = [
        *table.to_dict("records"),
        {"job": "all", "estimated": table["estimated"].any(), **sums.to_dict()},
    ]
    text = pd.DataFrame([_cells(row) for row in rows]).to_markdown(index=False, disable_numparse=True)
    stored = table.loc[table["clips"].notna(), "gb"].sum()
    unknown = int(table["device_h"].isna().sum())
    notes = [
        f"On disk: {stored:.1f} GB of teacher embeddings, {sums['gb'] - stored:.1f} GB of student features."
    ]
    if table["estimated"].any():
        notes.append(
            "~: estimated, as not all datasets are prepared; after the target `prepared` it is exact."
        )
    if unknown:
        notes.append(f"?: no rate is known for {unknown} of these jobs; the totals lack them.")
        notes += [f"   {model}: {reason}" for model, reason in rates.failed.items()]
    notes.append("Not counted: preparing raw data, decoding clips, fitting SVMs; they keep the CPU busy.")
    notes.append(f"Device-hours are those of {rates.device}. Seconds per clip or window there:")
    for work, seconds in rates.seconds.items():
        notes.append(f"   {work}: {seconds[max(seconds)]:.3g} (in batches of {max(seconds)})")
    return text + "\n\n" + "\n".join(notes)


def _cells(row: Mapping[Any, Any]) -> dict[str, str]:
    def count(key: str) -> str:
        value = row.get(key, math.nan)
        if pd.isna(value):
            return ""
        return f"~{float(f'{value:.3g}'):,.0f}" if row["estimated"] else f"{value:,.0f}"

    def amount(key: str) -> str:
        value = row.get(key, math.nan)
        return "?" if pd.isna(value) else f"{value:,.2f}"

    epochs = row.get("epochs", math.nan)
    return {
        "job": row["job"],
        "clips to encode": count("clips"),
        "windows to train on": count("train") + ("" if pd.isna(epochs) else f" × {epochs:.0f}"),
        "steps": count("steps"),
        "windows to embed": count("windows"),
        "device-hours": amount("device_h"),
        "GB": amount("gb"),
    }
