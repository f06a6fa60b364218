"""Split files (train.txt, val.txt, test.txt) and other small text files that the config names."""

from __future__ import annotations

import math
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from comodo.config import PREDICT, SPLITS, DatasetSettings
from comodo.errors import LayoutError
from comodo.storage.regular import open_text

LARGEST_LIST = 64 << 20  # bytes of a split file or table of recordings: half a million of them
UESTC_LINE = re.compile(r"(?:[^\t]*/)?(?P<class>[^/\t]+)/(?P<name>[^/\t]+) \d+ \d+ \d+")


def required_splits(settings: DatasetSettings) -> tuple[str, ...]:
    """Which splits must hold recordings: val gives the anchors of a teacher, which an IMU-only dataset never has."""
    return SPLITS if settings.video is not None else ("train", "test")


def read_split_files(
    folder: Path, key: str = "splits", required: Sequence[str] = SPLITS
) -> list[tuple[str, str, str]]:
    """Read `train.txt`, `val.txt` and `test.txt` as (id, label, split), in file order.

    Lines are `id<TAB>label`, as published for Ego4D and EgoExo4D, or `…/<class>/<name> <count> <count> <number>`, as
    published for UESTC-MMEA-CL: there the id is `<class>/<name>` and the label `<class>`. `key` is the config key named
    in errors; the file of a split that is not `required` may be missing or empty. `predict.txt` may list recordings to
    classify, whose lines need no label.

    Raises
    ------
    LayoutError
        A file is missing, empty or malformed, or the splits are unsound (see `check_splits`).
    """
    rows = []
    places = []
    for split in (*SPLITS, PREDICT):
        path = folder / f"{split}.txt"
        if split not in required and not os.path.exists(path):
            continue
        lines = read_text(path, key, LARGEST_LIST).splitlines()
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            if counted := UESTC_LINE.fullmatch(line.strip()):
                recording_id, label = f"{counted['class']}/{counted['name']}", counted["class"]
            else:
                recording_id, _, label = (part.strip() for part in line.partition("\t"))
            if not recording_id or not (label or split == PREDICT):
                raise LayoutError(f"{path}:{number}: {line[:80]!r} is not `id<TAB>label` (config key {key})")
            rows.append((recording_id, label, split))
            places.append(f"{split}.txt:{number}")
    check_splits(rows, folder, key, required, places)
    return rows


def check_splits(
    rows: Sequence[tuple[str, str, str]],
    source: Path,
    key: str,
    required: Sequence[str] = SPLITS,
    places: Sequence[str] | None = None,
) -> None:
    """Check (id, label, split) rows; `source` and `key` are the file or folder and the config key to name.

    Of the split `predict`, only the ids are checked.

    `places` names the place of each row in errors; default: its recording.

    Raises
    ------
    LayoutError
        A `required` split is empty, an id is listed twice or in two splits, train holds a single class, val or test
        hold a label that train does not, or a label is spelled in two ways (see `check_labels`).
    """
    where = f"{source} (config key {key})"
    seen: dict[str, str] = {}
    labels: dict[str, set[str]] = {split: set() for split in SPLITS}
    for recording_id, label, split in rows:
        if recording_id in seen:
            place = (
                f"twice in {split}"
                if seen[recording_id] == split
                else f"in {seen[recording_id]} and in {split}"
            )
            raise LayoutError(f"{where}: recording {recording_id!r} is listed {place}; list it once")
        seen[recording_id] = split
        if split != PREDICT:
            labels[split].add(label)
    if places is None:
        places = [f"recording {recording_id!r}" for recording_id, *_ in rows]
    labelled = zip(rows, places, strict=True)
    check_labels(((label, place) for (_, label, split), place in labelled if split != PREDICT), where)
    for split in required:
        if not labels[split]:
            needed = f"{', '.join(required[:-1])} and {required[-1]}"
            raise LayoutError(f"{where}: no recording in split {split!r}; each of {needed} needs some")
    if len(labels["train"]) < 2:
        only = next(iter(labels["train"]))
        raise LayoutError(
            f"{where}: train holds a single class, {only!r}; two or more are needed to tell apart"
        )
    for split in SPLITS[1:]:
        unknown = sorted(labels[split] - labels["train"])
        if unknown:
            named = ", ".join(map(repr, unknown[:5])) + (" …" if len(unknown) > 5 else "")
            raise LayoutError(
                f"{where}: {split} holds labels that train does not: {named}; relabel or move them"
            )


def check_labels(labels: Iterable[tuple[str, str]], where: str) -> None:
    """Refuse labels that look the same but differ as texts.

    Such differ only in case, in blanks, in invisible characters, or in Unicode's forms of the same text (NFC, NFD).
    Others stay as they are: `NA`, `1` and `01` are three classes.

    Args:
        labels: each with its place in a file.
        where: the file or folder, for errors.

    Raises
    ------
    LayoutError
        Two labels are such; the error names both, and the first place of each.
    """
    first: dict[str, str] = {}  # label → its first place
    spelled: dict[str, str] = {}  # what all spellings of a label share → its first spelling
    for label, place in labels:
        if label in first:
            continue
        first[label] = place
        other = spelled.setdefault(_folded(label), label)
        if other != label:
            same_on_screen = unicodedata.normalize("NFC", other) == unicodedata.normalize("NFC", label)
            one, two = map(ascii if same_on_screen else repr, (other, label))
            raise LayoutError(
                f"{where}: labels {one} ({first[other]}) and {two} ({place}) differ only in case, blanks or Unicode "
                "form: relabel, with one spelling for one class, or with names that differ for two"
            )


def _folded(label: str) -> str:
    """What all spellings of a label share."""
    visible = "".join(c for c in unicodedata.normalize("NFC", label) if unicodedata.category(c) != "Cf")
    return unicodedata.normalize("NFC", " ".join(visible.casefold().split()))


def read_text(path: Path, key: str, largest: float = math.inf) -> str:
    """Read a UTF-8 file that the config names, with or without a byte order mark.

    Raises `LayoutError`, also where it has more than `largest` bytes.
    """
    try:
        with open_text(path) as file:
            if (size := os.fstat(file.fileno()).st_size) > largest:
                raise LayoutError(f"{path} has {size >> 20} MB, too much for a list: see config key {key}")
            return file.read()
    except FileNotFoundError:
        raise LayoutError(f"{path} does not exist: put the file there or correct config key {key}") from None
    except LayoutError:
        raise
    except (OSError, ValueError) as error:
        raise LayoutError(f"{path} cannot be read ({error}): see config key {key}") from None


def check_root(settings: DatasetSettings, key: str) -> Path:
    """Return the folder of raw data. Raises `LayoutError` for no folder."""
    root = Path(settings.root)
    if not os.path.isdir(root):
        raise LayoutError(f"{root} is not a folder: unpack the raw data there or correct config key {key}")
    return root


def split_folder(settings: DatasetSettings) -> Path:
    """Folder of the split files: the config key `splits`, else `<root>/splits`."""
    return Path(settings.split_folder)
