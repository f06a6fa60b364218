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
    np.testing.assert_array_equal(
        found(write(path, by_time=True, start_s=np.float32(PAIRS["start_s"] + 1e-9))), EMBEDDINGS
    )


def test_times_that_are_whole_numbers(path: Path) -> None:
    whole = {key: PAIRS[key].to_numpy().astype(np.int64) for key in ("start_s", "end_s")}
    np.testing.assert_array_equal(found(write(path, by_time=True, **whole)), EMBEDDINGS)


@pytest.mark.parametrize("key", ["start_s", "end_s"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, 5.02, 1e9])
def test_one_time_that_is_off_is_a_row_that_is_missing(path: Path, key: str, value: float) -> None:
    """Never the row of another clip."""
    times = PAIRS[key].to_numpy(copy=True)
    times[1] += value
    with pytest.raises(StoreError, match=r"has no embedding of 1 of 5 clips, first 'a#00001'"):
        found(write(path, by_time=True, **{key: times}))


def test_clips_of_the_same_names_that_were_cut_otherwise(path: Path) -> None:
    """Ids alone cannot tell; times beside them can."""
    write(path, start_s=PAIRS["start_s"] + 0.001, end_s=PAIRS["end_s"])
    np.testing.assert_array_equal(found(path), EMBEDDINGS)
    write(path, start_s=PAIRS["start_s"], end_s=PAIRS["end_s"] + 2.5)
    with pytest.raises(
        StoreError,
        match=r"end_s of 'a#00000' \(row 0\) is .*, but .* in clips.parquet: the embeddings are of other",
    ):
        found(path)


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
        ({"embedding": EMBEDDINGS[:3]}, r"clip has the shape \(5,\); it should have one row per embedding"),
        ({"clip": np.arange(5)}, "clip holds numbers, not strings"),
        ({"embedding": EMBEDDINGS.astype(np.int32)}, "embedding holds int32, not floats"),
        ({"embedding": np.where(EMBEDDINGS[3, 1] == EMBEDDINGS, np.nan, EMBEDDINGS)}, "not finite"),
        ({"embedding": EMBEDDINGS[:, :0]}, r"embedding has the shape \(5, 0\)"),
        ({"embedding": EMBEDDINGS[:0], "clip": np.array([], dtype="S8")}, "has no embedding of 5 of 5 clips"),
        ({"embedding": EMBEDDINGS.astype(complex)}, "embedding"),
        ({"embedding": EMBEDDINGS.astype(np.float64) * 1e60}, r"embedding 0 is not finite in float32"),
        (
            {"embedding": EMBEDDINGS * (np.arange(5) != 3)[:, None]},
            r"embedding 3 is all zeros: was that row written\?",
        ),
        ({"embedding": np.float32(5)}, r"embedding has the shape \(\)"),
        ({"embedding": [b"x"] * 5}, r"embedding has the shape \(5,\)"),
        ({"clip": np.array([b"\xff\xfe"] * 5)}, r"clip holds strings that are not UTF-8"),
        ({"clip": np.array(list(PAIRS["clip"]))[:, None].astype("S8")}, r"clip has the shape \(5, 1\)"),
        (
            {"clip": np.array([name[:-1] for name in PAIRS["clip"]], dtype="S8")},
            "has no embedding of 5 of 5 clips",
        ),
        ({"start_s": np.array([b"0"] * 5)}, r"start_s holds \|S1 \(5,\); it should be seconds, one per row"),
        ({"start_s": np.zeros(3)}, r"start_s holds float64 \(3,\); it should be seconds, one per row"),
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


def softly(path: Path) -> None:
    write(path)
    with h5py.File(path, "a") as file:
        file["more"] = h5py.SoftLink("/embedding")


def elsewhere(path: Path) -> None:
    write(path)
    with h5py.File(path, "a") as file:
        del file["embedding"]
        raw = path.with_name("raw")
        raw.write_bytes(EMBEDDINGS.tobytes())
        file.create_dataset("embedding", (5, 4), np.float32, external=[(str(raw), 0, 80)])


def virtual(path: Path) -> None:
    write(path.with_name("other.h5"))
    layout = h5py.VirtualLayout((5, 4), np.float32)
    layout[:] = h5py.VirtualSource(str(path.with_name("other.h5")), "embedding", (5, 4))
    write(path)
    with h5py.File(path, "a") as file:
        del file["embedding"]
        file.create_virtual_dataset("embedding", layout)


def grouped(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_group("embedding")
        file["clip"] = list(PAIRS["clip"])


def grouped_clips(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["embedding"] = EMBEDDINGS
        file.create_group("clip")


def empty(path: Path) -> None:
    path.touch()


def truncated(path: Path) -> None:
    write(path)
    path.write_bytes(path.read_bytes()[:-200])


def folder(path: Path) -> None:
    path.mkdir()


def no_hdf5(path: Path) -> None:
    path.write_text("clip,embedding\n")


def fifo(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    "make",
    [
        compressed,
        linked,
        softly,
        elsewhere,
        virtual,
        grouped,
        grouped_clips,
        empty,
        truncated,
        folder,
        no_hdf5,
        fifo,
    ],
)
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


def test_rows_twice_of_another_clip_do_not_matter(path: Path) -> None:
    write(path, [0, 1, 2, 3, 4, 1])
    np.testing.assert_array_equal(found(path, PAIRS.iloc[[0, 3]]), EMBEDDINGS[[0, 3]])


def test_texts_of_any_width(path: Path) -> None:
    """As h5py writes lists of str, beside those of fixed width, and ids beyond ASCII."""
    pairs = PAIRS.assign(clip=[f"Küche {n}#0" for n in range(5)])
    for kind in (h5py.string_dtype(), "S20"):
        write(path, clip=np.array([name.encode() for name in pairs["clip"]], dtype=kind))
        np.testing.assert_array_equal(found(path, pairs), EMBEDDINGS)
