"""Folds by group: which recordings test which fold, and the windows of a fold."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest

from comodo.config import DatasetSettings
from comodo.errors import LayoutError, SplitsError
from comodo.layouts.types import Recording
from comodo.recordings.folds import assign_folds, check_divided, fold_windows
from comodo.recordings.raw_files import count_folds, labelled_state
from tests.support.tables import window_table

RECORDED = {"ann": 4, "bob": 3, "cem": 2, "dan": 2, "eva": 1}  # recordings
GROUPS = {f"{name}{k}": name for name, number in RECORDED.items() for k in range(number)}


def by_fold(folds: Mapping[str, int]) -> list[set[str]]:
    """The groups of each fold."""
    number = max(folds.values()) + 1
    return [
        {GROUPS[recording] for recording, place in folds.items() if place == fold} for fold in range(number)
    ]


def test_each_group_is_a_fold_in_sorted_order() -> None:
    assert by_fold(assign_folds(GROUPS, None)) == [{"ann"}, {"bob"}, {"cem"}, {"dan"}, {"eva"}]


def test_folds_have_about_as_many_recordings() -> None:
    """ann, bob, cem are first; dan joins cem (2), eva bob (3): 4, 4 and 4 recordings."""
    assert by_fold(assign_folds(GROUPS, 3)) == [{"ann"}, {"bob", "eva"}, {"cem", "dan"}]


def test_the_order_of_the_recordings_does_not_matter() -> None:
    turned = dict(reversed(GROUPS.items()))
    for folds in (None, 3, 4):
        assert assign_folds(turned, folds) == assign_folds(GROUPS, folds)


@pytest.mark.parametrize(
    ("groups", "folds", "message"),
    [
        ({**GROUPS, "x": "", "y": ""}, 3, "no group is known of recording x, y: name it"),
        ({f"r{k}": "" for k in range(7)}, None, "r0, r1, r2, r3, r4 and 2 more"),
        (GROUPS, 6, "6 folds need as many groups, found 5"),
        ({"a": "p", "b": "q"}, None, "3 folds need as many groups, found 2"),
    ],
)
def test_recordings_that_cannot_be_divided(groups: dict[str, str], folds: int | None, message: str) -> None:
    with pytest.raises(SplitsError, match=message):
        assign_folds(groups, folds)


def test_a_fold_is_test_and_the_next_one_val() -> None:
    windows = window_table(
        {"ann0": 2, "bob0": 1, "cem0": 1, "cem1": 1}, split=["train", "train", "val", "test", "train"]
    )
    own = {recording: GROUPS[recording] for recording in ("ann0", "bob0", "cem0", "cem1")}
    last = fold_windows(windows, own, None, 2)
    assert last["split"].tolist() == ["val", "val", "train", "test", "test"]
    assert last["listed_split"].tolist() == windows["split"].tolist()
    assert set(last["fold"]) == {2}
    pd.testing.assert_frame_equal(last[windows.columns.drop("split")], windows.drop(columns="split"))
    tested = [
        set(fold_windows(windows, own, None, fold).query("split == 'test'")["clip"]) for fold in range(3)
    ]
    assert set.union(*tested) == set(windows["clip"])
    assert sum(map(len, tested)) == len(windows)  # each window once


def test_a_fold_without_test_windows_names_its_groups() -> None:
    windows = window_table({"ann0": 2, "bob0": 1})
    groups = {"ann0": "ann", "bob0": "bob", "cem0": "cem", "cem1": "cem"}
    with pytest.raises(
        SplitsError, match=r"fold 2 has no windows in test: all recordings of cem were dropped"
    ):
        fold_windows(windows, groups, None, 2)
    assert fold_windows(windows, groups | {"dan0": "dan"}, None, 1)["split"].tolist() == [
        "train",
        "train",
        "test",
    ]


def test_labels_that_only_test_has_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    names = ("ann0", "bob0", "cem0", "dan0")
    windows = window_table(dict.fromkeys(names, 1), label=["swim", "walk", "walk", "walk"])
    groups = {recording: GROUPS[recording] for recording in names}
    with caplog.at_level(logging.WARNING):
        fold_windows(windows, groups, None, 1)
        assert not caplog.messages
        fold_windows(windows, groups, None, 0)
    assert caplog.messages == ["fold 0: test has labels that train lacks, always wrong: swim"]


HEADER = "recording,label,video,imu,subject,group"
ROWS = [
    f"{name}{k},{label},{name}{k}.mp4,,{name},g{k}" for name in "abc" for k, label in enumerate(("x", "y"))
]


def table(folder: Path, header: str = HEADER, rows: list[str] = ROWS, **more: object) -> DatasetSettings:
    (folder / "t.csv").write_text("\n".join([header, *rows]) + "\n")
    return DatasetSettings.model_validate(
        {"layout": "table", "root": str(folder), "table": str(folder / "t.csv"), **more}
    )


def test_a_table_needs_no_splits_for_folds(tmp_path: Path) -> None:
    settings = table(tmp_path, splits={"by": "subject"})
    assert count_folds("own", settings) == 3
    assert count_folds("own", table(tmp_path, splits={"folds": 5})) == 5
    labelled_state("own", settings, None, None)
    with pytest.raises(
        LayoutError, match=r"no column split, so no recording is in val, test.*datasets\.own\.splits"
    ):
        labelled_state("own", table(tmp_path), None, None)
    imu_only = table(tmp_path, video=None)
    with pytest.raises(LayoutError, match="no recording is in test: `comodo splits make` adds it"):
        labelled_state("own", imu_only, None, None)


def test_faults_of_folds_name_the_key(tmp_path: Path) -> None:
    with pytest.raises(
        LayoutError, match=r"3 folds need as many groups, found 2 \(config key datasets\.own\.splits\)"
    ):
        labelled_state("own", table(tmp_path, splits="loso"), None, None)  # column group: g0, g1
    with pytest.raises(LayoutError, match=r"no column person; needed are .*person"):
        labelled_state("own", table(tmp_path, splits={"by": "person"}), None, None)
    with pytest.raises(LayoutError, match="no group is known of recording a0, a1, b0, b1, c0 and 1 more"):
        (tmp_path / "other").mkdir()  # lists of recordings are cached
        settings = table(tmp_path / "other", HEADER.replace("group", "note"), splits="loso")
        labelled_state("own", settings, None, None)


def test_the_number_of_folds_of_a_simulated_dataset_is_known_before_it_is() -> None:
    world = {"train_subjects": 3, "val_subjects": 1, "test_subjects": 2}
    settings = DatasetSettings.model_validate(
        {"layout": "ego4d", "root": "nowhere", "simulate": world, "splits": "loso"}
    )
    assert count_folds("d", settings) == 6


def test_groups_of_all_shards_count() -> None:
    """A shard may lack groups; the folds are those of the dataset."""
    settings = DatasetSettings.model_validate({"layout": "ego4d", "root": "r", "splits": "loso"})
    recordings = [
        Recording(name, "train", "x", None, Path("x"), group=group) for name, group in GROUPS.items()
    ]
    check_divided("d", settings, recordings)
