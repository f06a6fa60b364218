from __future__ import annotations

import fcntl
import subprocess
import sys
import zlib
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from comodo.embeddings.store import (
    clips_digest,
    mapped,
    merge_stores,
    open_store,
    read_rows,
    write_store,
)
from comodo.errors import DamageError, StoreError
from tests.support.stores import read_made_by
from tests.support.tables import window_table

MADE_BY = {"model": "some/teacher", "preprocessing": {"mean": [0.5]}}


def embeddings_of(clips: pd.DataFrame, dim: int = 4) -> NDArray[np.float32]:
    """Rows that tell which clip they belong to."""
    return np.array(
        [[zlib.crc32(clip.encode()) % 2**24] * dim for clip in clips["clip"]], np.float32
    ).reshape(-1, dim)


def write(path: Path, clips: pd.DataFrame, made_by: dict[str, object] = MADE_BY) -> Path:
    write_store(path, clips, 4, [embeddings_of(clips)], made_by)
    return path


def test_store_gives_back_what_it_got(tmp_path: Path) -> None:
    clips = window_table({"a": 3, "b": 2})
    whole = embeddings_of(clips)
    write_store(tmp_path / "s.h5", clips, 4, [whole[:2], whole[2:]], MADE_BY)
    with open_store(tmp_path / "s.h5", expected=clips) as file:
        np.testing.assert_array_equal(file["embedding"], whole)
        assert file["embedding"].dtype == np.float32
        assert read_rows(file)["clip"].tolist() == clips["clip"].tolist()
        assert read_made_by(file) == MADE_BY


def test_the_map_is_the_array(tmp_path: Path) -> None:
    clips = window_table({"a": 3, "b": 2})
    with open_store(write(tmp_path / "s.h5", clips)) as file:
        rows = mapped(file)
        np.testing.assert_array_equal(rows[[4, 0, 4]], embeddings_of(clips)[[4, 0, 4]])
        assert not rows.flags.writeable


def test_the_map_is_of_the_open_file_and_goes_with_its_rows(tmp_path: Path) -> None:
    clips = window_table({"a": 3, "b": 2})
    path = write(tmp_path / "s.h5", clips)
    with open_store(path) as file:
        path.rename(tmp_path / "elsewhere.h5")
        path.write_bytes(b"another file by this name")
        rows = mapped(file)[[1, 2]]
        np.testing.assert_array_equal(rows, embeddings_of(clips)[[1, 2]])
        if (maps := Path("/proc/self/maps")).exists():
            assert "elsewhere.h5" not in maps.read_text()


def test_an_array_in_pieces_is_not_mapped(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file.create_dataset("embedding", data=np.zeros((4, 2), np.float32), chunks=(2, 2))
        with pytest.raises(StoreError, match="not contiguous"):
            mapped(file)


@pytest.mark.parametrize("rows", [4, 6])
def test_wrong_number_of_rows_is_refused(tmp_path: Path, rows: int) -> None:
    with pytest.raises(StoreError, match="5 clips"):
        write_store(tmp_path / "s.h5", window_table({"a": 5}), 4, [np.ones((rows, 4), np.float32)], MADE_BY)
    assert list(tmp_path.iterdir()) == []


def test_not_finite_is_refused_by_clip(tmp_path: Path) -> None:
    batch = np.ones((3, 4), np.float32)
    batch[1, 2] = np.nan
    with pytest.raises(StoreError, match="a#00001 is not finite"):
        write_store(tmp_path / "s.h5", window_table({"a": 3}), 4, [batch], MADE_BY)


@pytest.mark.parametrize(
    "change",
    [
        {"clip": ["a#00000", "a#00001", "b#00000"]},
        {"label": "running"},
        {"split": "val"},
        {"start_s": 0.1},
        {"end_s": 9.9},
        {"first_frame": 1},
        {"n_frames": 49},
    ],
)
def test_store_of_another_clip_table_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    clips = window_table({"a": 3})
    path = write(tmp_path / "s.h5", clips)
    other = clips.assign(**change)
    assert clips_digest(other) != clips_digest(clips)
    with pytest.raises(StoreError, match="another clip table"), open_store(path, expected=other):
        pass


@pytest.mark.parametrize("damage", ["truncated", "text", "empty"])
def test_broken_store_is_refused_by_name(tmp_path: Path, damage: str) -> None:
    path = write(tmp_path / "s.h5", window_table({"a": 3}))
    content = {"truncated": path.read_bytes()[:-200], "text": b"not hdf5", "empty": b""}[damage]
    path.write_bytes(content)
    with pytest.raises(DamageError, match=r"s\.h5 is damaged or not whole"), open_store(path):
        pass


def test_merge_puts_rows_in_the_order_of_the_table(tmp_path: Path) -> None:
    clips = window_table({"a": 3, "b": 2, "c": 4, "d": 1})
    recording = clips["clip"].str[0]
    shards = [
        write(tmp_path / f"{number}.h5", clips[recording.isin(list(own))])
        for number, own in enumerate(["bd", "ac", ""])
    ]
    merge_stores(tmp_path / "whole.h5", shards, clips)
    with open_store(tmp_path / "whole.h5", expected=clips) as file:
        np.testing.assert_array_equal(file["embedding"], embeddings_of(clips))
        assert read_rows(file)["clip"].tolist() == clips["clip"].tolist()
        assert read_made_by(file) == MADE_BY


def test_merge_refuses_missing_foreign_and_mixed(tmp_path: Path) -> None:
    clips = window_table({"a": 2, "b": 2})
    a, b = clips[:2], clips[2:]
    first = write(tmp_path / "a.h5", a)
    with pytest.raises(StoreError, match="2 of 4 clips"):
        merge_stores(tmp_path / "w.h5", [first], clips)
    with pytest.raises(StoreError, match="not in the clip table"):
        merge_stores(tmp_path / "w.h5", [first, write(tmp_path / "x.h5", window_table({"x": 2}))], clips)
    with pytest.raises(StoreError, match="another teacher"):
        merge_stores(tmp_path / "w.h5", [first, write(tmp_path / "b.h5", b, {"model": "other"})], clips)
    assert not (tmp_path / "w.h5").exists()


def test_store_opens_where_a_lock_cannot_be_had(tmp_path: Path) -> None:
    """As on NFS and Lustre without locks; HDF5 by itself asks for one."""
    path = write(tmp_path / "s.h5", window_table({"a": 3}))
    script = """
import sys
from comodo.embeddings.store import open_store
with open_store(sys.argv[1]) as file:
    print(file["embedding"].shape)
"""
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = subprocess.run(
            [sys.executable, "-c", script, path], capture_output=True, text=True, check=False
        )
    assert done.stdout == "(3, 4)\n", done.stderr


def test_many_processes_read_one_store(tmp_path: Path) -> None:
    """All of them have it open at once."""
    path = write(tmp_path / "s.h5", window_table({"a": 3}))
    script = """
import sys
from comodo.embeddings.store import open_store
with open_store(sys.argv[1]) as file:
    print(file["embedding"].shape, flush=True)
    sys.stdin.read()
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    readers = [subprocess.Popen([sys.executable, "-c", script, path], **pipes) for _ in range(3)]
    assert [reader.stdout.readline() for reader in readers] == ["(3, 4)\n"] * 3
    for reader in readers:
        reader.communicate()
        assert reader.returncode == 0
