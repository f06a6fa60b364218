"""`comodo segments`: the labelled segments of a dataset, from a column of labels in its IMU csv files."""

from __future__ import annotations

import argparse
import csv
import io
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from comodo.commands.outputs import output_file
from comodo.config import DatasetSettings, load_config
from comodo.errors import CommandError, ImuError
from comodo.layouts.described_csv import read_labels
from comodo.layouts.segments import COLUMNS, label_runs
from comodo.layouts.table import Table
from comodo.storage.files import atomic
from comodo.storage.regular import open_text


def main(arguments: Sequence[str]) -> int:
    """Write the csv of segments that a config names. Returns the exit status.

    Raises:
        ComodoError: the config or a file has a fault, or the csv exists and is none of segments.
    """
    parser = argparse.ArgumentParser(prog="comodo segments", description=__doc__)
    parser.add_argument("config", type=Path, metavar="CONFIG", help="the config, say config/mine.yaml")
    parser.add_argument(
        "dataset", metavar="DATASET", help="a dataset of it, with `segments` and `imu.csv.label`"
    )
    options = parser.parse_args(arguments)
    datasets = load_config(options.config).datasets
    if options.dataset not in datasets:
        raise CommandError(
            f"{options.config} has no dataset {options.dataset!r}; it has {', '.join(datasets)}"
        )
    settings = datasets[options.dataset]
    target = _target(options.dataset, settings)
    output_file("datasets.<name>.segments", target, [options.config], "a csv of segments", _is_segments)
    rows = find_segments(options.dataset, settings)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(
        (recording, f"{start:.6f}", f"{end:.6f}", label) for recording, start, end, label in rows
    )
    with atomic(target) as partial:
        partial.write_text(text.getvalue(), encoding="utf-8", newline="")
    seconds: dict[str, list[float]] = defaultdict(list)
    for _, start, end, label in rows:
        seconds[label].append(end - start)
    for label, lengths in sorted(seconds.items()):
        print(f"{label}: {len(lengths)} segments, {sum(lengths) / 60:.1f} min")
    print(f"written: {target}")
    return 0


def find_segments(name: str, settings: DatasetSettings) -> list[tuple[str, float, float, str]]:
    """Return the runs of equal labels in the csv files of a `table` dataset.

    Returns:
        Recording, start and end from its first sample in s, and label; samples without a label are left out.

    Raises:
        ComodoError: the table or a csv file has a fault, or a file has no label at all.
    """
    columns = settings.imu.csv
    assert columns is not None
    found = []
    for recording in Table(name, settings).rows():
        runs = label_runs(*read_labels(recording.imu, columns))
        if not runs:
            raise ImuError("imu_empty_column", f"{recording.imu}: column {columns.label} holds no label")
        found += [(recording.id, *run) for run in runs]
    return found


def _target(name: str, settings: DatasetSettings) -> Path:
    missing = [
        key
        for key, value in (
            ("segments", settings.segments),
            ("imu.csv.label", settings.imu.csv and settings.imu.csv.label),
        )
        if not value
    ]
    if settings.video is not None:
        raise CommandError(
            f"datasets.{name} has video: its segments count from the first frame, so write their csv yourself"
        )
    if missing:
        raise CommandError(f"datasets.{name}: set {' and '.join(missing)}")
    return Path(settings.segments or "")


def _is_segments(path: Path) -> bool:
    """Whether a file is a csv of segments."""
    with open_text(path) as file:
        return file.readline(1000).strip() == ",".join(COLUMNS)
