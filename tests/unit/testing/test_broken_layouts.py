"""The contract check of a layout fails on one that breaks it, with a line that says what does not hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comodo.config import DatasetSettings
from comodo.errors import ImuError, LayoutError
from comodo.layouts.types import ImuSamples, Recording
from comodo.testing import check_layout

HERE = "tests.unit.testing.test_broken_layouts"
NAMES = [(f"{split}{n}", split, f"class {n}") for split in ("train", "val", "test") for n in range(2)]


class Lab:
    """A good layout, or one that is broken as `how` says."""

    def __init__(self, name: str, settings: DatasetSettings, how: str = "") -> None:
        self.root, self.how, self.calls = Path(settings.root), how, 0

    def recordings(self) -> Any:
        self.calls += 1
        if self.how == "opens media":
            (self.root / "train0.npy").read_bytes()
        names = NAMES[:: -1 if self.how == "order" and self.root.joinpath("listed").exists() else 1]
        self.root.joinpath("listed").touch()
        found = [
            Recording(name, split, label, self.root / f"{name}.mp4", self.root / f"{name}.npy")
            for name, split, label in names
        ]
        return iter(found) if self.how == "iterator" else found

    def read_imu(self, recording: Recording) -> Any:
        if self.how == "bug":
            return [recording.magnetometer]  # type: ignore[attr-defined]
        if self.how == "other file":
            (self.root / "clock.txt").read_text()
        if self.how == "invents":
            samples = np.ones((7, 50))
        else:
            try:
                samples = np.load(recording.imu)
            except OSError as error:
                if self.how == "os error":
                    raise
                raise ImuError("lost" if self.how == "reason" else "imu_unreadable", str(error)) from None
        if self.how == "missing":
            raise ImuError("imu_empty", "nothing")
        kind = np.float32 if self.how == "float32" else np.float64
        time, accel, gyro = samples[0].astype(kind), samples[1:4].astype(kind), samples[4:].astype(kind)
        if self.how == "not finite":
            gyro = gyro * np.nan
        if self.how == "turned":
            accel = accel.T
        return [ImuSamples(accel_t=time, accel=accel, gyro_t=time, gyro=gyro)]

    def clock_files(self, recording: Recording) -> Any:
        return "clock.txt" if self.how == "text" else []


def check(folder: Path, how: str = "") -> None:
    rng = np.random.default_rng(0)
    for name, _, _ in NAMES:
        (folder / f"{name}.mp4").touch()
        np.save(folder / f"{name}.npy", np.vstack([np.arange(50) / 50, rng.standard_normal((6, 50))]))
    (folder / "clock.txt").touch()
    check_layout({"class": f"{HERE}:Lab", "root": str(folder), "kwargs": {"how": how}})


def test_a_good_layout(tmp_path: Path) -> None:
    check(tmp_path)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (
            "opens media",
            r"recordings\(\) opens .*train0.npy.*: it must list recordings without opening their media",
        ),
        ("order", r"recordings\(\) lists different recordings each time"),
        ("iterator", r"recordings\(\) of .*:Lab returns no list of comodo's Recording"),
        ("other file", r"read_imu opens .*clock.txt.*, which is neither in the recording nor in clock_files"),
        ("text", r"clock_files of .*:Lab returns str, not a list of paths"),
        ("bug", r"read_imu of 'train0': AttributeError: .*magnetometer.* \(.*test_broken_layouts.py, line"),
        ("float32", r"train0: accel is float32 and its times are float32; both should be float64"),
        ("not finite", r"train0: gyro has no finite sample"),
        ("turned", r"accel is \(50, 3\), with accel_t \(50,\): it should be \(3, 50\)"),
        ("missing", r"nothing"),
        ("invents", r"read_imu of a missing file does not raise ImuError"),
        ("os error", r"read_imu of a missing file raises FileNotFoundError, not ImuError"),
        (
            "reason",
            r"read_imu of a missing file raises LayoutError, not ImuError: .* unknown reason 'lost'",
        ),
    ],
)
def test_broken_layouts(tmp_path: Path, how: str, message: str) -> None:
    with pytest.raises((AssertionError, LayoutError, ImuError), match=message) as caught:
        check(tmp_path, how)
    assert "\n" not in str(caught.value)
