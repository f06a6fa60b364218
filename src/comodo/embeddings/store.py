"""The embedding store: pooled teacher embeddings of a dataset's clips, one HDF5 file, with what made it.

A store (and each shard of one) holds the rows of one clip table in its order:

    embedding   (N, D) float32   as it leaves the teacher, before any projection
    clip        (N,)   str       clip ids
    label       (N,)   str
    split       (N,)   str

Its attributes say what made it: the teacher, its preprocessing, and the digest of the clip table; and the checksum of
the embeddings. Files are opened read-only where they are used and closed again; a reader that finds another digest than
it expects, or other bytes, refuses.
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
BLOCK = 4096  # rows read at once
MAPPED_ROWS = 256  # rows mapped at once: with a scattered row come 64 kB of its neighbours
IDENTITY_COLUMNS = ["clip", "label", "split", "start_s", "end_s", "first_frame", "n_frames"]


def clips_digest(pairs: pd.DataFrame) -> str:
    """Return the digest of the columns of pairs that an embedding depends on."""
    text = pairs[IDENTITY_COLUMNS].to_csv(index=False, float_format="%.6f")
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
        path: the HDF5 file; it appears only when it is whole.
        pairs: the clips, N rows.
        dim: width D of the embeddings.
        batches: arrays (B, D) that together hold N rows, in the table's order.
        made_by: what made the embeddings; stored as attributes beside `clips_digest`.
        videos: digest of the videos that were encoded, where that is known.

    Raises:
        StoreError: when the batches hold another number of rows, or a value that is not finite.
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
    """Return whether a whole store of these pairs and videos, by the same teacher, is there already."""
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

    Raises:
        DamageError: when the file is not a whole store, or its embeddings are not those that were written.
        StoreError: when it was made from another clip table than `expected`.
    """
    with open_hdf5(path) as file:
        found = str(file.attrs["clips_digest"])
        if "checksum" in file.attrs and file.attrs["checksum"] != _checksum(file["embedding"]):
            raise DamageError(path, "its embeddings have another checksum than was written")
        if expected is not None and found != (wanted := clips_digest(expected)):
            raise StoreError(
                f"{path} was made from another clip table (digest {found}, expected {wanted}): delete it and run again"
            )
        yield file


def mapped(file: h5py.File) -> NDArray[np.float32]:
    """The embeddings (N, D) of an open store as a read-only memory map: a random batch costs its own rows only.

    HDF5 finds scattered rows about ten times slower; the array lies in one piece, so the map can do without. What was
    read counts as this process's memory as long as the array lives.

    Raises:
        StoreError: when the store is empty, or its array in pieces (written by something else).
    """
    embeddings = file["embedding"]
    offset = embeddings.id.get_offset()
    if offset is None:
        raise StoreError(f"{file.filename}: the embeddings do not lie in one piece: delete it and run again")
    pages = mmap.mmap(file.id.get_vfd_handle(), 0, access=mmap.ACCESS_READ)
    return np.ndarray(embeddings.shape, np.float32, pages, offset)


def read_embeddings(file: h5py.File, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Rows (n, D) of the embeddings of an open store, mapped anew for each block of them: the map keeps no memory."""
    blocks = np.split(rows, range(MAPPED_ROWS, len(rows), MAPPED_ROWS))
    return np.concatenate([mapped(file)[block] for block in blocks])


def read_rows(file: h5py.File) -> pd.DataFrame:
    """The columns clip, label, split of a store, in its order."""
    return pd.DataFrame({column: file[column].asstr()[:] for column in TEXT_COLUMNS})


def merge_stores(path: Path, shards: Iterable[Path], pairs: pd.DataFrame, strict: bool = False) -> None:
    """Merge shard stores into one that has the rows of `pairs` in their order.

    Rows move in runs (a recording's clips lie side by side in both), so memory does not depend on N.

    Shards that were made with different versions of a package (`comodo.storage.packages`) are merged with a warning.

    Args:
        path: the HDF5 file to write.
        shards: the shard stores.
        pairs: of the whole dataset.
        strict: refuse different versions.

    Raises:
        StoreError: when a clip is missing, shards were made by different teachers, or (`strict`) with other packages.
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
                    said = f"{first} and {shard_path} were made with {differing}: their numbers may differ"
                    if strict:
                        raise StoreError(f"{said}; delete one of them, or set strict: false")
                    log.warning("%s", said)
                if shard.attrs["made_by"] != file.attrs["made_by"]:
                    raise StoreError(
                        f"{shard_path} was made by another teacher than the other shards: delete it"
                    )
                rows = place.reindex(shard["clip"].asstr()[:]).to_numpy()
                if np.isnan(rows).any():
                    raise StoreError(
                        f"{shard_path} holds clips that are not in the clip table: delete it and run again"
                    )
                for start, stop in row_runs(rows.astype(int)):
                    target = int(rows[start])
                    file["embedding"][target : target + stop - start] = shard["embedding"][start:stop]
                filled += len(rows)
        if filled != len(pairs):
            raise StoreError(f"{path}: the shards hold {filled} of {len(pairs)} clips")
        _describe(file, pairs)


def _describe(file: h5py.File, pairs: pd.DataFrame) -> None:
    """Write beside the embeddings of a store which clips they are of, and their checksum."""
    for column in TEXT_COLUMNS:
        write_texts(file, column, pairs[column])
    file.attrs["clips_digest"] = clips_digest(pairs)
    file.attrs["checksum"] = _checksum(file["embedding"])


def _checksum(embeddings: h5py.Dataset) -> int:
    """CRC-32 of the embeddings in their order, read in blocks; HDF5's own would cost random reads dearly."""
    checksum = 0
    for start in range(0, len(embeddings), BLOCK):
        checksum = zlib.crc32(embeddings[start : start + BLOCK], checksum)
    return checksum


def row_runs(rows: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Slices [start, stop) in which `rows` counts up by one."""
    edges = np.flatnonzero(np.diff(rows) != 1) + 1
    bounds = [0, *edges.tolist(), len(rows)]
    return ((start, stop) for start, stop in pairwise(bounds) if stop > start)
