"""Embeddings made elsewhere: find those of a shard's clips in a user's HDF5 file."""

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

TOLERANCE_S: Final = 0.01  # between a clip's times and those in the file
TIMES: Final = ("recording", "start_s", "end_s")


def ready_identity(path: Path) -> dict[str, Any]:
    """Return what identifies a file of embeddings: its content."""
    return {"model": path.stem, "family": "embeddings", "content": file_digest(path)[:16]}


def read_ready(path: Path, pairs: pd.DataFrame) -> tuple[int, list[NDArray[np.float32]]]:
    """Find the embeddings of pairs in a file that was made elsewhere.

    The file holds `embedding` (N, D), any float, and which clips they are of: `clip` (N,), the ids of
    `results/<dataset>/clips.parquet`, or `recording`, `start_s` and `end_s` (N,), seconds from the first frame of the
    recording's video, as in the same table. Rows in any order; rows of other clips are ignored.

    Args:
        path: the HDF5 file, not compressed.
        pairs: M clips.

    Returns:
        D, and the embeddings in blocks (B, D) that together hold M rows, in the order of `pairs`.

    Raises:
        StoreError: no such file or columns, a clip without a row or with two, or a file that is not plain HDF5.
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
            f"{path} is no HDF5 file with plain, uncompressed arrays (numbers, and texts as h5py writes them): {error}"
        ) from error


def _rows(path: Path, file: h5py.File, pairs: pd.DataFrame) -> NDArray[np.int64]:
    """The row of each pair."""
    keys = ["clip"] if "clip" in file else list(TIMES)
    if missing := [key for key in keys if key not in file]:
        raise StoreError(
            f"{path} has neither `clip` nor all of {', '.join(TIMES)}: {missing[0]!r} is missing"
        )
    wrong = [key for key in keys if file[key].shape != file["embedding"].shape[:1]]
    if wrong:
        raise StoreError(
            f"{path}: {wrong[0]} has the shape {file[wrong[0]].shape}; it should have a row per embedding"
        )
    try:
        texts = file[keys[0]].asstr("utf-8")[:]
    except TypeError:
        raise StoreError(f"{path}: {keys[0]} holds numbers, not texts") from None
    except UnicodeDecodeError:
        raise StoreError(f"{path}: {keys[0]} holds texts that are not UTF-8") from None
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
            f"{path} has no embedding of {len(lacking)} of {len(pairs)} clips, first {lacking[0]!r}: add them, by the "
            "clip ids or times of clips.parquet"
        )
    return np.asarray(rows, dtype=np.int64)


def _check_times(path: Path, file: h5py.File, rows: list[int], pairs: pd.DataFrame) -> None:
    """Refuse rows whose clip ids fit but whose times, where the file has them, do not: of clips cut otherwise."""
    for key in ("start_s", "end_s"):
        if key in file:
            times = file[key][:]
            for clip, row in zip(pairs.itertuples(index=False), rows, strict=True):
                if row >= 0 and not abs(times[row] - getattr(clip, key)) <= TOLERANCE_S:
                    raise StoreError(
                        f"{path}: {key} of {clip.clip!r} (row {row}) is {times[row]}, but {getattr(clip, key)} in "
                        "clips.parquet: these are other clips of that name"
                    )


def _by_time(
    recordings: NDArray[Any], start: NDArray[Any], end: NDArray[Any], pairs: pd.DataFrame
) -> tuple[list[int], pd.Series[str]]:
    """Rows of pairs by recording and time, −1 for none; and the clips that two rows could be of."""
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
        with np.errstate(over="ignore"):  # beyond float32: infinite
            block = np.asarray(embeddings[first : first + stop - begin], dtype=np.float32)
        if not (finite := np.isfinite(block).all(axis=1)).all():
            raise StoreError(f"{path}: embedding {first + int(finite.argmin())} is not finite in float32")
        if not (filled := block.any(axis=1)).all():
            raise StoreError(
                f"{path}: embedding {first + int(filled.argmin())} is all zeros: was that row written?"
            )
        yield block
