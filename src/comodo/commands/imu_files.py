"""What the commands that read IMU files by a student share: flags, how files are read and cut, warnings."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, get_args

from comodo.config import DatasetSettings
from comodo.errors import CommandError
from comodo.recordings.one_file import LayoutName, file_settings
from comodo.text import inert

log = logging.getLogger(__name__)
LAYOUTS: tuple[LayoutName, ...] = get_args(LayoutName)
BY: Final = ("fitted", "head", "mean", "medoid", "first")
"""The rankings of classes, `comodo.deploy.classifier.RANKINGS`, which cannot be imported without torch."""

if TYPE_CHECKING:
    from comodo.models.about import InputFormat


def add_student_flag(parser: argparse.ArgumentParser) -> None:
    """Add the flag `--student` for a trained student."""
    parser.add_argument("--student", required=True, help="folder of a trained student, or its id on the hub")


def add_by_flag(parser: argparse.ArgumentParser) -> None:
    """Add the flag `--by`."""
    parser.add_argument(
        "--by",
        choices=BY,
        help="how classes are ranked: a head of `comodo fit`, the classifier of a supervised student, or the nearest "
        "anchor by rule. Default: the first of these that the student has",
    )


def add_imu_flags(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """Add the flags `--imu`, `--csv`, `--layout`, `--clip_s`, `--rate_hz` and `--max_gap_s`."""
    parser.add_argument(
        "--imu", required=required, nargs="+", type=Path, metavar="FILE", help="one or more recordings"
    )
    parser.add_argument(
        "--gyro",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="the gyroscope's csv of each file of --imu, in the same order, where each sensor has one",
    )
    parser.add_argument(
        "--csv",
        nargs="+",
        metavar="KEY=VALUE",
        help="columns of csv files that are not Ego4D's, by the config's keys datasets.<name>.imu.csv, as in: "
        "--csv time=t time_unit=ms accel=ax,ay,az accel_unit=g gyro=gx,gy,gz gyro_unit=deg/s",
    )
    parser.add_argument(
        "--layout", choices=LAYOUTS, help="whose format the files have, where it is not clear"
    )
    parser.add_argument(
        "--clip_s",
        type=float,
        metavar="SECONDS",
        help="length of a window; 0: each file is one window. Default: that of the student's training, else 5",
    )
    parser.add_argument(
        "--rate_hz",
        type=float,
        metavar="HZ",
        help="sampling rate. Default: that of the student's training, else 200",
    )
    parser.add_argument(
        "--max_gap_s",
        type=float,
        metavar="SECONDS",
        help="windows that a longer hole touches are left out. Default: that of the student's training, else 0.1",
    )


def csv_columns(pairs: Sequence[str], imu: Sequence[Path]) -> dict[str, Any]:
    """Return the keys of `imu.csv` from `KEY=VALUE` arguments; their validation is the config's.

    Raises:
        CommandError: for a pair without a key or given twice, or where no file is a csv.
    """
    columns: dict[str, Any] = {}
    for pair in pairs:
        key, found, value = pair.partition("=")
        if not found:
            raise CommandError(f"--csv {pair}: give KEY=VALUE")
        if key in columns:
            raise CommandError(f"--csv {pair}: the key {key} is given twice")
        columns[key] = value.split(",") if key in ("accel", "gyro") else value
    if columns and not any(path.suffix.lower() == ".csv" for path in imu):
        raise CommandError("--csv describes csv files, and --imu names none")
    return columns


def input_format(options: argparse.Namespace, form: InputFormat | None) -> InputFormat:
    """Return the windows to cut: as flags say, else as the student's folder, else the defaults.

    A flag that contradicts the folder is used, with a warning.

    Args:
        options: parsed flags of `add_imu_flags`.
        form: windows of the student's training; None where its folder does not describe them.

    Raises:
        CommandError: if a window is less than a sample.
    """
    from comodo.models.about import EARLIER, InputFormat

    chosen: dict[str, Any] = (form or EARLIER).model_dump()
    for key in ("clip_s", "rate_hz", "max_gap_s"):
        given = getattr(options, key)
        if given is None:
            continue
        value = given or None if key == "clip_s" else given
        if form is not None and value != chosen[key]:
            trained = "whole recordings" if chosen[key] is None else f"{chosen[key]:g}"
            log.warning(
                "--%s %g differs from the student's training (%s): its features are for the latter",
                *(key, given, trained),
            )
        chosen[key] = value
    if form is not None and form.alignment == "reference":
        log.warning(
            "this student was trained with `alignment: reference`, where samples are counted instead of timed: "
            "windows by time may differ from those of its training"
        )
    if chosen["clip_s"] is not None and 0 < chosen["clip_s"] * chosen["rate_hz"] < 1:
        raise CommandError(
            f"--clip_s {chosen['clip_s']:g} at --rate_hz {chosen['rate_hz']:g} is less than a sample: give more of "
            "either"
        )
    return InputFormat.model_validate(chosen)


class ImuFile(NamedTuple):
    """How to read an IMU file, and how to cut it: the settings of an IMU-only dataset; the gyroscope's file, if any."""

    settings: DatasetSettings
    gyro: Path | None = None


def imu_files(options: argparse.Namespace, form: InputFormat) -> dict[Path, ImuFile]:
    """Return the files of `--imu`.

    Raises:
        CommandError: if there are not as many files of `--gyro`, or a description does not fit.
    """
    columns = csv_columns(options.csv or [], options.imu)
    gyros: list[Path | None] = list(options.gyro or [None] * len(options.imu))
    if len(gyros) != len(options.imu):
        raise CommandError(
            f"--gyro names {len(gyros)} files, but --imu {len(options.imu)}: name one for each"
        )
    return {
        path: ImuFile(
            file_settings(
                path,
                columns if columns and path.suffix.lower() == ".csv" else None,
                layout=options.layout,
                gyro=gyro,
                clip_s=form.clip_s,
                rate_hz=form.rate_hz,
                max_gap_s=form.max_gap_s,
            ),
            gyro,
        )
        for path, gyro in zip(options.imu, gyros, strict=True)
    }


def warn(*lines: str) -> None:
    """Print lines to standard error, with control characters made visible."""
    for line in lines:
        print(inert(line), file=sys.stderr)
