"""What `comodo train` and `comodo evaluate` share: a dataset by its folder, the workflow's run, the result file."""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final

import yaml

import comodo
from comodo.commands.inputs import is_folder, read_json_object, read_text
from comodo.commands.outputs import is_readable, output_file
from comodo.config import SPLITS, load
from comodo.errors import CommandError, DamageError
from comodo.storage import regular
from comodo.storage.files import atomic, locked, strict_json, write_json
from comodo.text import printable

LONGEST_ID: Final = 96  # characters; the hub's own limit
CONFIGS: Final = Path("results/commands")  # one per experiment
RESULTS: Final = Path("results/unsupervised_result/results.json")  # as in the published repository
HEADING: Final = "# Written by: "  # each of these configs begins with it
KINDS: Final = {"ego4d": ("ego4d",), "egoexo4d": ("egoexo", "ego-exo"), "uestc": ("uestc", "mmea")}
RECORDINGS_PER_SHARD: Final = 25  # as in config/ego4d.yaml


def add_shared_flags(parser: argparse.ArgumentParser, dataset_path: str) -> None:
    """Add the flags of both commands: the published `--dataset_path` with its default, and those of a run."""
    parser.add_argument(
        "--dataset_path",
        default=dataset_path,
        metavar="DIR",
        help="raw data as released, or what the published scripts made of them (processed_video/, processed_imu/), "
        "with train.txt, val.txt and test.txt in it or in splits/; default %(default)s",
    )
    parser.add_argument(
        "--dataset", choices=list(KINDS), help="which dataset it is, if the folder's name does not show it"
    )
    parser.add_argument(
        "--scoring",
        choices=["decision", "platt"],
        default="decision",
        help="which accuracy goes into the result file: ranked by the SVM's decision function, or by Platt's "
        "probabilities as published (they can rank upside down); both are printed. Default %(default)s",
    )
    parser.add_argument("--cores", default="all", help="CPU cores to use; default %(default)s")
    parser.add_argument("--dry_run", action="store_true", help="write the config and list what would run")


def repository() -> Path:
    """Return the folder of the Snakefile: inside an installed package, or the checkout of an editable one.

    Raises `CommandError` where neither holds one.
    """
    package = Path(comodo.__file__).parent
    for root in (package / "_repository", package.parents[1]):
        if (root / "Snakefile").is_file():
            return root
    raise CommandError(
        f"no Snakefile in {package / '_repository'} or {package.parents[1]}: the installation is incomplete; "
        "install the wheel again, or clone the repository and run `pip install -e .` there"
    )


def snakemake_command(config: Path, cores: int | str) -> list[str]:
    """Return the command that runs the workflow by a config file; options and targets may follow."""
    snakefile = repository() / "Snakefile"
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile)]
    return [*command, "--configfile", str(config), "--cores", str(cores)]


def dataset_settings(folder: str, kind: str | None) -> dict[str, Any]:
    """Settings of a published dataset in a folder: those of its own config file, with this root and its splits.

    Args:
        folder: what `--dataset_path` names.
        kind: ego4d, egoexo4d or uestc; None: from the folder's name.

    Raises:
        ValueError: no such folder, another kind of dataset, or no split files.
    """
    path = Path(folder)
    if not is_folder(folder):
        raise CommandError(f"--dataset_path {folder} is not a folder")
    name = path.resolve().name.lower()
    kind = kind or next((kind for kind, words in KINDS.items() if any(word in name for word in words)), None)
    if kind is None:
        raise CommandError(
            f"--dataset_path {folder}: say which dataset it is by --dataset {' | '.join(KINDS)}"
        )
    settings: dict[str, Any] = yaml.safe_load((repository() / f"config/{kind}.yaml").read_text())["datasets"][
        kind
    ]
    places = [path, path / "splits", Path(settings["splits"])]
    splits = next(
        (place for place in places if all((place / f"{split}.txt").is_file() for split in SPLITS)), None
    )
    if splits is None:
        raise CommandError(
            f"no train.txt, val.txt and test.txt in {' or '.join(map(str, places))}: "
            f"fetch the published ones by `comodo splits fetch {kind}`"
        )
    recordings = sum(len(read_text(splits / f"{split}.txt").splitlines()) for split in SPLITS)
    root = path / "v2" if (path / "v2").is_dir() else path  # Ego4D's downloader makes this folder
    shards = min(settings["shards"], max(1, recordings // RECORDINGS_PER_SHARD))
    return settings | {"root": str(root), "splits": str(splits), "shards": shards}


def short_name(given: str, flag: str) -> str:
    """A name for results/: that of a hub id, or of a folder with a digest of its path, as many are called the same.

    Raises `ValueError` where `given`, the value of `flag`, can be neither.
    """
    if flag == "--dataset_path" and not is_folder(given):
        raise CommandError(f"{flag} {given} is not a folder")
    if is_folder(given):
        base = re.sub(r"[^A-Za-z0-9_.+=-]", "_", Path(given).resolve().name).lstrip("_.+=-")[:24]
        return f"{base or 'folder'}-{hashlib.sha256(os.fsencode(os.path.normpath(given))).hexdigest()[:6]}"
    if len(given) > LONGEST_ID or not re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?", given, re.ASCII):
        raise CommandError(f"{flag} {given} is neither a folder nor the id of a model on the hub")
    return given.replace("/", "_")


def run_experiment(
    config: Mapping[str, Any], flags: Sequence[str], options: argparse.Namespace
) -> dict[str, Any] | None:
    """Write the config of one experiment to results/commands, run it until it is scored, and print the paths.

    Args:
        config: one experiment with one seed, evaluated on its own dataset.
        flags: the command line that asked for it, for the config's first line.
        options: of `add_shared_flags`.

    Returns:
        Top-1, 3 and 5 accuracy by scoring ("decision", "platt") of the SVM that saw all labels; None after a dry run.

    Raises:
        ValueError: the config has faults, or the run failed (Snakemake has said why).
    """
    settings = load(config)
    ((name, experiment),) = settings.experiments.items()
    run = f"results/experiments/{name}/seed{settings.seeds[0]}"
    path = CONFIGS / f"{name}.yaml"
    command = snakemake_command(path, options.cores)
    shown = printable(shlex.join(["snakemake", *command[3:]]))
    with atomic(output_file("the config", path, [], "a config by `comodo`", _is_config)) as partial:
        partial.write_text(_config_text(config, flags, shown), encoding="utf-8")
    print(f"config:  {path}", flush=True)
    protocols = settings.protocols(name, experiment.dataset)
    scores = [Path(run, experiment.dataset, f"{protocol}.json") for protocol in protocols]
    status = run_to_the_end([*command, *(["--dry-run"] if options.dry_run else []), "--", *map(str, scores)])
    if status:
        raise CommandError(
            f"the run ended with status {status}: see above, and results/logs/. The same again: {shown}"
        )
    if options.dry_run:
        return None
    print(f"student: {run}/student\nscores:  {' '.join(map(str, scores))}\nreport:  {shown}")
    scored = Path(run, experiment.dataset, "svm.json")
    try:
        rows = read_json_object(scored)["results"]
        return {row["scoring"]: row for row in rows if row["labels_per_class"] == "all"}
    except (KeyError, TypeError) as error:
        raise DamageError(scored, error) from error


def _config_text(config: Mapping[str, Any], flags: Sequence[str], shown: str) -> str:
    """The config as YAML under comments that say where it is from; no flag can end a comment."""
    comment = (
        f"{HEADING}{printable(shlex.join(['comodo', *flags]))}\n"
        "# which writes it anew each time: make a copy to change it. To go on from here, up to the report:\n"
        f"#     {shown}\n\n"
    )
    for as_is in (
        True,
        False,
    ):  # PyYAML takes some line breaks of Unicode for others, unless they are escaped
        text = comment + yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=as_is)
        try:
            if yaml.safe_load(text.encode()) == config:
                return text
        except (yaml.YAMLError, UnicodeError):
            continue
    raise CommandError(
        "a flag holds characters that no YAML file can hold: name files without such characters"
    )


def _is_config(path: Path) -> bool:
    """Whether a file is a config that `run_experiment` wrote."""
    with regular.open_regular(path) as file:
        return file.readline(len(HEADING)) == HEADING.encode()


def run_to_the_end(command: Sequence[str]) -> int:
    """Run a command with its output shown. It gets Ctrl-C directly and SIGTERM from here, and then ends in order."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        return subprocess.run(command, check=False).returncode
    with subprocess.Popen(command) as process:

        def pass_on(number: int, frame: FrameType | None) -> None:
            if number == signal.SIGTERM:
                process.terminate()

        before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            return process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def add_result(
    imu: str, folder: str, model: str, category: str, figures: Mapping[str, Any], scoring: str
) -> None:
    """Add an entry to the published result file and print it; an entry that is there already is not repeated.

    Args:
        imu: the IMU checkpoint, as given.
        folder: of the dataset; its last part is the dataset's name in the file.
        model: the trained student, "" for a frozen one.
        category: "COMODO" or "IMU2CLIP&L2".
        figures: what `run_experiment` returned.
        scoring: which of them to write.

    Raises:
        ValueError: the file that is there is none of this kind.
    """
    entry = {"imu": imu, "dataset": Path(folder).resolve().name, "model": model}
    entry |= {f"acc{k}": figures[scoring][f"top{k}"] for k in (1, 3, 5)}
    path = output_file("the result file", RESULTS, [], "a readable file", is_readable)
    with locked(path):  # of two commands that end at once, one waits for the other
        content = _read_results(path)
        entries = content.setdefault(category, [])
        if entry not in entries:
            entries.append(entry)
            write_json(content, path)
    print(f"results: {RESULTS} ({category}, by {scoring})")
    for name, row in figures.items():
        print(f"  {name:8} acc1 {row['top1']:.4f}  acc3 {row['top3']:.4f}  acc5 {row['top5']:.4f}")


def _read_results(path: Path) -> dict[str, list[Any]]:
    """The entries of a result file by category; none where there is no file. Raises `CommandError`."""
    try:
        content = strict_json(regular.read_text(path)) if path.exists() else {}
    except (ValueError, RecursionError):
        content = None
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from None
    if isinstance(content, dict) and all(isinstance(entries, list) for entries in content.values()):
        return content
    raise CommandError(f"{path} is not a result file (categories with lists of entries): move it away")
