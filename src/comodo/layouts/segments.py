"""Labelled segments of long recordings: a csv with columns recording, start_s, end_s, label.

Times count from the first frame of the recording's video, or in an IMU-only dataset from its first sample. What no
segment names is not used.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from comodo.config import PREDICT
from comodo.errors import LayoutError
from comodo.layouts.split_files import LARGEST_LIST, read_text
from comodo.layouts.types import Recording

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COLUMNS: Final = ("recording", "start_s", "end_s", "label")
SLACK_S: Final = 1e-6  # by which neighbours may overlap: times are written in decimals


class Segment(NamedTuple):
    """A stretch [start_s, end_s) of a recording with one label."""

    start_s: float
    end_s: float
    label: str


def read_segments(path: Path, key: str) -> dict[str, list[Segment]]:
    """Read a csv of segments: those of each recording in the order of time.

    Args:
        path: the csv; further columns are left alone.
        key: config key that names it, for errors.

    Raises:
        LayoutError: the file or a column is missing, a cell is empty or no number, or segments of a recording overlap.
    """
    if not path.exists():
        raise LayoutError(
            f"{path} (config key {key}) does not exist: write it, with columns {', '.join(COLUMNS)}; `comodo segments` "
            "makes it of a column of labels"
        )
    reader = csv.DictReader(io.StringIO(read_text(path, key, LARGEST_LIST), newline=""))
    names = [name.strip() for name in reader.fieldnames or ()]
    reader.fieldnames = names
    if missing := [name for name in COLUMNS if name not in names]:
        raise LayoutError(f"{path} (config key {key}): no column {', '.join(missing)}")
    found: dict[str, list[Segment]] = {}
    for row in reader:
        cells = {name: (row[name] or "").strip() for name in COLUMNS}
        where = f"{path}:{reader.line_num} (config key {key})"
        if empty := [name for name in COLUMNS if not cells[name]]:
            raise LayoutError(f"{where}: the cell {empty[0]!r} is empty")
        start, end = (_seconds(cells[name], name, where) for name in ("start_s", "end_s"))
        if end <= start:
            raise LayoutError(f"{where}: end_s {end:g} is not after start_s {start:g}")
        found.setdefault(cells["recording"], []).append(Segment(start, end, cells["label"]))
    for recording, segments in found.items():
        segments.sort()
        for one, other in pairwise(segments):
            if other.start_s < one.end_s - SLACK_S:
                raise LayoutError(
                    f"{path} (config key {key}): segments of {recording!r} overlap: {one.label} until {one.end_s:g} s "
                    f"and {other.label} from {other.start_s:g} s"
                )
    return found


def into_segments(
    recordings: Iterable[Recording], segments: Mapping[str, Sequence[Segment]], path: Path, key: str
) -> list[Recording]:
    """Return a recording for each segment, `<recording>@<start_s>`, of the group of its recording or itself as group.

    Recordings of the split `predict` have no segments and stay whole.

    Args:
        recordings: rows of the table.
        segments: of `read_segments`.
        path: the csv of segments, for errors.
        key: config key of the dataset, for errors.

    Raises:
        LayoutError: a recording has no segment or is cut already, or a segment is of an unknown recording.
    """
    rows = list(recordings)
    where = f"{path} (config key {key}.segments)"
    if labelled := [row.id for row in rows if row.split == PREDICT and row.id in segments]:
        raise LayoutError(
            f"{where}: {labelled[0]!r} is in split {PREDICT} of the table, so it takes no labels"
        )
    if unknown := sorted(segments.keys() - {row.id for row in rows}):
        raise LayoutError(f"{where}: the table lists no recording {unknown[0]!r}")
    cut = []
    for row in rows:
        if row.split == PREDICT:
            cut.append(row)
            continue
        if row.id not in segments:
            raise LayoutError(f"{where}: no segment of {row.id!r}: add one, or take the row out of the table")
        if row.start_s or row.end_s is not None:
            raise LayoutError(
                f"{where}: the table cuts {row.id!r} by start_s or end_s: name its segments alone"
            )
        for start, end, label in segments[row.id]:
            cut.append(
                replace(
                    row,
                    id=f"{row.id}@{start:g}",
                    label=label,
                    group=row.group or row.id,
                    start_s=start,
                    end_s=end,
                )
            )
    return cut


def label_runs(time: NDArray[np.float64], labels: Sequence[str]) -> list[Segment]:
    """Return the runs of equal labels in a file: from their first sample to the first of the next run.

    Args:
        time: (N,) of the samples, s; those without a time are skipped.
        labels: of each sample; "" is no label.
    """
    rows = [row for row in range(len(labels)) if math.isfinite(time[row])]
    if not rows:
        return []
    begins = [rows[0], *(row for before, row in pairwise(rows) if labels[row] != labels[before])]
    last = 2 * time[rows[-1]] - time[rows[-2]] if len(rows) > 1 else time[rows[-1]]
    ends = [*(float(time[row]) for row in begins[1:]), float(last)]
    return [
        Segment(float(time[row]), end, labels[row])
        for row, end in zip(begins, ends, strict=True)
        if labels[row] and end > time[row]
    ]


def _seconds(cell: str, name: str, where: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise LayoutError(f"{where}: {name} {cell!r} is not a number of seconds ≥ 0")
    return value
