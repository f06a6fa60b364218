"""The tables at a glance: one row per encoder, one column per protocol."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from comodo.report.tables import mean_over_seeds


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Top-1 at a glance: one row per encoder, one column per protocol; n is the number of test windows."""
    short = mean_over_seeds(_shown(table))
    names = short[["teacher", "student", "experiment"]].astype(str).itertuples(index=False, name=None)
    encoder = [
        f"teacher {teacher}" if student == "-" else f"{student} ({experiment})"
        for teacher, student, experiment in names
    ]
    short = short.assign(encoder=encoder)
    wide = _wide(short, "top1")
    numbers = short.groupby(["eval_dataset", "encoder"])["n_test"].unique()
    n = [" / ".join(map(str, sorted(numbers[key]))) for key in zip(wide["on"], wide["encoder"], strict=True)]
    wide.insert(2, "n", n)
    return wide


MANY: Final = 20  # comparisons: one 95 % interval in 20 excludes the true value


def gains_text(gained: pd.DataFrame) -> str:
    """Return the section of the summary on the gains over the baseline: a table per kind of interval."""
    text = "\nGain over the baseline, points [95 % interval, paired bootstrap over recordings and seeds]:\n\n"
    text += f"{gains(gained).to_markdown(index=False)}\n"
    if gained["groups"].notna().any():
        text += "\nThe same with intervals from a bootstrap over groups (subjects, sessions) and seeds:\n\n"
        text += f"{gains(gained, 'group_low', 'group_high').to_markdown(index=False)}\n"
    if (count := len(_shown(gained))) > MANY:
        text += (
            f"\n{count} comparisons are shown, and their intervals are not corrected for that. If no experiment "
            f"differed from its baseline, about {count / MANY:.0f} of them would still exclude 0 by chance.\n"
        )
    return text


def gains(table: pd.DataFrame, low: str = "low", high: str = "high") -> pd.DataFrame:
    """Differences at a glance: one row per experiment, one column per protocol, in points with the interval.

    Args:
        table: of `comodo.report.tables.differences`.
        low: column of the lower end of the interval. Rows without it are left out.
        high: column of the upper end.
    """
    short = _shown(table).dropna(subset=[low])
    figures = 100 * short[["difference", low, high]].to_numpy(float)
    shown = [f"{gain:+.1f} [{left:+.1f}, {right:+.1f}]" for gain, left, right in figures]
    return _wide(short.assign(encoder=short["experiment"] + " − " + short["baseline"], shown=shown), "shown")


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["scoring"] != "medoid"]


def _column(protocol: str, labels: Any, scoring: str) -> str:
    """Return the name of a column of the summary."""
    if protocol == "anchor":
        return f"zero-shot, {scoring} anchors"
    number = f"{labels} label{'' if str(labels) == '1' else 's'}"
    if protocol == "head":
        return f"own head, {number}"
    return f"SVM, {number}" + (" (Platt)" if scoring == "platt" else "")


def _wide(short: pd.DataFrame, values: str) -> pd.DataFrame:
    """One row per evaluated dataset and encoder, in the order in which they came; one column per protocol."""
    index = ["eval_dataset", "encoder"]
    keys = short[["protocol", "labels_per_class", "scoring"]].itertuples(index=False, name=None)
    short = short.assign(column=[_column(*key) for key in keys])
    wide = short.pivot(index=index, columns="column", values=values)
    order = short.drop_duplicates(index).set_index(index).index
    wide = wide.loc[order, sorted(dict.fromkeys(short["column"]), key=_place)]
    return wide.fillna("").reset_index().rename(columns={"eval_dataset": "on"})


def _place(column: str) -> tuple[int, float]:
    """Zero-shot first, then few labels to all, then own heads."""
    kind, rest = column.split(", ")
    number = rest.split()[0]
    labels = float(number) if number.isdigit() else float("inf") if number == "all" else 0
    return ("zero-shot", "SVM", "own head").index(kind), labels
