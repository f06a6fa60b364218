"""Layouts of the user's own classes, by class path."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from comodo.config import PREDICT, SPLITS, DatasetSettings
from comodo.errors import ClassPathError, ImuError, LayoutError
from comodo.jobs.class_paths import make_object, said
from comodo.layouts.split_files import check_splits, required_splits
from comodo.layouts.types import ImuSamples, Layout, Recording

T = TypeVar("T")
IMU_REASONS: Final = (
    "imu_missing_file", "imu_unreadable", "imu_no_stream", "imu_empty", "imu_missing_column", "imu_empty_column",
    "imu_bad_number", "imu_constant", "imu_clock", "imu_repeated_column", "imu_extra_cells", "imu_two_devices",
    "imu_time_lapse",
)  # fmt: skip
"""What an `ImuError` of a user's layout may name; `comodo.clips.REASONS` describes them."""


class ClassLayout:
    """A layout of the user's own class, made from (name, settings, **kwargs). Its return values are checked.

    `clock_files` may be left out where `read_imu` opens nothing but `recording.imu` and `recording.video`.
    """

    def __init__(self, name: str, settings: DatasetSettings) -> None:
        """Make the layout of the dataset `name`. Raises `LayoutError` where it has no `recordings` and `read_imu`."""
        self.class_path, self.settings, self.key = (
            settings.class_path or "",
            settings,
            f"datasets.{name}.class",
        )
        try:
            self.layout: Layout = make_object(self.class_path, settings.class_kwargs, name, settings)
        except ClassPathError as error:
            raise LayoutError(f"datasets.{name}: {error}") from error
        for method in ("recordings", "read_imu"):
            if not callable(getattr(self.layout, method, None)):
                raise LayoutError(
                    f"{self.key}: {self.class_path} has no method {method!r}, which a layout needs"
                )

    def recordings(self) -> list[Recording]:
        """List the recordings. Raises `LayoutError` for an unsound list."""
        found = self._called(self.layout.recordings)
        if not isinstance(found, list) or not all(isinstance(item, Recording) for item in found):
            raise LayoutError(
                f"{self.key}: recordings() of {self.class_path} returns no list of comodo's Recording"
            )
        for item in found:
            texts = {"id": item.id, "label": item.label, "group": item.group, "split": item.split}
            if wrong := [key for key, value in texts.items() if not isinstance(value, str)]:
                raise LayoutError(f"{self.key}: recording {item.id!r}: {wrong[0]} is no text")
            if (fault := _fault_of(item)) is not None:
                raise LayoutError(f"{self.key}: recording {item.id!r}: {fault}")
            predict = item.split == PREDICT
            if not item.id or not (predict or (item.label and item.split in SPLITS)):
                raise LayoutError(
                    f"{self.key}: recording {item.id!r}: it needs an id, a label, and a split of {', '.join(SPLITS)}; "
                    f"in the split {PREDICT} an id alone"
                )
            if self.settings.video is not None and item.video is None and not predict:
                raise LayoutError(
                    f"{self.key}: recording {item.id!r} has no video: name it, or set `video: null` for an IMU-only "
                    "dataset"
                )
        rows = [(item.id, item.label, item.split) for item in found]
        check_splits(rows, Path(self.settings.root), self.key, required_splits(self.settings))
        if self.settings.video is None:
            return [replace(item, video=None, chapters=()) for item in found]
        return [
            replace(
                item,
                video=None if item.video is None else Path(item.video),
                imu=Path(item.imu),
                chapters=tuple(map(Path, item.chapters)),
            )
            for item in found
        ]

    def clock_files(self, recording: Recording) -> list[Path]:
        """Name the files beside `video` and `imu` that `read_imu` opens."""
        if not hasattr(self.layout, "clock_files"):
            return []
        found = self._called(lambda: self.layout.clock_files(recording))
        if not isinstance(found, (list, tuple)) or not all(isinstance(path, (str, Path)) for path in found):
            raise LayoutError(
                f"{self.key}: clock_files of {self.class_path} returns {type(found).__name__}, not a list of paths"
            )
        return [Path(path) for path in found]

    def read_imu(self, recording: Recording) -> list[ImuSamples]:
        """Read the raw IMU of a recording; errors of the user's code that are no `ImuError` pass as they are.

        Raises:
            ImuError: by the user's code, or where it reads nothing.
            LayoutError: when it returns another type, arrays of another kind or shape, or raises an `ImuError` whose
                reason is unknown.
        """
        try:
            components = self.layout.read_imu(recording)
        except ImuError as error:
            if error.reason in IMU_REASONS:
                raise
            raise LayoutError(
                f"{self.key}: read_imu of {self.class_path}, {recording.id!r}: ImuError of the unknown reason "
                f"{error.reason!r}; known are {', '.join(IMU_REASONS)}"
            ) from error
        if components is not None and not isinstance(components, list):
            kind = type(components).__name__
            raise LayoutError(
                f"{self.key}: read_imu of {self.class_path} returns {kind}, not a list of ImuSamples"
            )
        for samples in components or []:
            if fault := _fault(samples):
                raise LayoutError(f"{self.key}: read_imu of {self.class_path}, {recording.id!r}: {fault}")
        if not components:
            raise ImuError("imu_empty", f"{recording.imu}: {self.class_path} reads no samples")
        return components

    def _called(self, function: Callable[[], T]) -> T:
        try:
            return function()
        except LayoutError:
            raise
        except (Exception, SystemExit) as error:  # a user's code, called each time the workflow is parsed
            raise LayoutError(f"{self.key}: {self.class_path} failed: {said(error)}") from error


def _fault_of(recording: Recording) -> str | None:
    """Return the fault in the paths and times of a recording; None for no fault."""
    for name in ("video", "imu"):
        path = getattr(recording, name)
        if not isinstance(path, (str, Path)) and (name == "imu" or path is not None):
            return f"{name} is {type(path).__name__}, not a path"
    if not isinstance(recording.chapters, tuple) or not all(
        isinstance(path, (str, Path)) for path in recording.chapters
    ):
        return f"chapters is {recording.chapters!r}, not a tuple of paths"
    start, end = recording.start_s, recording.end_s
    if not _is_time(start) or (end is not None and not _is_time(end)):
        return f"start_s is {start!r} and end_s {end!r}; they are seconds from 0, end_s may be None"
    if end is not None and end <= start:
        return f"it ends at {end} s, before it starts at {start} s"
    return None


def _is_time(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf


def _fault(samples: object) -> str | None:
    """Return the fault in a component that a user's layout returned; None for no fault."""
    import numpy as np

    if not isinstance(samples, ImuSamples):
        return f"it returns a list of {type(samples).__name__}, not of ImuSamples"
    for name in ("accel", "gyro"):
        times, values = getattr(samples, f"{name}_t"), getattr(samples, name)
        for key, array in ((f"{name}_t", times), (name, values)):
            if not isinstance(array, np.ndarray):
                return f"{key} is {type(array).__name__}, not an array of floats"
            if isinstance(array, np.ma.MaskedArray):
                return f"{key} is masked: fill what is missing with NaN"
            if array.dtype.kind != "f" or array.dtype.itemsize < 4:
                return f"{key} holds {array.dtype}, not floats of 32 or 64 bits"
        if times.ndim != 1 or values.shape != (3, len(times)):
            wanted = (3, len(times)) if times.ndim == 1 else "(3, N)"
            return f"{name} is {values.shape}, with {name}_t {times.shape}: it should be {wanted}"
    if not isinstance(samples.notes, list) or not all(isinstance(note, str) for note in samples.notes):
        return "notes are not a list of texts"
    if samples.rate_hz is not None and not (type(samples.rate_hz) is int and samples.rate_hz > 0):
        return f"rate_hz is {samples.rate_hz!r}, not a number of Hz or None"
    if not (isinstance(samples.gravity, (int, float)) and 0 < samples.gravity < math.inf):
        return f"gravity is {samples.gravity!r}, not a length of `accel` at rest"
    return None
