"""The contract of a layout."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from comodo.config import SPLITS, DatasetSettings
from comodo.errors import ImuError
from comodo.layouts.opening import open_layout
from comodo.layouts.types import ImuSamples, Layout, Recording
from comodo.testing.requirements import attempt, require
from comodo.text import first_line


def check_layout(settings: DatasetSettings | Mapping[str, Any], *, per_split: int = 2) -> None:
    """Check a layout on real files: what it lists and reads, and that it names every file that the IMU depends on.

    Args:
        settings: the dataset as in the config, say `{"class": "mylab.data:LabLayout", "root": "/data/lab"}`.
        per_split: recordings of each split whose IMU is read.

    Raises:
        AssertionError: it names what does not hold.
        LayoutError: the recordings cannot be listed.
        ImuError: the IMU of a recording cannot be read.

    Example:
        >>> check_layout({"class": "mylab.data:LabLayout", "root": "/data/lab"})
    """
    own = DatasetSettings.model_validate(settings)
    layout = open_layout("checked", own)
    with opened_files() as opened:
        recordings = layout.recordings()
    media = {_absolute(path) for recording in recordings for path in (recording.video, recording.imu) if path}
    read = sorted(opened & media)
    require(not read, f"recordings() opens {read[:1]}: it must list recordings without opening their media")
    require(
        open_layout("checked", own).recordings() == recordings, "recordings() lists something else each time"
    )
    for split in SPLITS:
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
            f"read_imu of a missing file raises {type(error).__name__}, not an ImuError: {first_line(error)}"
        ) from error
    raise AssertionError("read_imu of a missing file raises no ImuError")


def _check_recording(layout: Layout, recording: Recording, root: Path) -> None:
    with opened_files() as opened:
        components = attempt(lambda: layout.read_imu(recording), f"read_imu of {recording.id!r}")
    files = (recording.video, recording.imu, *layout.clock_files(recording))
    named = {_absolute(path) for path in files if path is not None}
    unnamed = sorted(path for path in opened - named if path.is_relative_to(_absolute(root)))
    require(not unnamed, f"read_imu opens {unnamed[:1]}, which neither the recording nor clock_files names")
    for samples in components:
        _check_samples(recording, samples)


def _check_samples(recording: Recording, samples: ImuSamples) -> None:
    for sensor in ("accel", "gyro"):
        time, values = getattr(samples, f"{sensor}_t"), getattr(samples, sensor)
        where = f"{recording.id}: {sensor}"
        require(
            np.shape(values) == (3, *np.shape(time)),
            f"{where} is {np.shape(values)} at times {np.shape(time)}; it should be (3, N) at (N,)",
        )
        require(
            values.dtype == time.dtype == np.float64,
            f"{where} is {values.dtype} at {time.dtype} times, not float64",
        )
        require(bool(np.isfinite(values).any()), f"{where} has no finite sample")


def _absolute(path: Path) -> Path:
    return Path(path).absolute()


_watched: list[set[Path]] = []


def _audit(event: str, given: tuple[Any, ...]) -> None:
    if event == "open" and _watched and isinstance(given[0], (str, os.PathLike)):
        _watched[-1].add(Path(given[0]).absolute())


sys.addaudithook(_audit)  # it cannot be removed; it does nothing unless `_watched` holds a set


@contextmanager
def opened_files() -> Iterator[set[Path]]:
    """Collect the files that Python code opens within; libraries in other languages open theirs unseen."""
    _watched.append(set())
    try:
        yield _watched[-1]
    finally:
        _watched.pop()
