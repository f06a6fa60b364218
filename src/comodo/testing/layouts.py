"""Contract check of layouts."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from comodo.config import PREDICT, SPLITS, DatasetSettings
from comodo.errors import ImuError
from comodo.layouts.opening import open_layout
from comodo.layouts.types import ImuSamples, Layout, Recording
from comodo.testing.requirements import attempt, require
from comodo.text import first_line


def check_layout(settings: DatasetSettings | Mapping[str, Any], *, per_split: int = 2) -> None:
    """Check a layout on real files.

    The check covers the recordings it lists, the IMU data it reads, and the files that these data depend on.

    Args:
        settings: the dataset as in the config, such as `{"class": "mylab.data:LabLayout", "root": "/data/lab"}`.
        per_split: number of recordings per split whose IMU is read.

    Raises:
        AssertionError: if the contract is violated.
        LayoutError: if the recordings cannot be listed.
        ImuError: if the IMU of a recording cannot be read.

    Example:
        >>> check_layout({"class": "mylab.data:LabLayout", "root": "/data/lab"})
    """
    own = DatasetSettings.model_validate(settings)
    layout = open_layout("checked", own)
    with opened_files() as opened:
        recordings = layout.recordings()
    media = {_absolute(path) for recording in recordings for path in recording.files}
    read = sorted(opened & media)
    require(not read, f"recordings() opens {read[:1]}: it must list recordings without opening their media")
    require(
        open_layout("checked", own).recordings() == recordings,
        "recordings() lists different recordings each time",
    )
    for split in (*SPLITS, PREDICT):
        for recording in [r for r in recordings if r.split == split][:per_split]:
            _check_recording(layout, recording, Path(own.root))
    missing = Path(own.root, "no such file")
    lost = Recording("lost", "train", "x", recordings[0].video and missing, missing)
    try:
        layout.read_imu(lost)
    except ImuError:
        return
    except Exception as error:
        raise AssertionError(
            f"read_imu of a missing file raises {type(error).__name__}, not ImuError: {first_line(error)}"
        ) from error
    raise AssertionError("read_imu of a missing file does not raise ImuError")


def _check_recording(layout: Layout, recording: Recording, root: Path) -> None:
    with opened_files() as opened:
        components = attempt(lambda: layout.read_imu(recording), f"read_imu of {recording.id!r}")
    named = {_absolute(path) for path in (*recording.files, *layout.clock_files(recording))}
    unnamed = sorted(path for path in opened - named if path.is_relative_to(_absolute(root)))
    require(
        not unnamed, f"read_imu opens {unnamed[:1]}, which is neither in the recording nor in clock_files"
    )
    for samples in components:
        _check_samples(recording, samples)


def _check_samples(recording: Recording, samples: ImuSamples) -> None:
    for sensor in ("accel", "gyro"):
        time, values = getattr(samples, f"{sensor}_t"), getattr(samples, sensor)
        where = f"{recording.id}: {sensor}"
        require(
            np.shape(values) == (3, *np.shape(time)),
            f"{where} has the shape {np.shape(values)} with times {np.shape(time)}; it should be (3, N) with (N,)",
        )
        require(
            values.dtype == time.dtype == np.float64,
            f"{where} is {values.dtype} and its times are {time.dtype}; both should be float64",
        )
        require(bool(np.isfinite(values).any()), f"{where} has no finite sample")


def _absolute(path: Path) -> Path:
    return Path(path).absolute()


_watched: list[set[Path]] = []


def _audit(event: str, given: tuple[Any, ...]) -> None:
    if event == "open" and _watched and isinstance(given[0], (str, os.PathLike)):
        _watched[-1].add(Path(given[0]).absolute())


sys.addaudithook(_audit)  # a hook cannot be removed; it does nothing while `_watched` is empty


@contextmanager
def opened_files() -> Iterator[set[Path]]:
    """Collect the files that Python code opens within this context, but not those of native libraries."""
    _watched.append(set())
    try:
        yield _watched[-1]
    finally:
        _watched.pop()
