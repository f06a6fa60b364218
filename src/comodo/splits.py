"""Which recordings train and which test: the published splits, splits of one's own, and leaks between splits.

The published split files are not part of this project; `fetch` gets them from the published repository and checks their
digests. A *group* is what must not be torn apart (a session, a subject): windows of one group resemble each other, so a
model that has seen some of them is not tested by the others.
"""

from __future__ import annotations

import logging
import os
import random
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from comodo.config import SPLITS
from comodo.files import atomic
from comodo.layouts import LayoutError, read_split_files

FRACTIONS: Final = (0.7, 0.1, 0.2)
ATTEMPTS: Final = 10  # orders in which `make_splits` tries the groups
URL: Final = "https://raw.githubusercontent.com/cruiseresearchgroup/COMODO/main/dataset"

# The folder of each dataset in the published repository, and the SHA-256 of what lies there.
PUBLISHED: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "ego4d": (
        "Ego4D",
        {
            "train.txt": "279a9a699c3b8f3df98f1620f535473fac9aea6e3a885ed42217a8cc074420e1",
            "val.txt": "fe8e99fb4b37c18daa7b8ea5b69f76466b81a27b16a4ae9db0728e760614ba17",
            "test.txt": "2ba316ad0a945116977f95c1cfdbe46d5ed139654aa194b0e1487768834f1e41",
            # all 2289 videos with IMU: the list for Ego4D's own downloader
            "ego4d_subset_ids.txt": "23add79a481135d8974d1b5796ee9a58339995e5e573022a5990e04b3af9f25b",
        },
    ),
    "egoexo4d": (
        "EgoExo4D",
        {
            "train.txt": "9191bed3a56ec4ee05fc625eef6a988a9c3f616410e21df6ec41ccea993fb8ef",
            "val.txt": "1bdffc8e8f91979d365d327313dc7997974ddda8edca46a66807ac543cd8d77a",
            "test.txt": "c7b47471f91cf9e6293528445afd106688bfdf44248319c73ce12776b6d90893",
        },
    ),
    "uestc": (
        "UESTC-MMEA-CL",
        {
            "train.txt": "2b84f10320d4be6a808904e07760e0a0880e25ee390652b580f3cf53beea415c",
            "val.txt": "2ede4b4c6286a6cf18b6386685059e9bb8fb7ce25ed2f240791f646decd7158e",
            "test.txt": "7fd58c11cef349701585fdd7b32256829ed2e7afac99a8544540aa50ab78e148",
        },
    ),
}

Row = tuple[str, str, str]

log = logging.getLogger(__name__)


class SplitsError(ValueError):
    """Split files that cannot be had, made or written; one line that names the file and the remedy."""


def fetch(dataset: str, into: Path, *, source: Path | None = None, url: str | None = None) -> list[Path]:
    """Get the published split files of a dataset ("ego4d", "egoexo4d" or "uestc"), with their SHA-256 checked.

    Files that are already there and whole are kept; other files of the same name are never overwritten.

    Args:
        dataset: a key of `PUBLISHED`.
        into: the folder to write to.
        source: take the files from this folder instead of the network: theirs, or one with a folder `Ego4D`,
            `EgoExo4D` or `UESTC-MMEA-CL` in it (such as `dataset/` of a clone of the published repository).
        url: a mirror of the published `dataset/` folder; default the environment variable `COMODO_SPLITS_URL`, else
            the published repository.

    Returns:
        The paths of the files.

    Raises:
        SplitsError: a file cannot be fetched, has another digest, or would overwrite a different one.
    """
    folder, digests = PUBLISHED[dataset]
    base = f"{(url or os.environ.get('COMODO_SPLITS_URL') or URL).rstrip('/')}/{folder}"
    for name, expected in digests.items():
        target = into / name
        if target.exists():
            if _sha256(target) == expected:
                continue
            raise SplitsError(
                f"{target} exists and is not the published file (SHA-256 {_sha256(target)}, expected {expected}): "
                "move it away, or fetch into another folder with --into"
            )
        with atomic(target) as partial:
            if source is None:
                origin = f"{base}/{name}"
                _download(origin, partial)
            else:
                origin = _copy(source, folder, name, partial)
            if (found := _sha256(partial)) != expected:
                raise SplitsError(
                    f"{origin} is not the published {folder}/{name}: expected SHA-256 {expected}, found {found}"
                )
    return [into / name for name in digests]


def _download(url: str, target: Path) -> None:
    import pooch

    try:
        # Without pooch's cache: `fetch` knows what is there already, and words its own errors.
        pooch.HTTPDownloader(timeout=30)(url, str(target), None)
    except OSError as error:  # those of requests are OSErrors
        response = getattr(error, "response", None)
        reason = getattr(error.args[0], "reason", error) if error.args else error
        why = type(reason).__name__ if response is None else f"HTTP status {response.status_code}"
        raise SplitsError(
            f"{url} cannot be fetched ({why}): check the network, "
            "or download its folder elsewhere and name that with --from"
        ) from error


def _copy(source: Path, folder: str, name: str, target: Path) -> str:
    candidates = [source / folder / name, source / name]
    origin = next((path for path in candidates if path.is_file()), None)
    if origin is None:
        raise SplitsError(f"neither {candidates[0]} nor {candidates[1]} exists: correct --from")
    shutil.copyfile(origin, target)
    return str(origin)


def _sha256(path: Path) -> str:
    import pooch

    digest: str = pooch.file_hash(str(path), alg="sha256")
    return digest


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
    if path.exists() and path.read_bytes() != text.encode():
        raise SplitsError(
            f"{path} exists and holds something else: remove it, or name another folder with --into"
        )


def read_rows(folder: Path) -> list[Row]:
    """Read (id, label, split) from the split files that the option `--split-files` names. Raises `SplitsError`."""
    try:
        return read_split_files(folder, "--split-files")
    except LayoutError as error:
        raise SplitsError(str(error).replace("config key --", "option --")) from None


@dataclass(frozen=True, slots=True)
class Leaks:
    """What test shares with train and val; counts of groups and of test recordings."""

    groups: int  # in test
    groups_in_train: int
    groups_in_val: int
    recordings: int  # in test
    recordings_leaked: int  # of groups that are in train or val too

    def __bool__(self) -> bool:
        return self.recordings_leaked > 0

    def __str__(self) -> str:
        if not self.groups:
            return "leaks between splits: unknown, as no test recording has a group (session, subject)"
        if not self:
            return f"leaks between splits: none of the {self.groups} groups in test is in train or val"
        return (
            f"leaks between splits: of the {self.groups} groups (sessions, subjects) in test, "
            f"{self.groups_in_train} are in train too and {self.groups_in_val} in val, with "
            f"{self.recordings_leaked} of the {self.recordings} test recordings; accuracy on test will flatter. "
            "For splits that share no group: comodo splits --help"
        )


def find_leaks(rows: Iterable[Row]) -> Leaks:
    """Count the test groups that are in train or val too, from (id, split, group) each; group "" is unknown."""
    rows = list(rows)
    groups = {s: {group for _, split, group in rows if split == s and group} for s in SPLITS}
    test = [group for _, split, group in rows if split == "test"]
    return Leaks(
        groups=len(groups["test"]),
        groups_in_train=len(groups["test"] & groups["train"]),
        groups_in_val=len(groups["test"] & groups["val"]),
        recordings=len(test),
        recordings_leaked=sum(group in groups["train"] | groups["val"] for group in test),
    )
