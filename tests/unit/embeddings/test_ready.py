"""Embeddings made elsewhere, found by clip id or by time."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from comodo.embeddings.ready import read_ready, ready_identity
from comodo.errors import StoreError
from tests.support.tables import window_table

PAIRS = window_table({"a": 3, "b": 2})
EMBEDDINGS = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "clips.h5"


def write(
    path: Path, order: list[int] | None = None, by_time: bool = False, shift: float = 0.0, **more: object
) -> Path:
    rows = PAIRS.iloc[order if order is not None else range(5)]
    with h5py.File(path, "w") as file:
        file["embedding"] = EMBEDDINGS[rows.index]
        if by_time:
            file["recording"] = list(rows["recording"])
            file["start_s"], file["end_s"] = rows["start_s"] + shift, rows["end_s"] + shift
        else:
            file["clip"] = list(rows["clip"])
        for name, values in more.items():
            if name in file:
                del file[name]
            file[name] = values
    return path


def found(path: Path, pairs: pd.DataFrame = PAIRS) -> np.ndarray:
    dim, blocks = read_ready(path, pairs)
    values = np.concatenate(blocks)
    assert values.shape == (len(pairs), dim)
    assert values.dtype == np.float32
    return values


@pytest.mark.parametrize("by_time", [False, True])
@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 2, 0, 3, 1], [3, 4, 0, 1, 2]])
def test_rows_in_any_order(path: Path, order: list[int], by_time: bool) -> None:
    np.testing.assert_array_equal(found(write(path, order, by_time)), EMBEDDINGS)


@pytest.mark.parametrize("by_time", [False, True])
def test_rows_of_other_clips_are_ignored(path: Path, by_time: bool) -> None:
    np.testing.assert_array_equal(found(write(path, by_time=by_time), PAIRS.iloc[[3, 1]]), EMBEDDINGS[[3, 1]])


@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_other_floats(path: Path, kind: type) -> None:
    write(path, embedding=EMBEDDINGS.astype(kind))
    np.testing.assert_array_equal(found(path), EMBEDDINGS.astype(kind).astype(np.float32))


def test_times_that_are_rounded(path: Path) -> None:
    np.testing.assert_array_equal(found(write(path, by_time=True, shift=1e-7)), EMBEDDINGS)
    np.testing.assert_array_equal(found(write(path, by_time=True, shift=0.009)), EMBEDDINGS)


def test_times_that_are_off(path: Path) -> None:
    with pytest.raises(StoreError, match=r"has no embedding of 5 of 5 clips, first 'a#00000'"):
        found(write(path, by_time=True, shift=0.05))


@pytest.mark.parametrize("by_time", [False, True])
@pytest.mark.parametrize(
    ("order", "message"),
    [
        ([0, 1, 2, 4], r"has no embedding of 1 of 5 clips, first 'b#00000': add them"),
        ([0, 1, 2, 3, 4, 1], r"has two rows of 'a#00001': keep one"),
    ],
)
def test_missing_and_double_rows(path: Path, order: list[int], message: str, by_time: bool) -> None:
    with pytest.raises(StoreError, match=message):
        found(write(path, order, by_time))


def test_other_columns(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["features"] = EMBEDDINGS
    with pytest.raises(StoreError, match=r"has no array 'embedding'; it has features"):
        found(path)
    write(path)
    with h5py.File(path, "a") as file:
        del file["clip"]
        file["recording"] = list(PAIRS["recording"])
    with pytest.raises(
        StoreError, match=r"neither `clip` nor all of recording, start_s, end_s: 'start_s' is missing"
    ):
        found(path)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"embedding": EMBEDDINGS[0]}, r"embedding has the shape \(4,\); it should be \(N, D\)"),
        ({"embedding": EMBEDDINGS[None]}, r"embedding has the shape \(1, 5, 4\)"),
        ({"embedding": EMBEDDINGS[:3]}, r"clip has the shape \(5,\); it should have a row per embedding"),
        ({"clip": np.arange(5)}, "clip holds numbers, not texts"),
        ({"embedding": EMBEDDINGS.astype(np.int32)}, "embedding holds int32, not floats"),
        ({"embedding": np.where(EMBEDDINGS[3, 1] == EMBEDDINGS, np.nan, EMBEDDINGS)}, "not finite"),
        ({"embedding": EMBEDDINGS[:, :0]}, r"embedding has the shape \(5, 0\)"),
    ],
)
def test_arrays_of_another_kind(path: Path, more: dict[str, object], message: str) -> None:
    with pytest.raises(StoreError, match=message):
        found(write(path, **more))


def compressed(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("embedding", data=EMBEDDINGS, compression="gzip")
        file["clip"] = list(PAIRS["clip"])


def linked(path: Path) -> None:
    write(path.with_name("other.h5"))
    with h5py.File(path, "w") as file:
        file["embedding"] = h5py.ExternalLink("other.h5", "embedding")
        file["clip"] = list(PAIRS["clip"])


def no_hdf5(path: Path) -> None:
    path.write_text("clip,embedding\n")


def fifo(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("make", [compressed, linked, no_hdf5, fifo])
def test_files_of_another_kind(path: Path, make: Callable[[Path], None]) -> None:
    make(path)
    with pytest.raises(StoreError, match=r"clips.h5") as caught:
        found(path)
    assert "\n" not in str(caught.value)


def test_no_file(path: Path) -> None:
    with pytest.raises(StoreError, match=r"clips.h5 does not exist"):
        found(path)


def test_the_identity_is_the_content(path: Path) -> None:
    one = ready_identity(write(path))
    assert ready_identity(write(path, [4, 2, 0, 3, 1])) != one
    assert one["family"] == "embeddings"
