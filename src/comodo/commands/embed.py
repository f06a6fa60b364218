"""`comodo embed`: features of new recordings by a trained student.

IMU comes from csv files, camera files (GoPro, Insta360, DJI, Sony), Aria recordings (.vrs) or processed arrays (.npy).
It is resampled and cut as in an IMU-only dataset of the workflow: window i covers [i · clip_s, (i + 1) · clip_s) s.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from comodo.commands.inputs import check_model
from comodo.commands.outputs import output_file
from comodo.config import DatasetSettings
from comodo.errors import CommandError, ConfigError, DamageError
from comodo.layouts.opening import open_layout
from comodo.layouts.types import Recording
from comodo.text import inert

LayoutName = Literal["ego4d", "egoexo4d", "uestc", "table"]
LAYOUTS: tuple[LayoutName, ...] = ("ego4d", "egoexo4d", "uestc", "table")
WRITTEN = {"feature", "file", "start_s", "end_s"}  # the arrays of what it writes


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
        help="HDF5 file with feature (n, dim), file, start_s and end_s (n,); default %(default)s",
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
    from pydantic import ValidationError

    own_columns = columns if path.suffix.lower() == ".csv" else {}
    layout = options.layout or _layout_of(path, described=bool(own_columns))
    imu: dict[str, Any] = {"rate_hz": options.rate_hz, "max_gap_s": options.max_gap_s}
    raw = {
        "layout": layout,
        "root": str(path.parent),
        "clip_s": options.clip_s or None,
        "video": None,
        "imu": imu,
    }
    if layout == "table":
        raw["table"], imu["csv"] = str(path), own_columns or None
    try:
        return DatasetSettings.model_validate(raw)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise ConfigError("; ".join(faults)) from None


def _layout_of(path: Path, described: bool) -> LayoutName:
    """Which layout reads a file: by its suffix, a csv by its columns."""
    from comodo.layouts.ego4d import TIME

    if path.suffix.lower() == ".vrs":
        return "egoexo4d"
    if path.suffix.lower() == ".npy":
        return "ego4d"  # processed arrays, which the layouts of published datasets share
    if path.suffix.lower() != ".csv" or described:
        return "table"  # a camera file, or a csv by its description
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            header = file.readline()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from None
    if TIME in header:
        return "ego4d"
    raise CommandError(f"{path} has not the columns of Ego4D: describe them by --csv, or say --layout uestc")


def embed_files(student: str, files: Mapping[Path, DatasetSettings], target: Path) -> int:
    """Write the features of the whole windows of IMU files to an HDF5 file; print what was left out and why.

    Args:
        student: folder or hub id, for `load_student`.
        files: with the settings of an IMU-only dataset that each could belong to; `clip_s` is the same for all.
        target: receives feature float32 (n, dim); file, start_s and end_s (n,).

    Returns:
        How many files could not be used.

    Raises:
        ValueError: no such student, no whole window in any file, or a target that must not be written (see
            `output_file`).
    """
    import numpy as np
    import pandas as pd

    from comodo.clips.imu_windows import ImuWindows
    from comodo.clips.pairing import pair_clips
    from comodo.clips.reasons import REASONS
    from comodo.jobs.devices import use_device
    from comodo.models.embed import embed
    from comodo.models.students import load_student
    from comodo.recordings.imu_shard import preprocess, write_imu_shard
    from comodo.storage.artefacts import create_hdf5

    check_model("--student", student)
    writable = output_file(
        "--out", target, [Path(student), *files], "a file of features by `comodo embed`", _is_features
    )
    device = use_device(threads=os.cpu_count() or 1)
    encoder = load_student(student).to(device)
    recordings = {path: _recording(path, settings) for path, settings in files.items()}
    signals = (
        preprocess(open_layout(path.name, files[path]), [r], files[path]) for path, r in recordings.items()
    )
    with TemporaryDirectory() as folder:
        shard = Path(folder, "imu.h5")
        write_imu_shard(shard, chain.from_iterable(signals))
        any_settings = next(iter(files.values()))
        rows = pair_clips(recordings.values(), pd.DataFrame(), shard, any_settings).assign(shard=0)
        whole = rows[(rows["reason"] == "") & (rows["window"] >= 0)]
        if whole.empty:
            raise CommandError("; ".join(rows["detail"][rows["window"] < 0]))
        features = np.concatenate(
            [batch.cpu().numpy() for batch in embed(encoder, ImuWindows(whole, [shard]), device)]
        )
    with create_hdf5(writable) as out:
        out.attrs["student"] = student
        out["feature"] = features
        out["file"] = list(whole["recording"])
        out["start_s"], out["end_s"] = whole["start_s"].to_numpy(), whole["end_s"].to_numpy()
    for name, own in rows.groupby("recording", sort=False):
        if own["window"].iloc[0] < 0:
            print(
                inert(f"{name}: left out, {REASONS[own['reason'].iloc[0]]} ({own['detail'].iloc[0]})"),
                file=sys.stderr,
            )
            continue
        holes = own[own["reason"] != ""]
        where = ", ".join(f"{row.start_s:g}–{row.end_s:g} s" for row in holes.itertuples())
        print(
            inert(f"{name}: {len(own) - len(holes)} windows")
            + (f"; left out for holes: {where}" if where else "")
        )
    print(inert(f"{target}: {len(features)} features of {features.shape[1]} numbers"))
    return len(files) - whole["recording"].nunique()


def _is_features(path: Path) -> bool:
    """Whether a file is one that `embed_files` wrote."""
    from comodo.storage.artefacts import open_hdf5

    try:
        with open_hdf5(path) as file:
            return "student" in file.attrs and set(file) == WRITTEN
    except (OSError, DamageError):  # no HDF5, or none of ours
        return False


def _recording(path: Path, settings: DatasetSettings) -> Recording:
    """A file as a recording without video; a camera file is its own."""
    camera = settings.layout == "table" and settings.imu.csv is None
    return Recording(id=str(path), split="", label="", video=path if camera else None, imu=path)
