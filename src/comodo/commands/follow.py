"""`comodo predict --follow`: csv lines from standard input to JSON lines of predictions."""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

from comodo.commands.imu_files import csv_columns, input_format, warn
from comodo.config import ImuCsvColumns
from comodo.errors import CommandError
from comodo.layouts.described_csv import TIME_UNITS, unit_factors


def follow(options: argparse.Namespace) -> int:
    """Predict samples from standard input until it ends; returns the exit status."""
    from comodo.deploy.classifier import load_classifier
    from comodo.deploy.stream import Prediction, StudentStream

    if options.imu or options.smooth != "off" or options.plot:
        raise CommandError("--follow reads standard input: leave out --imu, --smooth and --plot")
    columns = _columns(options.csv or [])
    classifier = load_classifier(options.student, options.by)
    classifier.form = input_format(options, classifier.form)
    stream = StudentStream(classifier, options.step)
    warn(f"following: windows of {stream.clip_s:g} s, each predicted {stream.delay_s:.2f} s after its end")

    def show(predictions: Iterable[Prediction]) -> None:
        for made in predictions:
            best = sorted(zip(made.probabilities, classifier.classes, strict=True), reverse=True)[
                : options.top
            ]
            row = {
                "start_s": round(made.start_s, 6),
                "end_s": round(made.end_s, 6),
                "clock_s": round(made.clock_s, 6),
                "label": made.label,
                "score": round(made.score, 6),
                "margin": round(made.margin, 6),
                "unknown": made.unknown,
                "top": [[name, round(float(value), 6)] for value, name in best],
            }
            print(json.dumps(row, ensure_ascii=False), flush=True)

    try:
        for sample in _samples(sys.stdin, columns):
            show(stream.push([sample[1:]], sample[:1]))
        show(stream.close())
    except BrokenPipeError:  # the reader, such as `head`, has enough; Python would flush once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    warn(*(f"note: {text}" for text in stream.notes))
    warn(f"{stream.left_out} windows left out for holes, {stream.ignored} samples ignored")
    return 0


def _columns(pairs: Sequence[str]) -> ImuCsvColumns | None:
    """Return the description of the columns; None for seven columns in the default order and units."""
    from pathlib import Path

    from comodo.recordings.one_file import file_settings

    if not pairs:
        return None
    name = Path("standard input.csv")
    found = file_settings(name, csv_columns(pairs, [name])).imu.csv
    assert found is not None
    if found.time is None or found.time_unit not in TIME_UNITS:
        raise CommandError(
            f"--follow needs a column of times in one of {', '.join(TIME_UNITS)} (--csv time=…)"
        )
    return found


def _samples(lines: TextIO, columns: ImuCsvColumns | None) -> Iterator[list[float]]:
    """Yield time (s), acceleration (m/s²) and angular rate (rad/s) of each line.

    Raises:
        CommandError: for a line without the columns, or with a text that is no number.
    """
    rows = csv.reader(iter(lines.readline, ""))
    place, scale = list(range(7)), [1.0] * 7
    for number, row in enumerate(rows, start=1):
        if number == 1 and columns is not None:
            wanted = [columns.time or "", *columns.accel, *columns.gyro]
            if missing := [name for name in wanted if name not in row]:
                raise CommandError(
                    f"standard input, line 1: no column {missing[0]!r}; found: {', '.join(row)[:200]}"
                )
            place = [row.index(name) for name in wanted]
            accel, gyro = unit_factors(columns)
            scale = [TIME_UNITS[columns.time_unit], *[accel] * 3, *[gyro] * 3]
            continue
        if not row:
            continue
        try:
            yield [float(row[at] or "nan") * by for at, by in zip(place, scale, strict=True)]
        except (ValueError, IndexError):
            if number == 1:  # a header
                continue
            raise CommandError(
                f"standard input, line {number}: not seven numbers (time, acceleration, angular rate): "
                f"{','.join(row)[:100]}"
            ) from None
