"""New splits: stratified by label, no group in two of them; and split files as text.

A *group* is what must not be torn apart (a session, a subject): windows of one group resemble each other, so a
model that has seen some of them is not tested by the others.
"""

from __future__ import annotations

import logging
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from comodo.config import SPLITS
from comodo.errors import LayoutError, SplitsError
from comodo.layouts.split_files import read_split_files
from comodo.storage.files import atomic
from comodo.storage.regular import open_regular

FRACTIONS: Final = (0.7, 0.1, 0.2)
ATTEMPTS: Final = 10  # orders in which `make_splits` tries the groups
Row = tuple[str, str, str]
log = logging.getLogger(__name__)


def make_splits(
    recordings: Iterable[Row], fractions: Sequence[float] = FRACTIONS, seed: int = 42
) -> list[Row]:
    """Divide recordings into train, val and test: stratified by label, no group in two splits.

    Groups are placed one after the other, large ones first, each where it brings the counts per label nearest to the
    wanted ones (chi-square; iterative stratification after Sechidis et al. 2011, for groups), except that the last
    groups of a label go to splits that lack it. scikit-learn's StratifiedGroupKFold makes equal folds and may leave a
    class out of one. The best of several shuffled orders is taken. The order of `recordings` does not matter.

    Args:
        recordings: (id, label, group) each; a recording with group "" is a group of its own.
        fractions: of recordings in train, val and test.
        seed: another seed, another split.

    Returns:
        (id, label, split) each, by split, then id. A label of two groups is missing in test, with a logged warning.

    Raises:
        SplitsError: an id twice, unsound fractions, or a label that cannot be in both train and val, as it must.
    """
    if len(fractions) != 3 or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise SplitsError(f"fractions {tuple(fractions)}: give three positive numbers whose sum is 1")
    rows = sorted(recordings)
    twice = [i for i, count in Counter(row[0] for row in rows).items() if count > 1]
    if twice:
        raise SplitsError(f"recording {twice[0]!r} is listed twice; list it once")
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[("group", row[2]) if row[2] else ("recording", row[0])].append(row)
    labels = {group: Counter(label for _, label, _ in members) for group, members in groups.items()}
    rng = random.Random(seed)
    split_of = min((_place(labels, fractions, rng) for _ in range(ATTEMPTS)), key=lambda found: found[0])[1]
    made = [(i, label, split_of[group]) for group, members in groups.items() for i, label, _ in members]
    _check_coverage(made, labels)
    return sorted(made, key=lambda row: (SPLITS.index(row[2]), row[0]))


def _place(
    labels: dict[tuple[str, str], Counter[str]], fractions: Sequence[float], rng: random.Random
) -> tuple[tuple[int, int, float], dict[tuple[str, str], str]]:
    """Place every group once; returns (classes missing in train and val, in test, chi-square) and the places."""
    total: Counter[str] = sum(labels.values(), Counter())
    wanted = {s: {x: f * n for x, n in total.items()} for s, f in zip(SPLITS, fractions, strict=True)}
    held = {split: Counter[str]() for split in SPLITS}
    waiting = Counter(label for counts in labels.values() for label in counts)  # groups yet to be placed
    place: dict[tuple[str, str], str] = {}

    def cost(split: str, counts: Counter[str]) -> float:
        """By how much chi-square grows when the group goes there."""
        return sum(
            n * (n + 2 * (held[split][x] - wanted[split][x])) / wanted[split][x] for x, n in counts.items()
        )

    def missed_by(split: str, counts: Counter[str]) -> int:
        """How many labels this split lacks and will lack for good unless it gets one of the groups still waiting."""
        lacking = [[s for s in SPLITS if not held[s][x]][: waiting[x]] for x in counts]
        return sum(
            split in splits and waiting[x] <= len(splits) for x, splits in zip(counts, lacking, strict=True)
        )

    sizes = {group: counts.total() * rng.uniform(0.5, 1) for group, counts in labels.items()}
    for group in sorted(labels, key=lambda g: (-sizes[g], g)):
        counts = labels[group]
        split = min(SPLITS, key=lambda s: (-missed_by(s, counts), cost(s, counts)))
        place[group] = split
        held[split].update(counts)
        waiting.subtract(counts.keys())
    missing = [sum(not held[split][x] for x in total) for split in SPLITS]
    chi2 = sum((held[s][x] - n) ** 2 / n for s in SPLITS for x, n in wanted[s].items())
    return (missing[0] + missing[1], missing[2], chi2), place


def _check_coverage(rows: list[Row], labels: dict[tuple[str, str], Counter[str]]) -> None:
    groups = Counter(label for counts in labels.values() for label in counts)
    have = {split: {label for _, label, s in rows if s == split} for split in SPLITS}
    lost = {
        split: [
            f"{x!r} ({groups[x]} group{'s' * (groups[x] > 1)})" for x in sorted(set(groups) - have[split])
        ]
        for split in SPLITS
    }
    if lost["train"] or lost["val"]:
        named = ", ".join(dict.fromkeys(lost["train"] + lost["val"]))
        raise SplitsError(
            f"groups too few or too entangled to have each label in train and in val: {named}; "
            "add recordings of other groups, or merge or drop these labels"
        )
    if lost["test"]:
        log.warning(
            "groups too few or too entangled to have each label in test: %s; most need three",
            ", ".join(lost["test"]),
        )


def session_of(recording_id: str) -> str:
    """Session of an EgoExo4D take: its name without the last number (`uniandes_bouldering_026_6`: take 6)."""
    return re.sub(r"_\d+$", "", recording_id)


def session_disjoint(rows: Iterable[Row], seed: int = 42) -> list[Row]:
    """Divide the official EgoExo4D recordings anew, by session, in the official proportions.

    The official test split cannot be kept: 77 % of the other recordings are of its sessions, all Basketball ones among
    them, so without these there is no Basketball left to learn from.

    Args:
        rows: (id, label, split) of the official split files.
        seed: another seed, another split.

    Returns:
        (id, label, split) of the same recordings.

    Raises:
        SplitsError: these are no EgoExo4D takes, or see `make_splits`.
    """
    rows = list(rows)
    if all(session_of(i) == i for i, *_ in rows):
        raise SplitsError("no id ends in _<number> as EgoExo4D's takes do: see `comodo splits make --group`")
    fractions = [sum(split == s for *_, s in rows) / len(rows) for split in SPLITS]
    return make_splits([(i, label, session_of(i)) for i, label, _ in rows], fractions, seed)


def write_split_files(rows: Iterable[Row], folder: Path) -> list[Path]:
    """Write (id, label, split) as `train.txt`, `val.txt` and `test.txt`, lines of `id<TAB>label`.

    Raises:
        SplitsError: one of them exists and holds something else.
    """
    rows = list(rows)
    texts = {
        folder / f"{split}.txt": "".join(f"{i}\t{label}\n" for i, label, s in rows if s == split)
        for split in SPLITS
    }
    for path, text in texts.items():
        check_overwrite(path, text)
    for path, text in texts.items():
        with atomic(path) as partial:
            partial.write_text(text, encoding="utf-8", newline="\n")
    return list(texts)


def check_overwrite(path: Path, text: str) -> None:
    """Raise `SplitsError` where a file exists and holds something else."""
    try:
        with open_regular(path) as file:
            same = file.read() == text.encode()
    except FileNotFoundError:
        return
    except OSError:
        same = False
    if not same:
        raise SplitsError(
            f"{path} exists and holds something else: remove it, or name another folder with --into"
        )


def read_rows(folder: Path) -> list[Row]:
    """Read (id, label, split) from the split files that the option `--split-files` names. Raises `SplitsError`."""
    try:
        return read_split_files(folder, "--split-files")
    except LayoutError as error:
        raise SplitsError(str(error).replace("config key --", "option --")) from None
