"""`comodo splits`: which recordings train and which test."""

from __future__ import annotations

import argparse
import csv
import io
import math
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from comodo.commands.inputs import is_folder
from comodo.commands.outputs import is_readable, output_file
from comodo.config import SPLITS
from comodo.errors import LayoutError, SplitsError
from comodo.layouts.split_files import check_labels
from comodo.recordings.published_splits import PUBLISHED, fetch
from comodo.recordings.splits import (
    FRACTIONS,
    Row,
    check_overwrite,
    make_splits,
    read_rows,
    session_disjoint,
    session_of,
    write_split_files,
)
from comodo.storage.files import atomic
from comodo.storage.regular import open_text


def main(arguments: Sequence[str]) -> int:
    """Run `comodo splits …`; returns the exit status. Raises `ComodoError`."""
    options = _parser().parse_args(arguments)
    options.run(options)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="comodo splits", description=__doc__)
    splits = parser.add_subparsers(required=True, metavar="COMMAND")

    get = splits.add_parser("fetch", help="get the published split files, SHA-256 checked")
    get.add_argument("dataset", choices=list(PUBLISHED))
    get.add_argument("--into", type=Path, metavar="DIR", help="default: dataset/Ego4D, dataset/EgoExo4D, …")
    get.add_argument("--from", type=Path, metavar="DIR", dest="source", help="a folder that holds them")
    get.add_argument("--url", metavar="BASE", help="a mirror of the published dataset/ folder")
    get.set_defaults(run=_fetch)

    make = splits.add_parser("make", help="new splits: stratified by label, no group in two of them")
    given = make.add_mutually_exclusive_group(required=True)
    given.add_argument(
        "--table",
        type=Path,
        metavar="CSV",
        help="recordings of a `table` dataset; written is the same csv with its column `split` filled. "
        "A recording's group is its cell in column `group`, else its video file",
    )
    given.add_argument(
        "--split-files", type=Path, metavar="DIR", help="train.txt, val.txt and test.txt, `id<TAB>label`"
    )
    make.add_argument("--into", type=Path, metavar="DIR", required=True, help="the folder to write to")
    make.add_argument(
        "--group",
        metavar="GROUP",
        help="with --table: another column. With --split-files: `recording` (default), `session` (the id without its "
        "last number), or a file that tells: ego4d.json (participants) or a csv with columns recording, group",
    )
    make.add_argument(
        "--fractions",
        type=float,
        nargs=3,
        default=FRACTIONS,
        metavar=("TRAIN", "VAL", "TEST"),
        help=f"of recordings; default {' '.join(map(str, FRACTIONS))}",
    )
    make.add_argument("--seed", type=int, default=42, help="another seed, another split; default 42")
    make.set_defaults(run=_make)

    disjoint = splits.add_parser(
        "session-disjoint", help="the official EgoExo4D recordings, divided anew so that no session is shared"
    )
    disjoint.add_argument(
        "--split-files", type=Path, metavar="DIR", required=True, help="folder of the official split files"
    )
    disjoint.add_argument("--into", type=Path, metavar="DIR", required=True, help="the folder to write to")
    disjoint.add_argument("--seed", type=int, default=42, help="another seed, another split; default 42")
    disjoint.set_defaults(run=_session_disjoint)
    return parser


def _check_into(folder: Path, names: Iterable[str], inputs: Iterable[Path] = ()) -> None:
    """Refuse to overwrite inputs and anything but files. The writer compares the content of a file."""
    inputs = list(inputs)
    for name in names:
        output_file("--into", folder / name, inputs, "a readable file", is_readable)


def _split_files(options: argparse.Namespace) -> list[Path]:
    """The files that `--split-files` names."""
    return [options.split_files / f"{split}.txt" for split in SPLITS]


def _fetch(options: argparse.Namespace) -> None:
    folder, digests = PUBLISHED[options.dataset]
    into = options.into or Path("dataset") / folder
    _check_into(into, digests)
    if options.source and not is_folder(os.fspath(options.source)):
        raise SplitsError(f"--from {options.source} is not a folder")
    for path in fetch(options.dataset, into, source=options.source, url=options.url):
        print(path)


def _make(options: argparse.Namespace) -> None:
    if not all(map(math.isfinite, options.fractions)):
        raise SplitsError(f"--fractions {' '.join(map(str, options.fractions))}: give three positive numbers")
    if options.table:
        _make_table(options)
        return
    rows = read_rows(options.split_files)
    inputs = _split_files(options)
    _check_into(options.into, (path.name for path in inputs), [*inputs, Path(options.group or "recording")])
    groups = _groups([i for i, *_ in rows], options.group or "recording")
    made = make_splits(
        [(i, label, groups.get(i, "")) for i, label, _ in rows], options.fractions, options.seed
    )
    _tell(made, groups, write_split_files(made, options.into))


def _make_table(options: argparse.Namespace) -> None:
    columns, rows = _read_csv(options.table, ["recording", "label", "video", *filter(None, [options.group])])
    _check_into(options.into, [options.table.name], [options.table])
    groups = {row["recording"]: row.get(options.group or "group") or row["video"] for row in rows}
    for row in rows:
        if not row["recording"] or not row["label"]:
            raise SplitsError(f"{options.table}: a row without recording or label: {','.join(row.values())}")
    labels = ((row["label"], f"recording {row['recording']!r}") for row in rows)
    try:
        check_labels(labels, f"{options.table} (option --table)")
    except LayoutError as error:
        raise SplitsError(str(error)) from None
    recordings = [(row["recording"], row["label"], groups[row["recording"]]) for row in rows]
    made = make_splits(recordings, options.fractions, options.seed)
    split_of = {i: split for i, _, split in made}
    text = io.StringIO(newline="")
    columns = columns if "split" in columns else [columns[0], "split", *columns[1:]]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "split": split_of[row["recording"]]} for row in rows)
    target = options.into / options.table.name
    check_overwrite(target, text.getvalue())
    with atomic(target) as partial:
        partial.write_text(text.getvalue(), encoding="utf-8", newline="")
    _tell(made, groups, [target])


def _session_disjoint(options: argparse.Namespace) -> None:
    rows = read_rows(options.split_files)
    inputs = _split_files(options)
    _check_into(options.into, (path.name for path in inputs), inputs)
    made = session_disjoint(rows, options.seed)
    _tell(made, {i: session_of(i) for i, *_ in made}, write_split_files(made, options.into))


def _groups(ids: Sequence[str], group: str) -> dict[str, str]:
    """The group of each recording, "" where unknown."""
    if group == "recording":
        return {}
    if group == "session":
        return {i: session_of(i) for i in ids}
    path = Path(group)
    if path.suffix == ".json":
        from comodo.layouts.ego4d import participants

        known = participants(path, "--group")
    elif path.suffix == ".csv":
        known = {row["recording"]: row["group"] for row in _read_csv(path, ["recording", "group"])[1]}
    else:
        raise SplitsError(
            f"--group {group}: with --split-files give `recording`, `session`, a .csv or ego4d.json"
        )
    if not any(known.get(i) for i in ids):
        raise SplitsError(f"{path} names the group of none of the recordings: correct --group")
    return {i: known.get(i, "") for i in ids}


def _read_csv(path: Path, needed: Sequence[str]) -> tuple[list[str], list[dict[str, str]]]:
    """Columns and rows of a small csv; every cell stripped, missing ones empty."""
    try:
        with open_text(path, newline="") as file:
            reader = csv.DictReader(file, restkey="")
            columns = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = columns
            rows = [{name: (row[name] or "").strip() for name in columns} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SplitsError(f"{path} cannot be read: {error}") from None
    missing = [name for name in needed if name not in columns]
    if missing:
        raise SplitsError(f"{path} has no column {', '.join(missing)} (comma-separated)")
    return columns, rows


def _tell(made: Sequence[Row], groups: dict[str, str], written: Sequence[Path]) -> None:
    """Print how much went where."""
    count = Counter(split for *_, split in made)
    for split, recordings in count.items():
        held = {groups.get(i) or ("", i) for i, _, s in made if s == split}
        print(f"{split}: {recordings} recordings in {len(held)} groups")
    print("written:", *(os.fspath(path) for path in written))
