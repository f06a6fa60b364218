"""Layouts of the user's own classes, by class path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from comodo.config import SPLITS, DatasetSettings
from comodo.errors import ClassPathError, ImuError, LayoutError
from comodo.jobs.class_paths import make_object
from comodo.layouts.split_files import check_splits, required_splits
from comodo.layouts.types import ImuSamples, Layout, Recording

T = TypeVar("T")


class ClassLayout:
    """A layout of the user's own class, made from (name, settings, **kwargs); what it returns is checked.

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
            if not item.id or not item.label or item.split not in SPLITS:
                raise LayoutError(
                    f"{self.key}: recording {item.id!r}: it needs an id, a label, and a split of {', '.join(SPLITS)}"
                )
            if self.settings.video is not None and item.video is None:
                raise LayoutError(
                    f"{self.key}: recording {item.id!r} has no video: name it, or set `video: null` for an IMU-only "
                    "dataset"
                )
        rows = [(item.id, item.label, item.split) for item in found]
        check_splits(rows, Path(self.settings.root), self.key, required_splits(self.settings))
        if self.settings.video is None:
            return [replace(item, video=None) for item in found]
        return [
            replace(item, video=Path(item.video), imu=Path(item.imu))
            for item in found
            if item.video is not None
        ]

    def clock_files(self, recording: Recording) -> list[Path]:
        """Name the files beside `video` and `imu` that `read_imu` opens."""
        if not hasattr(self.layout, "clock_files"):
            return []
        return [Path(path) for path in self._called(lambda: self.layout.clock_files(recording))]

    def read_imu(self, recording: Recording) -> list[ImuSamples]:
        """Read the raw IMU of a recording; errors of the user's code that are no `ImuError` pass as they are.

        Raises:
            ImuError: by the user's code, or where it reads nothing.
            LayoutError: when it returns another type, or arrays of another kind or shape.
        """
        components = self.layout.read_imu(recording)
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
        except Exception as error:  # a user's code, called each time the workflow is parsed
            raise LayoutError(
                f"{self.key}: {self.class_path} failed: {type(error).__name__}: {error}"
            ) from error


def _fault(samples: object) -> str | None:
    """What is wrong with one component that a user's layout returned; None where nothing is."""
    import numpy as np

    if not isinstance(samples, ImuSamples):
        return f"it returns a list of {type(samples).__name__}, not of ImuSamples"
    for name in ("accel", "gyro"):
        times, values = getattr(samples, f"{name}_t"), getattr(samples, name)
        for key, array in ((f"{name}_t", times), (name, values)):
            if not isinstance(array, np.ndarray):
                return f"{key} is {type(array).__name__}, not an array of floats"
            if array.dtype.kind != "f":
                return f"{key} holds {array.dtype}, not floats"
        if times.ndim != 1 or values.shape != (3, len(times)):
            wanted = (3, len(times)) if times.ndim == 1 else "(3, N)"
            return f"{name} is {values.shape}, with {name}_t {times.shape}: it should be {wanted}"
    return None
