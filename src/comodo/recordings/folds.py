"""Folds by group: every fold is a split of the same recordings, made from their groups alone."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import pandas as pd

from comodo.config import SPLITS, DatasetSettings
from comodo.errors import LayoutError, SplitsError
from comodo.layouts.split_files import required_splits
from comodo.layouts.types import Recording

FEWEST: Final = 3  # folds: one each for train, val and test
NAMED: Final = 5  # recordings in a message
log = logging.getLogger(__name__)


def assign_folds(groups: Mapping[str, str], folds: int | None) -> dict[str, int]:
    """Return the fold in which each recording is test.

    Groups are placed whole, large ones first, each into the fold with the fewest recordings so far. Equally large
    groups are placed in sorted order, so that the result depends on the groups alone.

    Args:
        groups: group of each recording.
        folds: number of folds; None: one per group, in sorted order.

    Raises:
        SplitsError: if a recording has no group, or there are fewer groups than folds.

    Example:
        >>> assign_folds({"a1": "ann", "a2": "ann", "b1": "bob", "c1": "cem"}, folds=None)
        {'a1': 0, 'a2': 0, 'b1': 1, 'c1': 2}
    """
    if unknown := [recording for recording, group in groups.items() if not group]:
        more = f" and {len(unknown) - NAMED} more" if len(unknown) > NAMED else ""
        raise SplitsError(
            f"folds by group: no group is known of recording {', '.join(unknown[:NAMED])}{more}: name it, or leave the "
            "recording out"
        )
    sizes = Counter(groups.values())
    needed = folds or FEWEST
    if len(sizes) < needed:
        raise SplitsError(f"folds by group: {needed} folds need as many groups, found {len(sizes)}")
    if folds is None:
        places = {group: place for place, group in enumerate(sorted(sizes))}
    else:
        places, held = {}, [0] * folds
        for group in sorted(sizes, key=lambda group: (-sizes[group], group)):
            places[group] = held.index(min(held))
            held[places[group]] += sizes[group]
    return {recording: places[group] for recording, group in groups.items()}


def check_divided(dataset: str, settings: DatasetSettings, recordings: Sequence[Recording]) -> None:
    """Check that the recordings of a dataset have splits, or groups for its folds.

    Apart from `recordings()`, because clips, IMU and embeddings do not depend on the division.

    Raises:
        LayoutError: with the key and the remedy.
    """
    key = f"datasets.{dataset}"
    if settings.folds is not None:
        try:
            assign_folds({r.id: r.group for r in recordings}, settings.folds.folds)
        except SplitsError as error:
            raise LayoutError(f"{error} (config key {key}.splits)") from None
    elif missing := [s for s in required_splits(settings) if s not in {r.split for r in recordings}]:
        raise LayoutError(
            f"{settings.table} (config key {key}.table): no column split, so no recording is in {', '.join(missing)}: "
            f"`comodo splits make` adds it; or set {key}.splits for folds by group"
        )


def splits_by_fold(fold: int, number: int) -> dict[int, str]:
    """Return the split of each fold's recordings in fold `fold` of `number`: its own are test, the next ones val."""
    return {place: "train" for place in range(number)} | {fold: "test", (fold + 1) % number: "val"}


def fold_windows(
    windows: pd.DataFrame, groups: Mapping[str, str], folds: int | None, fold: int
) -> pd.DataFrame:
    """Return the windows of a dataset with the splits of one fold.

    The groups of the fold are test, those of the next one are val, all others are train.

    Args:
        windows: table of the windows of the dataset (`comodo.clips.tables`).
        groups: group of each recording of the dataset.
        folds: number of folds; None: one per group.
        fold: number of the fold, from 0.

    Returns:
        The same rows with two more columns: `listed_split`, the split in the embedding store, and `fold`.

    Raises:
        SplitsError: as `assign_folds`, or if the fold has no window in train or test.
    """
    places = assign_folds(groups, folds)
    split_of = splits_by_fold(fold, max(places.values()) + 1)
    split = windows["recording"].map(places).map(split_of).astype(object)
    divided = windows.assign(split=split, listed_split=windows["split"], fold=fold)
    for name in SPLITS:
        own = {group for recording, group in groups.items() if split_of[places[recording]] == name}
        rows = divided[divided["split"] == name]
        if rows.empty and name != "val":
            raise SplitsError(
                f"fold {fold} has no windows in {name}: all recordings of {', '.join(sorted(own))} were dropped. Leave "
                "them out, or use fewer folds"
            )
        shown = ", ".join(sorted(own)) if name != "train" else f"{len(own)} groups"
        log.info("fold %d, %s: %d windows of %s", fold, name, len(rows), shown)
    labels = {name: set(divided.loc[divided["split"] == name, "label"]) for name in SPLITS}
    if unknown := sorted(labels["test"] - labels["train"]):
        log.warning("fold %d: test has labels that train lacks, always wrong: %s", fold, ", ".join(unknown))
    return divided
