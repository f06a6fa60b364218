"""Readers of video."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from comodo.recordings.small_video import extract
from tests.fuzz.conftest import Fuzz
from tests.fuzz.inputs import smashed
from tests.support.mp4 import write_fragment, write_sound_chunks
from tests.support.writers import write_video

pytestmark = [pytest.mark.fuzz, pytest.mark.filterwarnings("ignore")]


def read_video(data: bytes, folder: Path) -> None:
    (folder / "a.mp4").write_bytes(data)
    made = extract(folder / "a.mp4", folder / "out.mp4", 10, 32, 10, 18)
    assert made.n_frames > 0


SOUND: dict[str, Callable[[Path], object]] = {
    "video": lambda path: write_video(path, 20),
    "fragments": write_fragment,
    "sound": write_sound_chunks,
    "playlist": lambda path: path.write_text("ffconcat version 1.0\nfile 'file:sound.mp4'\n"),
}


@pytest.mark.parametrize("name", SOUND)
def test_any_bytes_give_a_result_or_the_documented_error(name: str, fuzz: Fuzz, tmp_path: Path) -> None:
    SOUND[name](tmp_path / "sound.mp4")
    sound = (tmp_path / "sound.mp4").read_bytes()
    fuzz(name, smashed(sound), read_video, [])


def test_no_number_of_a_header_takes_memory_or_time(fuzz: Fuzz, tmp_path: Path) -> None:
    """Each number of the header becomes as large as it can be, one at a time."""
    sound = write_video(tmp_path / "sound.mp4", 20).read_bytes()
    begin = sound.index(b"moov") - 4
    largest = [
        sound[:place] + number + sound[place + 4 :]
        for place in range(begin, len(sound) - 4, 4)
        for number in (b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff")
    ]
    fuzz("header", smashed(sound), read_video, largest)
