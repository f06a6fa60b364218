"""Labelled segments of long recordings, and the runs of a column of labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comodo.errors import LayoutError
from comodo.layouts.segments import Segment, label_runs, read_segments
from tests.unit.layouts.test_table import IMU_CSV, layout

HEADER = "recording,split,video,imu"
ROWS = ["a,train,a.mp4,a.csv", "b,val,b.mp4,b.csv", "c,test,c.mp4,c.csv"]
SEGMENTS = [
    *("a,10,20,walk", "a,0,10,sit", "a,25.5,30,walk"),
    *("b,0,10,walk", "b,10,20,sit", "c,0,9,walk", "c,12,20,sit"),
]


def write_segments(
    folder: Path, rows: list[str] = SEGMENTS, header: str = "recording,start_s,end_s,label"
) -> Path:
    path = folder / "segments.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_each_segment_is_a_recording(tmp_path: Path) -> None:
    path = write_segments(tmp_path)
    found = layout(tmp_path, HEADER, ROWS, IMU_CSV, segments=str(path)).recordings()
    assert [(r.id, r.split, r.label, r.start_s, r.end_s) for r in found[:3]] == [
        ("a@0", "train", "sit", 0.0, 10.0),
        ("a@10", "train", "walk", 10.0, 20.0),
        ("a@25.5", "train", "walk", 25.5, 30.0),
    ]
    assert {r.group for r in found} == {"a", "b", "c"}
    assert found[0].imu == tmp_path / "a.csv"
    grouped = [row + ",s1" for row in ROWS]
    found = layout(tmp_path, HEADER + ",group", grouped, IMU_CSV, segments=str(path)).recordings()
    assert {r.group for r in found} == {"s1"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,15,22,run", "segments of 'a' overlap: walk until 20 s and run from 15 s"),
        ("d,0,1,walk", "the table lists no recording 'd'"),
        ("a,40,40,walk", r"segments\.csv:9 .*end_s 40 is not after start_s 40"),
        ("a,-1,3,walk", "start_s '-1' is not a number of seconds"),
        ("a,40,soon,walk", "end_s 'soon' is not a number of seconds"),
        ("a,40,50,", "the cell 'label' is empty"),
        ("a,40,50", "the cell 'label' is empty"),
    ],
)
def test_bad_segments_are_refused(tmp_path: Path, row: str, message: str) -> None:
    path = write_segments(tmp_path, [*SEGMENTS, row])
    with pytest.raises(LayoutError, match=message) as caught:
        layout(tmp_path, HEADER, ROWS, IMU_CSV, segments=str(path)).recordings()
    assert "datasets.own.segments" in str(caught.value)


def test_what_the_table_lacks(tmp_path: Path) -> None:
    path = write_segments(tmp_path)
    with pytest.raises(LayoutError, match="no segment of 'e'"):
        layout(tmp_path, HEADER, [*ROWS, "e,test,e.mp4,e.csv"], IMU_CSV, segments=str(path)).recordings()
    cut = [f"{row},{n},9" for n, row in enumerate(ROWS)]
    with pytest.raises(LayoutError, match="the table cuts 'a' by start_s or end_s"):
        layout(tmp_path, HEADER + ",start_s,end_s", cut, IMU_CSV, segments=str(path)).recordings()
    path.unlink()
    with pytest.raises(LayoutError, match="`comodo segments` makes it of a column of labels"):
        layout(tmp_path, HEADER, ROWS, IMU_CSV, segments=str(path)).recordings()
    write_segments(tmp_path, header="recording,start,end,label")
    with pytest.raises(LayoutError, match="no column start_s, end_s"):
        read_segments(path, "datasets.own.segments")


def test_runs_of_labels() -> None:
    time = np.array([0.0, 0.1, 0.2, np.nan, 0.4, 0.5, 0.6])
    runs = label_runs(time, ["a", "a", "b", "b", "b", "", "a"])
    assert [(round(s, 6), round(e, 6), label) for s, e, label in runs] == [
        (0.0, 0.2, "a"),
        (0.2, 0.5, "b"),
        (0.6, 0.7, "a"),
    ]
    assert label_runs(np.array([np.nan]), ["a"]) == []
    assert label_runs(np.array([]), []) == []


@given(st.lists(st.sampled_from(["", "a", "b"]), min_size=1, max_size=40))
def test_each_sample_lies_in_the_run_of_its_label(labels: list[str]) -> None:
    time = np.arange(len(labels)) / 10
    runs = label_runs(time, labels)
    for moment, label in zip(time, labels, strict=True):
        holding = [run for run in runs if run.start_s <= moment < run.end_s]
        assert [run.label for run in holding] == ([label] if label else []) or len(labels) == 1
    assert all(isinstance(run, Segment) for run in runs)


def test_recordings_to_classify_stay_whole(tmp_path: Path) -> None:
    path = write_segments(tmp_path)
    found = layout(tmp_path, HEADER, [*ROWS, "n,predict,,n.csv"], IMU_CSV, segments=str(path)).recordings()
    assert [(r.id, r.label, r.end_s) for r in found if r.split == "predict"] == [("n", "", None)]
    write_segments(tmp_path, [*SEGMENTS, "n,0,5,walk"])
    with pytest.raises(LayoutError, match="'n' is in split predict of the table, so it takes no labels"):
        layout(tmp_path, HEADER, [*ROWS, "n,predict,,n.csv"], IMU_CSV, segments=str(path)).recordings()
