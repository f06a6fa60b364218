"""Shards and file names of recording ids."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from comodo.layouts.ids import safe_name, shard_of

HOSTILE = [
    "../../etc/passwd",
    "a/b",
    "..",
    ".",
    "",
    " ",
    "é😀",
    "e\u0301",
    "\x00\n",
    "a" * 300,
    "a" * 301,
    "%2E",
    "~",
    "\udcff",
]


def test_shards_are_stable_and_even() -> None:
    assert [shard_of(name, 64) for name in ("a", "hero7", "é")] == [10, 23, 19]
    counts = [0] * 8
    for i in range(4000):
        counts[shard_of(f"recording-{i}", 8)] += 1
    assert 420 < min(counts) <= max(counts) < 580


def test_hostile_ids_become_harmless_names(tmp_path: Path) -> None:
    names = [safe_name(recording) for recording in HOSTILE]
    assert len(set(names)) == len(HOSTILE)
    for name in names:
        (tmp_path / name).write_text("x")
        assert len(name) <= 200
        assert name.isascii()
        assert "/" not in name
        assert not name.startswith(".")
    assert len(list(tmp_path.iterdir())) == len(HOSTILE)


def test_no_id_is_taken_for_a_shortened_one() -> None:
    shortened = safe_name("a" * 300)
    assert safe_name(shortened) != shortened


def test_ordinary_ids_stay_readable() -> None:
    assert safe_name("27_open_close_door_2022_05_05") == "27_open_close_door_2022_05_05"


@given(st.text(), st.text())
def test_names_are_injective(a: str, b: str) -> None:
    assert (safe_name(a) == safe_name(b)) == (a == b)
