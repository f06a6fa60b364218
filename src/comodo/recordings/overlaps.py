"""Stretches of samples that claim the same times: a clock that restarts or steps back, overlapping components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from comodo.notes import note
from comodo.recordings.signal import Floats
from comodo.text import first_few

FEWEST: Final = 3
"""Samples of one stretch within another that show two moments of the same time; fewer are jitter."""
USUAL: Final = 1.5
"""Sampling intervals between two samples that have no hole between them."""
DENSE: Final = 0.5
"""Share of the samples that lie within the other stretch, from the first one to the last one that does."""
RESTART: Final = 0.5
"""Shared part of the shorter stretch above which one of the two is dropped."""
MANY: Final = 1000
"""Runs of ascending times; in a file with more of them the rows are simply out of order."""

Zone = tuple[float, float]


@dataclass(slots=True)
class Stretch:
    """Samples of one sensor, sorted by time.

    Attributes:
        time: (N,) s.
        values: (C, N).
        row: the first of them in the file, counted from 1.
        shared: times (begin_s, end_s) that two of its moments claim.
    """

    time: Floats
    values: Floats
    row: int = 1
    shared: list[Zone] = field(default_factory=list)


def split_at_restarts(time: Floats, values: Floats, step_s: float) -> list[Stretch]:
    """Split samples in file order where the clock restarts: where times come again that were there already.

    Args:
        time: (N,) s, finite.
        values: (C, N).
        step_s: the sampling interval, s.
    """
    cuts = np.flatnonzero(np.diff(time) < 0) + 1
    if len(cuts) == 0:
        return [Stretch(time, values)]
    if len(cuts) > MANY:
        return [_sort(time, values, np.arange(len(time)), [])]
    chains: list[list[NDArray[np.int64]]] = [[]]
    zones: list[list[Zone]] = [[]]
    for run in np.split(np.arange(len(time)), cuts):
        shared = [_shared(time[other], time[run], step_s) for other in chains[-1] if len(run) >= FEWEST]
        if any(share > RESTART for _, share in shared):
            chains.append([])
            zones.append([])
        else:
            zones[-1] += [zone for zone, share in shared if share > 0]
        chains[-1].append(run)
    return [
        _sort(time, values, np.concatenate(chain), zone) for chain, zone in zip(chains, zones, strict=True)
    ]


def resolve(stretches: Sequence[Stretch], step_s: float, notes: list[str]) -> list[Stretch]:
    """Return stretches without times that two moments claim, in order of time.

    Of two stretches that share more than half of the shorter one, the longer is kept. A shorter overlap becomes a hole.
    """
    kept: list[Stretch] = []
    zones: list[Zone] = []
    stretches, copies = _without_copies(stretches)
    if copies:
        notes.append(note("imu_duplicates", f"{copies} samples are in the file more than once"))
    for own in sorted(stretches, key=lambda stretch: -len(stretch.time)):
        shared = [_shared(other.time, own.time, step_s) for other in kept]
        if all(share <= RESTART for _, share in shared):
            kept.append(own)
            zones += [zone for zone, share in shared if share > 0] + own.shared
    kept.sort(key=lambda stretch: float(stretch.time[0]))
    if len(kept) < len(stretches):
        used = ", ".join(f"{s.time[0]:.2f} to {s.time[-1]:.2f} s from row {s.row}" for s in kept[:3])
        lost = sum(len(s.time) for s in stretches) - sum(len(s.time) for s in kept)
        notes.append(
            note(
                "imu_restart",
                f"the same times come {len(stretches)} times, as the clock restarts or components overlap: "
                f"{used} is used, the other {lost} samples are left out",
            )
        )
    if not zones:
        return kept
    zones.sort()
    text = first_few([f"{begin:.2f} to {end:.2f} s" for begin, end in zones])
    notes.append(note("imu_step_back", f"two moments have the same times, which become a hole: {text}"))
    return [cut for stretch in kept for cut in _cut_out(stretch, zones)]


def _without_copies(stretches: Sequence[Stretch]) -> tuple[list[Stretch], int]:
    """Leave out stretches that equal an earlier one; also returns how many samples these have."""
    own: list[Stretch] = []
    copies = 0
    for stretch in stretches:
        if any(
            np.array_equal(stretch.time, other.time) and np.array_equal(stretch.values, other.values)
            for other in own
        ):
            copies += len(stretch.time)
        else:
            own.append(stretch)
    return own, copies


def _shared(one: Floats, other: Floats, step_s: float) -> tuple[Zone, float]:
    """The time in which two ascending stretches both have samples, and its share of the shorter one's samples.

    A sample lies within the other stretch where that has one before and one after it at the usual distance; packets out
    of order fill each other's holes instead.
    """
    longer, shorter = (one, other) if len(one) >= len(other) else (other, one)
    after = np.clip(np.searchsorted(longer, shorter), 1, len(longer) - 1)
    before, behind = longer[after - 1], longer[after]
    within = (before <= shorter) & (shorter <= behind) & (behind - before <= USUAL * step_s)
    rows = np.flatnonzero(within)
    if len(longer) < 2 or len(rows) < max(FEWEST, DENSE * (rows[-1] - rows[0] + 1) if len(rows) else 0):
        return (0.0, 0.0), 0.0
    return (float(shorter[rows[0]]), float(shorter[rows[-1]])), len(rows) / len(shorter)


def _cut_out(stretch: Stretch, zones: Sequence[Zone]) -> list[Stretch]:
    """Leave out the samples of the zones. The samples on both sides of a zone are never joined."""
    begins = np.array([begin for begin, _ in zones])
    outside = np.ones(len(stretch.time), dtype=bool)
    for begin, end in zones:
        outside &= (stretch.time < begin) | (stretch.time > end)
    part = np.searchsorted(begins, stretch.time[outside])
    time, values = stretch.time[outside], stretch.values[:, outside]
    cuts = np.flatnonzero(np.diff(part)) + 1
    return [
        Stretch(time[own], values[:, own], stretch.row)
        for own in np.split(np.arange(len(time)), cuts)
        if len(own)
    ]


def _sort(time: Floats, values: Floats, rows: NDArray[np.int64], zones: list[Zone]) -> Stretch:
    order = rows[np.argsort(time[rows], kind="stable")]
    return Stretch(time[order], values[:, order], int(rows[0]) + 1, zones)
