"""New splits, and those of EgoExo4D by session."""

from __future__ import annotations

import logging
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comodo.config import SPLITS
from comodo.errors import SplitsError
from comodo.layouts.split_files import read_split_files
from comodo.recordings.splits import make_splits, read_rows, session_disjoint, session_of, write_split_files

RECORDINGS = st.lists(
    st.tuples(st.sampled_from("xyz"), st.sampled_from(["", *"ABCDEFGHIJKL"])), min_size=1, max_size=80
).map(lambda rows: [(f"r{i}", label, group and label + group) for i, (label, group) in enumerate(rows)])


def held(rows: list[tuple[str, str, str]], group_of: dict[str, str]) -> dict[str, set[str]]:
    return {split: {group_of[i] for i, _, s in rows if s == split} for split in SPLITS}


@settings(max_examples=60, deadline=None)
@given(recordings=RECORDINGS, seed=st.integers(0, 5))
def test_splits_are_disjoint_whole_sorted_and_reproducible(
    recordings: list[tuple[str, str, str]], seed: int
) -> None:
    groups = {i: group or i for i, _, group in recordings}
    per_label = Counter(label for label, _ in {(label, groups[i]) for i, label, _ in recordings})
    if min(per_label.values()) < 2:
        with pytest.raises(SplitsError, match="groups too few"):
            make_splits(recordings, seed=seed)
        return
    rows = make_splits(recordings, seed=seed)
    assert sorted((i, label) for i, label, _ in rows) == sorted((i, label) for i, label, _ in recordings)
    assert rows == sorted(rows, key=lambda row: (SPLITS.index(row[2]), row[0]))
    train, val, test = held(rows, groups).values()
    assert len(train | val | test) == len(train) + len(val) + len(test)
    for label, number in per_label.items():
        expected = set(SPLITS) if number >= 3 else {"train", "val"}
        assert {split for _, x, split in rows if x == label} == expected
    shuffled = random.Random(0).sample(recordings, len(recordings))
    assert make_splits(shuffled, seed=seed) == rows


@settings(max_examples=30, deadline=None)
@given(
    counts=st.lists(st.integers(10, 60), min_size=1, max_size=4),
    fractions=st.sampled_from([(0.7, 0.1, 0.2), (0.6, 0.2, 0.2), (0.34, 0.33, 0.33)]),
)
def test_without_groups_every_class_is_divided_as_wanted(
    counts: list[int], fractions: tuple[float, float, float]
) -> None:
    recordings = [(f"{label}-{i}", str(label), "") for label, n in enumerate(counts) for i in range(n)]
    found = Counter((label, split) for _, label, split in make_splits(recordings, fractions))
    for label, n in enumerate(counts):
        for split, fraction in zip(SPLITS, fractions, strict=True):
            assert abs(found[str(label), split] - n * fraction) <= 1


def test_groups_of_several_labels_are_stratified_too() -> None:
    """40 subjects who each did most of 6 activities, some often."""
    rng = random.Random(3)
    recordings = [
        (f"{subject}-{label}-{take}", f"activity {label}", f"subject {subject}")
        for subject in range(40)
        for label in range(6)
        for take in range(rng.randint(0, 4))
    ]
    total = Counter(label for _, label, _ in recordings)
    found = Counter((label, split) for _, label, split in make_splits(recordings))
    for label, n in total.items():
        assert found[label, "train"] / n == pytest.approx(0.7, abs=0.05)
        assert found[label, "val"] / n == pytest.approx(0.1, abs=0.05)
        assert found[label, "test"] / n == pytest.approx(0.2, abs=0.05)


def test_a_large_group_goes_to_train() -> None:
    recordings = [
        (f"{group}{i}", "x", group) for group, n in (("a", 80), ("b", 15), ("c", 5)) for i in range(n)
    ]
    assert Counter(split for *_, split in make_splits(recordings)) == {"train": 80, "test": 15, "val": 5}


def test_rare_labels_reach_every_split_though_their_groups_hold_common_ones_too() -> None:
    recordings = [(f"{group}-{i}", "common", f"g{group}") for group in range(30) for i in range(10)]
    recordings += [(f"{group}-rare", "rare", f"g{group}") for group in (4, 11, 17)]
    found = {split for _, label, split in make_splits(recordings) if label == "rare"}
    assert found == set(SPLITS)


@pytest.mark.parametrize("world", [16, 27, 101, 132, 247, 268, 299])
def test_few_subjects_of_many_labels_cover_all_splits(world: int) -> None:
    """Of 400 such worlds these are among those that the first order of the groups does not solve."""
    rng = random.Random(world)
    labels, subjects = rng.randint(2, 6), rng.randint(4, 12)
    recordings = [
        (f"{subject}-{label}-{take}", str(label), f"g{subject}")
        for subject in range(subjects)
        for label in rng.sample(range(labels), rng.randint(1, labels))
        for take in range(rng.randint(1, 3))
    ]
    found = {(label, split) for _, label, split in make_splits(recordings)}
    assert len(found) == 3 * labels


def test_seeds_differ() -> None:
    recordings = [(f"r{i:02}", "x", "") for i in range(50)]
    assert make_splits(recordings, seed=1) != make_splits(recordings, seed=2)


def test_two_groups_miss_in_test_and_say_so(caplog: pytest.LogCaptureFixture) -> None:
    recordings = [(f"x{i}", "x", "") for i in range(10)] + [("y1", "y", ""), ("y2", "y", "")]
    with caplog.at_level(logging.WARNING):
        rows = make_splits(recordings)
    assert {split for _, label, split in rows if label == "y"} == {"train", "val"}
    assert "each label in test: 'y' (2 groups)" in caplog.text


def test_one_group_is_refused() -> None:
    recordings = [(f"x{i}", "x", "") for i in range(10)] + [("y1", "y", "A"), ("y2", "y", "A")]
    with pytest.raises(SplitsError, match=r"in val: 'y' \(1 group\); add recordings"):
        make_splits(recordings)


def test_unsound_arguments_are_refused() -> None:
    with pytest.raises(SplitsError, match="'a' is listed twice"):
        make_splits([("a", "x", ""), ("a", "y", "")])
    for fractions in [(0.7, 0.3), (0.8, 0.0, 0.2), (0.7, 0.2, 0.2)]:
        with pytest.raises(SplitsError, match="sum is 1"):
            make_splits([("a", "x", "")], fractions)


@pytest.mark.parametrize(
    ("take", "session"),
    [
        ("uniandes_bouldering_026_6", "uniandes_bouldering_026"),
        ("sfu_basketball016_8", "sfu_basketball016"),
        ("upenn_0730_Dance_2_4", "upenn_0730_Dance_2"),
        ("unc_basketball_03-09-23_02_30", "unc_basketball_03-09-23_02"),
        ("23d27284-5421-4913-baba-b660fadd1920", "23d27284-5421-4913-baba-b660fadd1920"),
    ],
)
def test_session_of(take: str, session: str) -> None:
    assert session_of(take) == session


@pytest.mark.realdata
def test_session_disjoint_has_no_leak_and_the_official_proportions(
    reference_splits: Path, tmp_path: Path
) -> None:
    official = read_rows(reference_splits / "EgoExo4D")
    rows = session_disjoint(official)
    sessions = held(rows, {i: session_of(i) for i, *_ in rows})
    assert not any(sessions[a] & sessions[b] for a in SPLITS for b in SPLITS if a < b)
    before, after = (Counter((label, split) for _, label, split in table) for table in (official, rows))
    assert before.keys() == after.keys()
    assert all(abs(before[key] - after[key]) <= 0.05 * before[key] for key in before)
    write_split_files(rows, tmp_path)
    assert read_split_files(tmp_path) == rows


@pytest.mark.realdata
def test_official_splits_can_be_read_for_new_ones(reference_splits: Path) -> None:
    """That of UESTC-MMEA-CL has a format of its own."""
    recordings = [(i, label, "") for i, label, _ in read_rows(reference_splits / "UESTC-MMEA-CL")]
    counts = Counter(split for *_, split in make_splits(recordings))
    assert [counts[split] / 6522 for split in SPLITS] == pytest.approx([0.7, 0.1, 0.2], abs=0.005)


def test_session_disjoint_refuses_other_ids() -> None:
    with pytest.raises(SplitsError, match="EgoExo4D"):
        session_disjoint([("a", "x", "train"), ("b", "x", "test")])


def test_split_files_are_never_overwritten_by_others(tmp_path: Path) -> None:
    rows = [("a", "x", "train"), ("ü", "y", "train"), ("c", "x", "val"), ("d", "y", "test")]
    write_split_files(rows, tmp_path)
    assert read_split_files(tmp_path) == rows
    write_split_files(rows, tmp_path)
    with pytest.raises(SplitsError, match=r"val\.txt exists and holds something else.*--into"):
        write_split_files([*rows, ("e", "x", "val")], tmp_path)
    assert read_split_files(tmp_path) == rows
