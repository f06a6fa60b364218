"""Mp4 files that claim more samples than they have bytes are refused before a library makes room for them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from comodo.layouts.sample_tables import find_overclaim
from tests.support.mp4 import (
    MANY,
    in_chunks,
    numbers,
    patched,
    sizes,
    times,
    write_claims,
    write_edits,
    write_fragment,
    write_sound_chunks,
)
from tests.support.writers import write_sound, write_video
from tests.unit.test_memory_bombs import FIRST_WIDTH, refused

pytestmark = pytest.mark.slow

BOMBS: dict[str, Callable[[Path], object]] = {
    "sizes": lambda p: write_claims(p, stsz=sizes(MANY)),
    "sizes, times, chunks": lambda p: write_claims(
        p, stsz=sizes(MANY), stts=times(MANY), stsc=in_chunks(MANY)
    ),
    "sparse": lambda p: (write_claims(p, stsz=sizes(MANY)), os.truncate(p, 1 << 40)),
    "edits": lambda p: write_edits(p, 5000, 4000),
    "fragment": lambda p: write_fragment(p, MANY),
    "sound": lambda p: write_sound_chunks(p, 1_000_000_000),
}
SOUND_FILES: dict[str, Callable[[Path], object]] = {
    "video": lambda p: write_video(p, 40),
    "sound": write_sound,
    "uncompressed sound": write_sound_chunks,
    "fragments": write_fragment,
    "some edits": lambda p: write_edits(p, 40, 10),
    "text": lambda p: p.write_text("no mp4 at all"),
    "empty": lambda p: p.write_bytes(b""),
    "cut short": lambda p: p.write_bytes(write_video(p, 400).read_bytes()[:5000]),
}
READERS = {
    "video": FIRST_WIDTH,
    "small video": 'small_video.read_frames(Path("a.mp4"), [0])',
    "camera": 'layout("table", table="t.csv").read_imu(Recording("a", "train", "x", Path("a.mp4"), Path("a.mp4")))',
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", BOMBS)
def test_a_claim_beyond_the_file_takes_no_memory(name: str, reader: str, tmp_path: Path) -> None:
    BOMBS[name](tmp_path / "a.mp4")
    said, memory = refused(READERS[reader], tmp_path)
    print(f"{name}, {reader}: {memory} MB: {said}")
    assert memory < 100
    assert "a.mp4" in said
    assert "samples in" in said


@pytest.mark.parametrize("table", ["stts", "ctts"])
def test_times_alone_take_no_memory(table: str, tmp_path: Path) -> None:
    """What they claim beyond the table of sizes is not looked at."""
    data = write_video(tmp_path / "a.mp4", 40).read_bytes()
    if table.encode() in data:
        (tmp_path / "a.mp4").write_bytes(patched(data, table.encode(), times(MANY)))
        said, memory = refused(FIRST_WIDTH, tmp_path)
        assert (said, memory < 100) == ("32", True)


@pytest.mark.parametrize("name", SOUND_FILES)
def test_sound_files_are_left_alone(name: str, tmp_path: Path) -> None:
    SOUND_FILES[name](tmp_path / "a.mp4")
    with (tmp_path / "a.mp4").open("rb") as file:
        assert find_overclaim(file) == ""


def test_boxes_of_any_shape_end(tmp_path: Path) -> None:
    """Boxes of no size, of 64-bit sizes, within themselves, a compressed header."""
    (tmp_path / "a").write_bytes(b"".join(numbers(8 * k) + b"moov" for k in range(4000, 0, -1)))
    with (tmp_path / "a").open("rb") as file:
        assert find_overclaim(file) == ""
    (tmp_path / "a").write_bytes(
        numbers(1) + b"moov" + numbers(0, 32) + numbers(0) + b"trun" + numbers(0, MANY)
    )
    with (tmp_path / "a").open("rb") as file:
        assert "67000000 samples in 32 bytes" in find_overclaim(file)
    (tmp_path / "a").write_bytes(numbers(16) + b"moov" + numbers(8) + b"cmov")
    with (tmp_path / "a").open("rb") as file:
        assert "compressed" in find_overclaim(file)
