"""Readers of video."""

from __future__ import annotations

from pathlib import Path

import pytest

from comodo.recordings.small_video import extract
from tests.fuzz.conftest import Fuzz
from tests.fuzz.inputs import smashed
from tests.support.writers import write_video

pytestmark = [pytest.mark.fuzz, pytest.mark.filterwarnings("ignore")]


def read_video(data: bytes, folder: Path) -> None:
    (folder / "a.mp4").write_bytes(data)
    made = extract(folder / "a.mp4", folder / "out.mp4", 10, 32, 10, 18)
    assert made.n_frames > 0


@pytest.mark.parametrize("name", ["video"])
def test_any_bytes_give_a_result_or_the_documented_error(name: str, fuzz: Fuzz, tmp_path: Path) -> None:
    sound = write_video(tmp_path / "sound.mp4", 20).read_bytes()
    fuzz(name, smashed(sound), read_video, [])
