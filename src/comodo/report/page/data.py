"""Section Data: recordings and windows that were kept and dropped, class balance, notes, sync, leaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from comodo.clips.quality import count_reasons, read_quality, summarise_notes
from comodo.clips.reasons import REASONS
from comodo.config import SPLITS
from comodo.recordings.leaks import find_leaks
from comodo.recordings.sync_table import read_sync, summarise_sync
from comodo.report.page.blocks import Figure, Section, Table, colour, label, labels
from comodo.storage.artefacts import read_table


def data_section(
    quality: Sequence[Path], recordings: Mapping[str, str], sync: Sequence[Path]
) -> Section | None:
    """Return the section; None without a quality report.

    Args:
        quality: quality reports, `<dataset>/quality.csv`.
        recordings: the dataset of each index of recordings, by its path.
        sync: sync tables, `<dataset>/sync.csv`.
    """
    if not quality:
        return None
    texts: list[str] = []
    blocks: list[Table | Figure] = []
    for path in quality:
        dataset, rows = path.parent.name, read_quality(path)
        own = rows[rows["window"] < 0]
        bad = own[own["reason"] != ""]
        dropped = int((rows["window"] >= 0).sum())
        used = f"{len(own) - len(bad)} of {len(own)} recordings are used"
        texts.append(f"{dataset}: {used}; {dropped} of their windows were dropped.")
        texts += [f"{dataset}: {line}." for line in summarise_notes(rows).splitlines()]
        blocks += [_reasons(rows, dataset), _balance(own, dataset)]
    for index, dataset in recordings.items():
        table = read_table(Path(index))
        texts.append(
            f"{dataset}: {find_leaks(table[['recording', 'split', 'group']].itertuples(index=False, name=None))}."
        )
    for path in sync:
        texts += [f"{path.parent.name}: {line}." for line in summarise_sync(read_sync(path)).splitlines()]
    return Section("data", "Data", texts, blocks)


def _reasons(rows: pd.DataFrame, dataset: str) -> Table:
    counts = count_reasons(rows).rename(index={"kept": "used"}, level="reason").reset_index()
    counts.columns.name = None
    counts["meaning"] = [REASONS.get(reason, "") for reason in counts["reason"]]
    note = "Dropped windows are counted for recordings that are used. Each one is listed in quality.csv."
    return Table(f"kept-{dataset}", f"Used and dropped, {dataset}", counts, note=note)


def _balance(own: pd.DataFrame, dataset: str) -> Figure:
    count = "windows" if "windows" in own else "pairs"
    counts = own.groupby(["label", "split"])[count].sum().unstack(fill_value=0)
    counts = counts.reindex(columns=[split for split in SPLITS if split in counts])
    names = labels(list(counts.index))
    traces: list[dict[str, Any]] = [
        {
            "type": "bar",
            "orientation": "h",
            "name": label(split),
            "y": names,
            "x": counts[split].astype(int).tolist(),
            "marker": {"color": colour(number)},
        }
        for number, split in enumerate(counts)
    ]
    return Figure(
        f"balance-{dataset}",
        f"Class balance, {dataset}",
        traces,
        {
            "height": 150 + 28 * len(counts),
            "barmode": "stack",
            "xaxis": {"title": {"text": count}},
            "yaxis": {"automargin": True, "autorange": "reversed", "type": "category"},
        },
        counts.reset_index().rename(columns={"label": "class"}).rename_axis(columns=None),
        alt=f"Number of {count} of each class of {dataset}, by split. The table has the values.",
    )
