"""A changed `max_bad_fraction` reruns nothing, and is checked all the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from comodo.errors import QualityError
from comodo.recordings.accepted import check_accepted, count_bad, too_many_bad

REPORT = "recording,split,label,window,start_s,end_s,reason,detail,pairs\n"
REPORT += "c,train,y,-1,,,imu_clock,,0\nd,train,y,-1,,,segment_too_short,,0\n"
REPORT += 'a,train,x,-1,,,,,3\nb,train,y,-1,,,imu_empty,"two\nlines",0\na,train,x,0,0,5,imu_gap,,0\n'


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "lab"
    folder.mkdir()
    (folder / "quality.csv").write_text(REPORT)
    (folder / "clips.parquet").touch()
    os.utime(folder / "quality.csv", ns=(1, 1))
    return tmp_path


def test_only_recordings_count(results: Path) -> None:
    assert count_bad(results / "lab/quality.csv") == (2, 3)


@pytest.mark.parametrize(
    ("bad", "recordings", "fraction", "expected"),
    [
        (1, 7, 0.1, False),
        (2, 7, 0.1, True),
        (1, 7, 0, True),
        (0, 7, 0, False),
        (1, 1, 0.1, True),
        (0, 0, 0, False),
    ],
)
def test_one_bad_recording_of_several_is_accepted(
    bad: int, recordings: int, fraction: float, expected: bool
) -> None:
    assert too_many_bad(bad, recordings, fraction) == expected


def test_a_smaller_fraction_than_the_dataset_was_merged_with_is_refused(results: Path) -> None:
    check_accepted("lab", 0.7, results)
    with pytest.raises(QualityError, match=r"67% of the recordings of lab .*max_bad_fraction = 40%"):
        check_accepted("lab", 0.4, results)


@pytest.mark.parametrize("missing", ["quality.csv", "clips.parquet"])
def test_a_dataset_that_is_not_merged_is_left_to_its_rule(results: Path, missing: str) -> None:
    (results / "lab" / missing).unlink()
    check_accepted("lab", 0.0, results)


def test_a_newer_report_is_left_to_its_rule(results: Path) -> None:
    os.utime(results / "lab/clips.parquet", ns=(0, 0))
    check_accepted("lab", 0.0, results)
