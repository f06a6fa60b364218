"""`comodo predict`: what somebody did in new recordings, window by window, by a trained student.

Files are read as by `comodo embed`. Sampling rate, window length and classes come from the student's folder.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from comodo.commands.imu_files import (
    add_by_flag,
    add_imu_flags,
    add_student_flag,
    imu_files,
    input_format,
    warn,
)
from comodo.commands.inputs import check_model
from comodo.commands.outputs import output_file
from comodo.errors import CommandError, ImuError, ModelError
from comodo.text import inert

if TYPE_CHECKING:
    import pandas as pd

FIRST = ["file", "start_s", "end_s", "label", "score", "margin", "unknown"]


def main(arguments: Sequence[str]) -> int:
    """Run `comodo predict …`; returns the exit status, 1 where a file could not be used (the others are written)."""
    options = _parser().parse_args(arguments)
    check_model("--student", options.student)
    if options.follow:
        from comodo.commands.follow import follow

        return follow(options)
    if options.imu is None:
        raise CommandError("name recordings (--imu), or read samples from standard input (--follow)")
    return 1 if predict_files(options) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="comodo predict", description=__doc__)
    add_student_flag(parser)
    add_imu_flags(parser, required=False)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("predictions.csv"),
        metavar="FILE",
        help="csv or parquet file, by its suffix: a row per window; default %(default)s",
    )
    add_by_flag(parser)
    parser.add_argument(
        "--top", type=int, default=3, metavar="K", help="classes to list; default %(default)s"
    )
    parser.add_argument(
        "--step", type=float, metavar="SECONDS", help="from one window to the next; default: no overlap"
    )
    parser.add_argument(
        "--smooth",
        choices=("off", "hmm"),
        default="off",
        help="hmm: the most probable sequence of activities, by Viterbi; default %(default)s",
    )
    parser.add_argument(
        "--bout_s",
        "--bout-s",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="mean length of an activity, for --smooth; default %(default)s",
    )
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="FOLDER",
        help="also write a timeline of each file, as html and png, to this folder",
    )
    parser.add_argument(
        "--follow",
        action="store_true",
        help="read csv lines from standard input and print a JSON line per window: time, acceleration x y z (m/s²), "
        "angular rate x y z (rad/s); --csv names other columns and units",
    )
    return parser


def predict_files(options: argparse.Namespace) -> int:
    """Write the predictions for IMU files, and print the minutes of each class.

    Returns:
        How many files could not be used.

    Raises:
        CommandError: if no file can be used, or the target must not be written.
    """
    import pandas as pd

    from comodo.deploy.classifier import load_classifier
    from comodo.deploy.predictions import minutes_per_class, predict
    from comodo.jobs.devices import use_device
    from comodo.recordings.one_file import read_signal

    if options.top < 1:
        raise CommandError(f"--top {options.top}: give at least 1")
    names = [path.name for path in options.imu]
    if options.plot is not None and (twice := [name for name in names if names.count(name) > 1]):
        raise CommandError(
            f"--plot: two files are called {twice[0]}, and so would be their timelines: run the command once for each, "
            "with another folder"
        )
    inputs = [Path(options.student), *options.imu]
    writable = output_file("--out", options.out, inputs, "a table by `comodo predict`", _is_predictions)
    if writable.suffix.lower() not in (".csv", ".parquet"):
        raise CommandError(f"--out {options.out}: give a name that ends in .csv or .parquet")
    classifier = load_classifier(options.student, options.by, use_device(threads=os.cpu_count() or 1))
    form = input_format(options, classifier.form)
    classifier.form = form
    bout_s = options.bout_s if options.smooth == "hmm" else None
    tables: list[pd.DataFrame] = []
    faults: list[str] = []
    for path, (settings, gyro) in imu_files(options, form).items():
        try:
            signal = read_signal(path, settings, gyro)
            found = predict(classifier, signal, step_s=options.step, top=options.top, bout_s=bout_s)
        except ImuError as error:
            faults.append(str(error) if str(path) in str(error) else f"{path}: {error}")
            warn(f"{path}: left out ({error})", *(f"{path}: note: {text}" for text in error.notes))
            continue
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from error
        warn(*(f"{path}: note: {text}" for text in signal.notes))
        slowest = min((clock.rate_hz for clock in signal.clocks or () if clock.rate_hz), default=form.rate_hz)
        if slowest < form.rate_hz / 4:
            warn(
                f"{path}: warning: sampled at {slowest:.3g} Hz, but the student was trained at "
                f"{form.rate_hz:g} Hz: fast motion is missing"
            )
        minutes = minutes_per_class(found, options.step)
        print(inert(f"{path}: " + ", ".join(f"{name} {value:.1f} min" for name, value in minutes.items())))
        tables.append(found.assign(file=str(path)))
        if options.plot is not None:
            from comodo.deploy.timeline import write_timeline

            written = write_timeline(options.plot, path, signal, found, classifier)
            print(inert(f"{path}: timeline in {written}"))
    if not tables:
        raise CommandError("; ".join(faults))
    table = pd.concat(tables, ignore_index=True)
    table = table[[*FIRST, *(name for name in table if name not in FIRST)]]
    write_predictions(table, writable)
    smoothed = f", smoothed by an HMM with bouts of {bout_s:g} s" if bout_s is not None else ""
    print(inert(f"{options.out}: {len(table)} windows, classes ranked by {classifier.by}{smoothed}"))
    if classifier.calibration is None:
        warn("note: the student has no calibration, so scores are not calibrated and `unknown` is empty")
    elif classifier.calibration.unknown_below is None:
        warn("note: no margin reached 90 % precision on val, so `unknown` is empty")
    return len(faults)


def write_predictions(table: pd.DataFrame, path: Path) -> None:
    """Write predictions as csv or parquet, by the suffix. Numbers have six digits in a csv."""
    from comodo.storage.artefacts import write_table
    from comodo.storage.files import atomic

    if path.suffix.lower() == ".parquet":
        write_table(table, path)
        return
    with atomic(path) as partial:
        table.to_csv(partial, index=False, float_format="%.6g")


def _is_predictions(path: Path) -> bool:
    """Whether a file is one that `comodo predict` wrote."""
    from comodo.storage.artefacts import read_table
    from comodo.storage.regular import open_text

    try:
        if path.suffix.lower() == ".parquet":
            return list(read_table(path).columns)[: len(FIRST)] == FIRST
        with open_text(path) as file:
            return file.readline(1000).startswith(",".join(FIRST))
    except (OSError, ValueError):
        return False
