"""Groups that test shares with train and val."""

from __future__ import annotations

from pathlib import Path

import pytest

from comodo.recordings.leaks import Leaks, find_leaks
from comodo.recordings.splits import read_rows, session_of


def test_find_leaks_counts_groups_and_recordings() -> None:
    rows = [
        ("a1", "train", "A"),
        ("b1", "train", "B"),
        ("c1", "val", "C"),
        ("a2", "test", "A"),
        ("a3", "test", "A"),
        ("c2", "test", "C"),
        ("d1", "test", "D"),
        ("e1", "test", ""),
        ("e2", "train", ""),
    ]
    leaks = find_leaks(rows)
    assert leaks == Leaks(groups=3, groups_in_train=1, groups_in_val=1, recordings=5, recordings_leaked=3)
    assert leaks
    assert "of the 3 groups" in str(leaks)
    assert "3 of the 5 test recordings" in str(leaks)


def test_a_dataset_without_test_has_no_leaks() -> None:
    """A table that is divided into folds."""
    leaks = find_leaks([("a1", "train", "A"), ("b1", "train", "B")])
    assert not leaks
    assert str(leaks) == "leaks between splits: none, as no recording is listed in test"


def test_no_leak_and_no_groups_are_told_apart() -> None:
    none = find_leaks([("a", "train", "A"), ("b", "test", "B")])
    assert not none
    assert "none of the 1 groups" in str(none)
    unknown = find_leaks([("a", "train", ""), ("b", "test", "")])
    assert not unknown
    assert "unknown" in str(unknown)


@pytest.mark.realdata
def test_leak_of_the_official_egoexo4d_split(reference_splits: Path) -> None:
    rows = read_rows(reference_splits / "EgoExo4D")
    assert find_leaks((i, split, session_of(i)) for i, _, split in rows) == Leaks(
        groups=384, groups_in_train=336, groups_in_val=156, recordings=998, recordings_leaked=952
    )
