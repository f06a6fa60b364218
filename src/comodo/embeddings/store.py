"""Embedding store: pooled teacher embeddings of a dataset's clips and their provenance, in one HDF5 file.

A store, and each of its shards, holds the rows of one clip table in the same order:

    embedding   (N, D) float32   output of the teacher, before any projection
    clip        (N,)   str       clip ids
    label       (N,)   str
    split       (N,)   str

Its attributes hold the teacher, its preprocessing, the digest of the clip table, and the checksum of the embeddings.
Readers open files read-only, and raise an error if the digest or the checksum does not match.
"""

from __future__ import annotations

import hashlib
import json
import logging
import mmap
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from comodo.errors import DamageError, StoreError
from comodo.storage.artefacts import create_hdf5, open_hdf5, write_texts
from comodo.storage.packages import package_versions, version_differences

log = logging.getLogger(__name__)

TEXT_COLUMNS = ("clip", "label", "split")
BLOCK = 4096  # rows per read
MAPPED_ROWS = 256  # rows per memory map: a scattered row also loads 64 kB of adjacent rows
IDENTITY_COLUMNS = ["clip", "label", "split", "start_s", "end_s", "first_frame", "n_frames"]


def clips_digest(pairs: pd.DataFrame) -> str:
    """Return a digest of the columns of pairs that determine the embeddings."""
    # a store is shared by all folds, and made with the splits that the recordings are listed under
    listed = pairs.assign(split=pairs["listed_split"]) if "listed_split" in pairs else pairs
    text = listed[IDENTITY_COLUMNS].to_csv(index=False, float_format="%.6f")
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_store(
    path: Path,
    pairs: pd.DataFrame,
    dim: int,
    batches: Iterable[NDArray[np.float32]],
    made_by: Mapping[str, Any],
    videos: str = "",
) -> None:
    """Write a store from a stream of embedding batches.

    Args:
        path: the HDF5 file; it is created only when it is complete.
        pairs: the clips, N rows.
        dim: D, width of the embeddings.
        batches: arrays (B, D) with N rows in total, in the order of `pairs`.
        made_by: identity of the teacher; stored as an attribute.
        videos: digest of the encoded videos; "" if unknown.

    Raises:
        StoreError: if the number of rows is not N, or a value is not finite.
    """
    with create_hdf5(path) as file:
        target = file.create_dataset("embedding", (len(pairs), dim), "float32")
        row = 0
        for batch in batches:
            if row + len(batch) > len(pairs):
                raise StoreError(f"{path}: more embeddings than the {len(pairs)} clips")
            if not np.isfinite(batch).all():
                clip = pairs["clip"].iloc[row + int(np.argmin(np.isfinite(batch).all(axis=1)))]
                raise StoreError(f"{path}: the embedding of clip {clip} is not finite")
            target[row : row + len(batch)] = batch
            row += len(batch)
        if row != len(pairs):
            raise StoreError(f"{path}: {row} embeddings for {len(pairs)} clips")
        _describe(file, pairs)
        file.attrs["made_by"] = json.dumps(dict(made_by), sort_keys=True)
        file.attrs["packages"] = json.dumps(package_versions())
        if videos:
            file.attrs["videos"] = videos


def is_encoded(path: Path, pairs: pd.DataFrame, made_by: Mapping[str, Any], videos: str) -> bool:
    """Return whether a valid store of these pairs, these videos and this teacher exists."""
    if not path.exists():
        return False
    try:
        with open_store(path, expected=pairs) as file:
            same = file.attrs["made_by"] == json.dumps(dict(made_by), sort_keys=True)
            return bool(same and file.attrs.get("videos") == videos)
    except (DamageError, StoreError):
        return False


@contextmanager
def open_store(path: Path, expected: pd.DataFrame | None = None) -> Iterator[h5py.File]:
    """Open a store read-only.

    Args:
        path: the HDF5 file.
        expected: pairs that the store must be of; None: any.

    Raises:
        DamageError: if the file is incomplete, or the checksum of its embeddings does not match.
        StoreError: if the store is of another clip table than `expected`.
    """
    with open_hdf5(path) as file:
        found = str(file.attrs["clips_digest"])
        if "checksum" in file.attrs and file.attrs["checksum"] != _checksum(file["embedding"]):
            raise DamageError(path, "checksum mismatch of its embeddings")
        if expected is not None and found != (wanted := clips_digest(expected)):
            raise StoreError(
                f"{path} was made from another clip table (digest {found}, expected {wanted}): delete it and run again"
            )
        yield file


def mapped(file: h5py.File) -> NDArray[np.float32]:
    """Return the embeddings (N, D) of an open store as a read-only memory map.

    A random batch reads only its own rows, about ten times faster than with HDF5. The array must be contiguous. Pages
    that were read count as memory of the process as long as the array exists.

    Raises:
        StoreError: if the store is empty, or its array is not contiguous because comodo did not write it.
    """
    embeddings = file["embedding"]
    offset = embeddings.id.get_offset()
    if offset is None:
        raise StoreError(f"{file.filename}: the embeddings are not contiguous: delete the file and run again")
    pages = mmap.mmap(file.id.get_vfd_handle(), 0, access=mmap.ACCESS_READ)
    return np.ndarray(embeddings.shape, np.float32, pages, offset)


def read_embeddings(file: h5py.File, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return rows (n, D) of the embeddings of an open store. Each block has a new map, which frees the memory."""
    blocks = np.split(rows, range(MAPPED_ROWS, len(rows), MAPPED_ROWS))
    return np.concatenate([mapped(file)[block] for block in blocks])


def read_rows(file: h5py.File) -> pd.DataFrame:
    """Return the columns clip, label and split of a store."""
    return pd.DataFrame({column: file[column].asstr()[:] for column in TEXT_COLUMNS})


def merge_stores(path: Path, shards: Iterable[Path], pairs: pd.DataFrame, strict: bool = False) -> None:
    """Merge shard stores into one store, with its rows in the order of `pairs`.

    Rows are copied in contiguous runs, so memory does not depend on N. If shards were made with different versions of
    a package (`comodo.storage.packages`), a warning is logged.

    Args:
        path: the HDF5 file to write.
        shards: the shard stores.
        pairs: pairs of the dataset.
        strict: raise an error for different package versions.

    Raises:
        StoreError: if a clip is missing, teachers differ, or package versions differ with `strict`.
    """
    place = pd.Series(np.arange(len(pairs)), index=pairs["clip"])
    filled = 0
    with create_hdf5(path) as file:
        for shard_path in shards:
            with open_store(shard_path) as shard:
                if "embedding" not in file:
                    width = shard["embedding"].shape[1]
                    file.create_dataset("embedding", (len(pairs), width), "float32")
                    file.attrs["made_by"] = shard.attrs["made_by"]
                    packages, first = json.loads(shard.attrs.get("packages", "{}")), shard_path
                    file.attrs["packages"] = json.dumps(packages)
                own = json.loads(shard.attrs.get("packages", "{}"))
                if differing := version_differences(packages, own):
                    said = f"{first} and {shard_path} were made with {differing}: their values may differ"
                    if strict:
                        raise StoreError(f"{said}; delete one of them, or set strict: false")
                    log.warning("%s", said)
                if shard.attrs["made_by"] != file.attrs["made_by"]:
                    raise StoreError(
                        f"{shard_path} is from another teacher than the other shards: delete it and run again"
                    )
                rows = place.reindex(shard["clip"].asstr()[:]).to_numpy()
                if np.isnan(rows).any():
                    raise StoreError(
                        f"{shard_path} has clips that are not in the clip table: delete it and run again"
                    )
                for start, stop in row_runs(rows.astype(int)):
                    target = int(rows[start])
                    file["embedding"][target : target + stop - start] = shard["embedding"][start:stop]
                filled += len(rows)
        if filled != len(pairs):
            raise StoreError(f"{path}: the shards have only {filled} of {len(pairs)} clips")
        _describe(file, pairs)


def _describe(file: h5py.File, pairs: pd.DataFrame) -> None:
    """Write the clips and the checksum of a store's embeddings."""
    for column in TEXT_COLUMNS:
        write_texts(file, column, pairs[column])
    file.attrs["clips_digest"] = clips_digest(pairs)
    file.attrs["checksum"] = _checksum(file["embedding"])


def _checksum(embeddings: h5py.Dataset) -> int:
    """Return the CRC-32 of the embeddings, read in blocks. HDF5's own checksums would slow down random reads."""
    checksum = 0
    for start in range(0, len(embeddings), BLOCK):
        checksum = zlib.crc32(embeddings[start : start + BLOCK], checksum)
    return checksum


def row_runs(rows: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Return the slices [start, stop) in which `rows` increases by one."""
    edges = np.flatnonzero(np.diff(rows) != 1) + 1
    bounds = [0, *edges.tolist(), len(rows)]
    return ((start, stop) for start, stop in pairwise(bounds) if stop > start)
