"""Readers of what lists recordings: split files, tables and metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from comodo.config import SPLITS
from comodo.layouts.split_files import read_split_files
from tests.fuzz.conftest import Fuzz, Reader
from tests.fuzz.inputs import any_bytes, any_json, layout
from tests.support.writers import take, write_splits

pytestmark = [pytest.mark.fuzz, pytest.mark.filterwarnings("ignore")]

SPLIT = "a\tsit\nb\tstand\n"
RECORDINGS = (
    "recording,split,label,video,imu,group,start_s,end_s\n"
    "a,train,sit,a.mp4,a.csv,g,,\nb,train,stand,b.mp4,,g,1,2\nc,val,sit,c.mp4,,,,\nd,test,sit,d.mp4,,,0,5\n"
)
GROUPS = {
    "videos": [{"video_uid": "a", "fb_participant_id": 7}, {"video_uid": "b", "fb_participant_id": None}]
}
TAKES = [take("a", capture="k"), take("b", capture="k", start_row=1)]
SYNC = "t,aria01_214-1_capture_timestamp_ns\n1,5\n2,6\n3,7\n"


def read_splits(data: bytes, folder: Path) -> None:
    write_splits(folder, dict.fromkeys(SPLITS, SPLIT.splitlines()[:1]))
    (folder / "train.txt").write_bytes(data)
    for row in read_split_files(folder):
        assert row[0]
        assert row[1]


def read_recordings(data: bytes, folder: Path) -> None:
    (folder / "table.csv").write_bytes(data)
    for recording in layout(folder, "table", table=str(folder / "table.csv")).recordings():
        assert recording.id


def read_ego4d_json(data: bytes, folder: Path) -> None:
    write_splits(folder / "splits", {"train": ["a\tx", "b\ty"], "val": ["c\tx"], "test": ["d\tx"]})
    (folder / "ego4d.json").write_bytes(data)
    for recording in layout(folder, "ego4d").recordings():
        assert isinstance(recording.group, str)


def read_takes(data: tuple[bytes, bytes], folder: Path) -> None:
    write_splits(folder / "splits", {"train": ["a\tx", "b\ty"], "val": ["c\tx"], "test": ["d\tx"]})
    (folder / "takes.json").write_bytes(data[0])
    (folder / "captures/k").mkdir(parents=True, exist_ok=True)
    (folder / "captures/k/timesync.csv").write_bytes(data[1])
    reader = layout(folder, "egoexo4d")
    for recording in reader.recordings():
        assert isinstance(recording.imu, Path)
        reader._video_start_ns(recording.id)  # type: ignore[attr-defined]


READERS: dict[str, tuple[st.SearchStrategy[Any], Reader]] = {
    "split file": (any_bytes(SPLIT, "p/data/1_up/a 1 2 0\np/data/2_down/b 3 4 1\n", separator="\t"), read_splits),
    "table csv": (any_bytes(RECORDINGS), read_recordings),
    "ego4d.json": (any_json(GROUPS), read_ego4d_json),
    "takes.json": (st.tuples(any_json(TAKES), any_bytes(SYNC)), read_takes),
}  # fmt: skip
FOUND: dict[str, list[Any]] = {
    "table csv": [
        RECORDINGS.replace("sit", "s" * 200_000).encode(),  # a cell longer than csv takes
    ],
    "ego4d.json": [
        b'{"videos": [[["a"], 1]]}',
        b"[" * 100_000,
    ],
    "takes.json": [
        (b"[" * 100_000, b""),
        (json.dumps([{**TAKES[0], "root_dir": 5}]).encode(), SYNC.encode()),
        (b'[["a", "0"]]', b""),
    ],
}


@pytest.mark.parametrize("name", READERS)
def test_any_bytes_give_a_result_or_the_documented_error(name: str, fuzz: Fuzz) -> None:
    strategy, read = READERS[name]
    fuzz(name, strategy, read, FOUND.get(name, []))
