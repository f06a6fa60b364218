"""User-provided embeddings: read the embeddings of a shard's clips from an HDF5 file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from comodo.embeddings.store import row_runs
from comodo.errors import DamageError, StoreError
from comodo.storage.artefacts import file_digest, open_hdf5

TOLERANCE_S: Final = 0.01  # maximum difference between a clip's times and those in the file, s
TIMES: Final = ("recording", "start_s", "end_s")


def ready_identity(path: Path) -> dict[str, Any]:
    """Return the identity of a file of embeddings, with a digest of its content."""
    return {"model": path.stem, "family": "embeddings", "content": file_digest(path)[:16]}


def read_ready(path: Path, pairs: pd.DataFrame) -> tuple[int, list[NDArray[np.float32]]]:
    """Read the embeddings of pairs from a user-provided file.

    The file has `embedding` (N, D), of any float dtype, and arrays that identify the clips. These are either `clip`
    (N,), the ids in `results/<dataset>/clips.parquet`, or `recording`, `start_s` and `end_s` (N,). Times are as in
    that table, in seconds from the first frame of the recording's video. Rows may be in any order, and rows of other
    clips are ignored.

    Args:
        path: the HDF5 file, not compressed.
        pairs: M clips.

    Returns:
        D, and the embeddings as blocks (B, D) with M rows in total, in the order of `pairs`.

    Raises:
        StoreError: if the file or an array is missing, a clip has no row or two rows, or the file is not plain HDF5.
    """
    try:
        with open_hdf5(path) as file:
            if "embedding" not in file:
                raise StoreError(
                    f"{path} has no array 'embedding'; it has {', '.join(sorted(file)) or 'none'}"
                )
            for name in ("embedding", "clip", *TIMES):
                if name in file and not isinstance(file[name], h5py.Dataset):
                    raise StoreError(f"{path}: {name} is a group, not an array")
            embeddings = file["embedding"]
            if embeddings.ndim != 2 or embeddings.shape[1] == 0:
                raise StoreError(f"{path}: embedding has the shape {embeddings.shape}; it should be (N, D)")
            if embeddings.dtype.kind != "f":
                raise StoreError(f"{path}: embedding holds {embeddings.dtype}, not floats")
            rows = _rows(path, file, pairs)
            return embeddings.shape[1], list(_blocks(path, embeddings, rows))
    except FileNotFoundError:
        raise StoreError(f"{path} does not exist") from None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}") from None
    except DamageError as error:
        raise StoreError(
            f"{path} is not an HDF5 file with uncompressed arrays of numbers and h5py strings: {error}"
        ) from error


def _rows(path: Path, file: h5py.File, pairs: pd.DataFrame) -> NDArray[np.int64]:
    """Return the row of each pair."""
    keys = ["clip"] if "clip" in file else list(TIMES)
    if missing := [key for key in keys if key not in file]:
        raise StoreError(
            f"{path} has neither `clip` nor all of {', '.join(TIMES)}: {missing[0]!r} is missing"
        )
    wrong = [key for key in keys if file[key].shape != file["embedding"].shape[:1]]
    if wrong:
        raise StoreError(
            f"{path}: {wrong[0]} has the shape {file[wrong[0]].shape}; it should have one row per embedding"
        )
    try:
        texts = file[keys[0]].asstr("utf-8")[:]
    except TypeError:
        raise StoreError(f"{path}: {keys[0]} holds numbers, not strings") from None
    except UnicodeDecodeError:
        raise StoreError(f"{path}: {keys[0]} holds strings that are not UTF-8") from None
    for key in ("start_s", "end_s"):
        if key in file and (file[key].dtype.kind not in "fiu" or file[key].shape != texts.shape):
            raise StoreError(
                f"{path}: {key} holds {file[key].dtype} {file[key].shape}; it should be seconds, one per row"
            )
    if keys == ["clip"]:
        found = {text: row for row, text in enumerate(texts)}
        rows = [found.get(clip, -1) for clip in pairs["clip"]]
        twice = pd.Series(texts)[pd.Series(texts).duplicated()]
        twice = twice[twice.isin(pairs["clip"])]
        _check_times(path, file, rows, pairs)
    else:
        rows, twice = _by_time(texts, file["start_s"][:], file["end_s"][:], pairs)
    if len(twice):
        raise StoreError(f"{path} has two rows of {twice.iloc[0]!r}: keep one")
    lacking = [clip for clip, row in zip(pairs["clip"], rows, strict=True) if row < 0]
    if lacking:
        raise StoreError(
            f"{path} has no embedding of {len(lacking)} of {len(pairs)} clips, first {lacking[0]!r}: add them with "
            "the clip ids or times of clips.parquet"
        )
    return np.asarray(rows, dtype=np.int64)


def _check_times(path: Path, file: h5py.File, rows: list[int], pairs: pd.DataFrame) -> None:
    """Raise `StoreError` if the file has times and those of a clip id differ, as for clips of another length."""
    for key in ("start_s", "end_s"):
        if key in file:
            times = file[key][:]
            for clip, row in zip(pairs.itertuples(index=False), rows, strict=True):
                if row >= 0 and not abs(times[row] - getattr(clip, key)) <= TOLERANCE_S:
                    raise StoreError(
                        f"{path}: {key} of {clip.clip!r} (row {row}) is {times[row]}, but {getattr(clip, key)} in "
                        "clips.parquet: the embeddings are of other clips with the same ids"
                    )


def _by_time(
    recordings: NDArray[Any], start: NDArray[Any], end: NDArray[Any], pairs: pd.DataFrame
) -> tuple[list[int], pd.Series[str]]:
    """Return the row of each pair by recording and time, −1 if none matches, and the clips with two matches."""
    places: dict[str, list[int]] = {}
    for row, recording in enumerate(recordings):
        places.setdefault(recording, []).append(row)
    rows, twice = [], []
    for clip in pairs.itertuples(index=False):
        own = np.asarray(places.get(str(clip.recording), []), dtype=np.int64)
        near = own[
            (np.abs(start[own] - clip.start_s) <= TOLERANCE_S)
            & (np.abs(end[own] - clip.end_s) <= TOLERANCE_S)
        ]
        rows.append(int(near[0]) if len(near) else -1)
        if len(near) > 1:
            twice.append(str(clip.clip))
    return rows, pd.Series(twice, dtype=object)


def _blocks(path: Path, embeddings: h5py.Dataset, rows: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
    for begin, stop in row_runs(rows):
        first = int(rows[begin])
        with np.errstate(over="ignore"):  # values outside of float32 become infinite
            block = np.asarray(embeddings[first : first + stop - begin], dtype=np.float32)
        if not (finite := np.isfinite(block).all(axis=1)).all():
            raise StoreError(f"{path}: embedding {first + int(finite.argmin())} is not finite in float32")
        if not (filled := block.any(axis=1)).all():
            raise StoreError(
                f"{path}: embedding {first + int(filled.argmin())} is all zeros: was that row written?"
            )
        yield block
