"""Time ours and a peer in turn; the type of a line of the table."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


class Skipped(Exception):
    """A line that cannot be measured here; the message says why."""


@dataclass
class Bench:
    """What a line is given."""

    folder: Path  # empty, for its files
    repeats: int
    cores: int


@dataclass
class Row:
    """One row of the table. `ratio` is what the target is about; `low` and `high` are its extremes over the repeats."""

    what: str
    ours: float
    unit: str
    against: str = ""
    limit: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    target: str = ""
    met: bool | None = None
    repeats: int = 1
    note: str = ""
    rates: dict[str, float] = field(default_factory=dict)  # what docs/scaling.md reckons with


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call, s."""
    gc.collect()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def in_turn(
    ours: Callable[[], object], peer: Callable[[], object], repeats: int
) -> list[tuple[float, float]]:
    """Time both `repeats` times after one call each that does not count, in turn."""
    ours(), peer()
    pairs = []
    for repeat in range(repeats):
        if repeat % 2:
            limit, own = seconds(peer), seconds(ours)
        else:
            own, limit = seconds(ours), seconds(peer)
        pairs.append((own, limit))
    return pairs


def compare(
    what: str,
    pairs: list[tuple[float, float]],
    against: str,
    *,
    at_most: float | None = None,
    at_least: float | None = None,
    items: float = 1,
    unit: str = "s",
    note: str = "",
) -> Row:
    """Make a row of pairs of seconds (ours, limit): the medians, and the median and the extremes of their ratios.

    Args:
        what: the stage.
        pairs: seconds of ours and of the limit, measured one after the other.
        against: what the limit is.
        at_most: the target for our time / the limit's time.
        at_least: the target for our speed / the limit's speed; the row then holds speeds.
        items: how many things one measurement handled.
        unit: "s", or the unit that a speed counts ("clips").
        note: what else there is to say.
    """
    own, limit = (statistics.median(column) for column in zip(*pairs, strict=True))
    if at_least is None:
        ratios = sorted(a / b for a, b in pairs)
        shown = (own / items, limit / items, unit)
    else:
        ratios = sorted(b / a for a, b in pairs)
        shown = (items / own, items / limit, f"{unit}/s")
    ratio = statistics.median(ratios)
    target, met = "", None
    if at_most is not None:
        target, met = f"≤ {at_most:g}×", ratio <= at_most
    if at_least is not None:
        target, met = f"≥ {at_least:.0%}", ratio >= at_least
    return Row(
        what,
        shown[0],
        shown[2],
        against,
        shown[1],
        ratio,
        ratios[0],
        ratios[-1],
        target,
        met,
        len(pairs),
        note,
    )


def absolute(
    what: str,
    values: list[float],
    unit: str,
    at_most: float | None,
    against: str = "",
    limit: float | None = None,
    note: str = "",
) -> Row:
    """Make a row of a figure that has a ceiling of its own; the spread is that of the figure."""
    value = statistics.median(values)
    target = "" if at_most is None else f"≤ {at_most:g} {unit}"
    met = None if at_most is None else value <= at_most
    return Row(
        what, value, unit, against, limit, None, min(values), max(values), target, met, len(values), note
    )
