"""`comodo embed`: features of new recordings by a trained student.

IMU comes from csv files, camera files (GoPro, Insta360, Sony), Aria recordings (.vrs) or processed arrays (.npy).
It is resampled and cut as in an IMU-only dataset of the workflow: window i covers [i · clip_s, (i + 1) · clip_s) s.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from comodo.commands.imu_files import ImuFile, add_imu_flags, imu_files, input_format, warn
from comodo.commands.inputs import check_model, is_folder
from comodo.commands.outputs import output_file
from comodo.errors import CommandError, DamageError, ImuError, ModelError
from comodo.recordings.one_file import read_signal
from comodo.text import inert

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WRITTEN = {"feature", "file", "start_s", "end_s", "clock_s"}  # arrays of the output file


def main(arguments: Sequence[str]) -> int:
    """Run `comodo embed …`; returns the exit status, 1 where a file could not be used (the others are written)."""
    options = _parser().parse_args(arguments)
    check_model("--student", options.student)
    from comodo.models.about import ABOUT, read_about
    from comodo.models.hub import has_file, whole_folder

    described = is_folder(options.student) or has_file(options.student, ABOUT)
    about = read_about(whole_folder(options.student)) if described else None
    files = imu_files(options, input_format(options, about.input if about else None))
    return 1 if embed_files(options.student, files, options.out) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="comodo embed", description=__doc__)
    parser.add_argument(
        "--student",
        required=True,
        help="what the workflow wrote, …/student; or any checkpoint: folder or hub id",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("features.h5"),
        metavar="FILE",
        help="HDF5 file with feature (n, dim), file, start_s, end_s and clock_s (n,), the start on the file's own "
        "clock; default %(default)s",
    )
    add_imu_flags(parser)
    return parser


def embed_files(student: str, files: Mapping[Path, ImuFile], target: Path) -> int:
    """Write the features of the whole windows of IMU files to an HDF5 file; print which windows were left out and why.

    Args:
        student: folder or hub id, for `load_student`.
        files: how to read and cut each.
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
    for path, (settings, gyro) in files.items():
        try:
            signal = read_signal(path, settings, gyro)
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
        warn(*(f"{path}: note: {text}" for text in signal.notes))
    if not features:
        raise CommandError("; ".join(faults))
    _write(writable, student, np.concatenate(features), names, np.concatenate(times, axis=1))
    print(inert(f"{target}: {len(names)} features of {encoder.dim} numbers"))
    warn(*left_out)
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
