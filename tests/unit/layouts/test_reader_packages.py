from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from comodo.config import DatasetSettings
from comodo.errors import LayoutError
from comodo.layouts.aria import read_vrs
from comodo.layouts.opening import open_layout
from comodo.layouts.reader_packages import require_reader
from comodo.layouts.types import Recording
from tests.support.writers import write_video


@pytest.fixture(params=[(3, 11), (3, 13)], ids=["3.11", "3.13"])
def remedy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A Python without the packages, and what the message advises there."""
    monkeypatch.setattr(sys, "version_info", request.param)
    hidden = {"pyvrs", "telemetry_parser"}
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *rest: None if name in hidden else find_spec(name, *rest)
    )
    if request.param == (3, 11):
        return "pip install "
    return "it has no wheel for Python 3.13: use Python 3.11 or 3.12 for these recordings"


def test_a_camera_file(remedy: str, tmp_path: Path) -> None:
    settings = DatasetSettings.model_validate({"layout": "table", "root": "r", "table": "t.csv"})
    video = write_video(tmp_path / "a.mp4", 10)
    recording = Recording("a", "train", "x", video=video, imu=video)
    message = "a.mp4: to read the IMU of a camera file, the package telemetry-parser is needed .*"
    with pytest.raises(LayoutError, match=f"{message}: {remedy}"):
        open_layout("d", settings).read_imu(recording)


def test_an_aria_recording(remedy: str, tmp_path: Path) -> None:
    (tmp_path / "a.vrs").write_bytes(b"x")
    with pytest.raises(
        LayoutError, match=f"a.vrs: to read an Aria recording, the package vrs is needed .*: {remedy}"
    ):
        read_vrs(tmp_path / "a.vrs")


def test_an_installed_package_is_no_fault() -> None:
    require_reader("numpy", "numpy", Path("a.npy"), "arrays")
