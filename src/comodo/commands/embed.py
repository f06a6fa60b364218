"""`comodo embed`: features of new recordings by a trained student.

IMU comes from csv files, camera files (GoPro, Insta360, Sony), Aria recordings (.vrs) or processed arrays (.npy).
It is resampled and cut as in an IMU-only dataset of the workflow: window i covers [i · clip_s, (i + 1) · clip_s) s.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from comodo.commands.inputs import check_model
from comodo.commands.outputs import output_file
from comodo.config import DatasetSettings
from comodo.errors import CommandError, DamageError, ImuError, ModelError
from comodo.recordings.one_file import LayoutName, file_settings, read_signal
from comodo.text import inert

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LAYOUTS: tuple[LayoutName, ...] = get_args(LayoutName)
WRITTEN = {"feature", "file", "start_s", "end_s", "clock_s"}  # arrays of the output file


def main(arguments: Sequence[str]) -> int:
    """Run `comodo embed …`; returns the exit status, 1 where a file could not be used (the others are written)."""
    options = _parser().parse_args(arguments)
    if 0 < options.clip_s * options.rate_hz < 1:
        raise CommandError(
            f"--clip_s {options.clip_s:g} at --rate_hz {options.rate_hz:g} is less than a sample: give more of either"
        )
    columns = _described(options.csv or [])
    if columns and not any(path.suffix.lower() == ".csv" for path in options.imu):
        raise CommandError("--csv describes csv files, and --imu names none")
    files = {path: _settings(path, columns, options) for path in options.imu}
    return 1 if embed_files(options.student, files, options.out) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="comodo embed", description=__doc__)
    parser.add_argument(
        "--student",
        required=True,
        help="what the workflow wrote, …/student; or any checkpoint: folder or hub id",
    )
    parser.add_argument(
        "--imu", required=True, nargs="+", type=Path, metavar="FILE", help="one or more recordings"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("features.h5"),
        metavar="FILE",
        help="HDF5 file with feature (n, dim), file, start_s, end_s and clock_s (n,), the start on the file's own "
        "clock; default %(default)s",
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
        default=5.0,
        metavar="SECONDS",
        help="length of a window, as in the training; 0: each file is one window. Default %(default)s",
    )
    parser.add_argument(
        "--rate_hz", type=float, default=200.0, metavar="HZ", help="as in the training; default %(default)s"
    )
    parser.add_argument(
        "--max_gap_s",
        type=float,
        default=0.1,
        metavar="SECONDS",
        help="windows that a longer hole touches are left out; default %(default)s",
    )
    return parser


def _described(pairs: Sequence[str]) -> dict[str, Any]:
    """The keys of `imu.csv` from `KEY=VALUE` arguments; their validation is the config's."""
    columns: dict[str, Any] = {}
    for pair in pairs:
        key, found, value = pair.partition("=")
        if not found:
            raise CommandError(f"--csv {pair}: give KEY=VALUE")
        if key in columns:
            raise CommandError(f"--csv {pair}: the key {key} is given twice")
        columns[key] = value.split(",") if key in ("accel", "gyro") else value
    return columns


def _settings(path: Path, columns: dict[str, Any], options: argparse.Namespace) -> DatasetSettings:
    """An IMU-only dataset of one file: how to read it, and how to cut it."""
    described = columns if columns and path.suffix.lower() == ".csv" else None
    return file_settings(
        path,
        described,
        layout=options.layout,
        clip_s=options.clip_s or None,
        rate_hz=options.rate_hz,
        max_gap_s=options.max_gap_s,
    )


def embed_files(student: str, files: Mapping[Path, DatasetSettings], target: Path) -> int:
    """Write the features of the whole windows of IMU files to an HDF5 file; print which windows were left out and why.

    Args:
        student: folder or hub id, for `load_student`.
        files: with the settings of an IMU-only dataset that each could belong to.
        target: receives feature float32 (n, dim); file, start_s, end_s (n,) from the first sample on, s; clock_s (n,),
            the start on the file's own clock, s.

    Returns:
        How many files could not be used.

    Raises:
        ValueError: no such student, no whole window in any file, or a target that must not be written (see
            `output_file`).
    """
    import numpy as np

    from comodo.clips.cut import cut_windows
    from comodo.clips.reasons import REASONS
    from comodo.jobs.devices import use_device
    from comodo.models.embed import embed
    from comodo.models.students import load_student

    check_model("--student", student)
    writable = output_file(
        "--out", target, [Path(student), *files], "a file of features by `comodo embed`", _is_features
    )
    device = use_device(threads=os.cpu_count() or 1)
    encoder = load_student(student).to(device)
    features, names, times = [], [], []
    faults: list[str] = []
    left_out: list[str] = []
    for path, settings in files.items():
        try:
            signal = read_signal(path, settings)
            windows = cut_windows(signal, settings.clip_s)
        except ImuError as error:
            faults.append(str(error) if str(path) in str(error) else f"{path}: {error}")
            left_out.append(f"{path}: left out, {REASONS[error.reason]} ({error})")
            left_out += [f"{path}: note: {text}" for text in error.notes]
            continue
        try:
            features.append(embed(encoder, windows, device))
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from error
        names += [str(path)] * len(windows)
        times.append(np.stack([windows.start_s, windows.end_s, windows.start_s + signal.origin_s]))
        holes = ", ".join(f"{start:g}–{end:g} s" for start, end in windows.left_out)
        print(inert(f"{path}: {len(windows)} windows") + (f"; left out for holes: {holes}" if holes else ""))
        for text in signal.notes:
            print(inert(f"{path}: note: {text}"), file=sys.stderr)
    if not features:
        raise CommandError("; ".join(faults))
    _write(writable, student, np.concatenate(features), names, np.concatenate(times, axis=1))
    print(inert(f"{target}: {len(names)} features of {encoder.dim} numbers"))
    for line in left_out:
        print(inert(line), file=sys.stderr)
    return len(faults)


def _write(
    path: Path, student: str, features: NDArray[np.float32], files: list[str], times: NDArray[np.float64]
) -> None:
    """Write features (n, dim) with the file, the start, the end and the start by its clock (3, n) of each window."""
    from comodo.storage.artefacts import create_hdf5

    with create_hdf5(path) as out:
        out.attrs["student"] = student
        out["feature"], out["file"] = features, files
        out["start_s"], out["end_s"], out["clock_s"] = times


def _is_features(path: Path) -> bool:
    """Whether a file is one that `embed_files` wrote."""
    from comodo.storage.artefacts import open_hdf5

    try:
        with open_hdf5(path) as file:
            return (
                "student" in file.attrs and set(file) | {"clock_s"} == WRITTEN
            )  # older files have no clock_s
    except (OSError, DamageError):  # no HDF5, or none of ours
        return False
