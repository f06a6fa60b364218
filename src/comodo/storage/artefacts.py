"""Reading what an earlier stage wrote: parquet tables, HDF5 files, folders of weights. Damage is noticed and named.

A disk, a copy or a hand can damage a file between two runs. Tables carry checksums of their pages, HDF5 arrays of
their chunks, folders of weights a list of digests (`sha256sum --check SHA256SUMS`).
"""

from __future__ import annotations

import glob
import hashlib
import io
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar

from comodo.errors import ComodoError, DamageError, ModelError
from comodo.storage.files import atomic
from comodo.storage.hdf5 import checked_hdf5, damage_of
from comodo.storage.regular import check_regular, open_regular, read_bytes, read_text
from comodo.text import first_line

if TYPE_CHECKING:
    import h5py
    import pandas as pd
    from numpy.typing import NDArray

T = TypeVar("T")
SUMS: Final = "SHA256SUMS"
SUM: Final = re.compile(r"([0-9a-fA-F]{64}) [ *](?!/)(.+)")
MOST_SUMS: Final = 1 << 20
"""Bytes of a `SHA256SUMS`."""
PAUSE_S: Final = 1.0
"""Before a folder is read again that was just being replaced; a step takes milliseconds."""
CHECKED: Final[dict[str, Any]] = {"fletcher32": True}
"""Arguments of `create_dataset` for an array whose chunks carry checksums, which HDF5 looks at when it reads them."""


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a parquet table whole or not at all."""
    with atomic(path) as partial:
        table.to_parquet(partial, index=False, write_page_checksum=True)


def read_table(path: Path | str) -> pd.DataFrame:
    """Read a parquet table; raises `DamageError`."""
    import pandas as pd

    try:
        check_regular(Path(path))  # of a folder pandas would read the tables in it
        return pd.read_parquet(path, page_checksum_verification=True)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:  # pyarrow's errors are both
        raise DamageError(Path(path), error) from None


def read_tables(paths: Sequence[Path | str]) -> pd.DataFrame:
    """Several parquet tables as one."""
    import pandas as pd

    return pd.concat([read_table(path) for path in paths], ignore_index=True)


@contextmanager
def open_hdf5(path: Path | str) -> Iterator[h5py.File]:
    """Open an HDF5 file read-only; what turns out damaged or missing in it within the block raises `DamageError`."""
    with checked_hdf5(path) as file, damage_of(path):
        yield file


@contextmanager
def new_file(path: Path | str) -> Iterator[IO[bytes]]:
    """Open a file for a library that crashes when the disk is full; the file appears complete or not at all."""
    with atomic(path) as partial, _Disk(partial, "w+b") as disk:
        try:
            yield disk  # type: ignore[misc]
        finally:
            if disk.error is not None:
                raise disk.error


@contextmanager
def create_hdf5(path: Path | str) -> Iterator[h5py.File]:
    """Write an HDF5 file whole or not at all; raises `WriteError`."""
    import h5py

    with new_file(path) as disk, h5py.File(disk, "w") as file:
        yield file


class _Disk(io.FileIO):
    """A file that takes everything, keeps the disk's first refusal to itself, and writes nothing after it.

    HDF5 cannot close a file whose last blocks the disk refuses: it leaves it open, and crashes the process later. torch
    says that the position is unexpected.
    """

    error: OSError | None = None

    def write(self, data: Any) -> int:
        view = memoryview(data)
        try:
            while self.error is None and len(view):
                view = view[super().write(view) :]
        except OSError as error:
            self.error = error
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size or 0

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        if self.error is not None:  # what was not written cannot be read
            view[:] = bytes(len(view))
            return len(view)
        return super().readinto(buffer)


def write_array(group: h5py.Group, name: str, values: NDArray[Any]) -> None:
    """Write an array whose chunks carry checksums."""
    checked = {"chunks": True, **CHECKED} if values.size else {}
    group.create_dataset(name, data=values, **checked)


def write_texts(group: h5py.Group, name: str, texts: Iterable[str]) -> None:
    """Write texts as an array of fixed width, so that it carries checksums; HDF5 has none for texts of any width."""
    import h5py
    import numpy as np

    encoded = [text.encode() for text in texts]
    width = max((len(text) for text in encoded), default=0) or 1
    write_array(group, name, np.array(encoded, dtype=h5py.string_dtype("utf-8", width)))


def read_json(path: Path) -> Any:
    """Read a JSON artefact; raises `DamageError` where it is none."""
    try:
        return json.loads(read_bytes(path))
    except (OSError, ValueError) as error:
        raise DamageError(path, error) from None


def write_sums(folder: Path) -> None:
    """List the digests of the files of a folder in its `SHA256SUMS`."""
    lines = [f"{file_digest(file)}  {file.name}\n" for file in sorted(folder.iterdir()) if file.name != SUMS]
    (folder / SUMS).write_text("".join(lines))


def check_sums(folder: Path) -> None:
    """Compare the files of a folder with its `SHA256SUMS`, where there is one; raises `DamageError`.

    A file that is not listed is refused as well, since a library may take it for part of the checkpoint; hidden files,
    which none reads, are left alone.
    """
    if not (folder / SUMS).is_file():
        return
    listed = _listed(folder / SUMS)
    for name, digest in listed.items():
        if not (folder / name).is_file():
            raise DamageError(folder, f"no {name}")
        if file_digest(folder / name) != digest:
            raise DamageError(folder / name, f"not the content that {SUMS} lists")
    for file in sorted(folder.iterdir()):
        if file.is_file() and file.name not in {SUMS, *listed} and not file.name.startswith("."):
            raise DamageError(file, f"{SUMS} does not list it")


def _listed(sums: Path) -> dict[str, str]:
    """Digests by the names of the files, all of them within the folder, as `sha256sum` writes them."""
    try:
        if sums.stat().st_size > MOST_SUMS:
            raise ValueError(f"too much for a list of digests: {sums.stat().st_size} bytes")
        listed = {}
        for line in read_text(sums, "utf-8").splitlines():
            if not (found := SUM.fullmatch(line)) or ".." in Path(found[2]).parts:
                raise ValueError(f"no digest of a file of the folder: {line[:100]!r}")
            listed[found[2].removeprefix("./")] = found[1].lower()
    except ValueError as error:  # of decoding as well
        raise DamageError(sums, error) from None
    return listed


def read_whole(folder: Path, read: Callable[[], T]) -> T:
    """Read a folder that another process may be replacing: if so, once more after a pause.

    Args:
        folder: `atomic` replaces it in two steps, and a reader in between finds no folder, or half of one.
        read: reads it.

    Raises:
        ModelError: when it is still being replaced then; else what `read` raises.
    """
    for last in (False, True):
        before = _identity(folder)
        try:
            if before is None and partials(folder) and not last:
                raise DamageError(folder, "not there yet")
            made = read()
            if _identity(folder) == before:
                return made
            problem: Exception = DamageError(folder, "replaced while it was read")
        except (ComodoError, OSError) as error:
            problem = error
            if not (found := partials(folder)) and _identity(folder) == before:
                raise
            if last and found:
                raise ModelError(
                    f"{folder} is being rewritten ({found[0].name} lies beside it): run again when that has ended; if "
                    f"no job writes it, remove {found[0].name} ({first_line(error)})"
                ) from error
        if last:
            raise problem
        time.sleep(PAUSE_S)
    raise AssertionError


def partials(path: Path) -> list[Path]:
    """What `atomic` is writing to replace a file or folder, or left behind when it was killed."""
    return sorted(path.parent.glob(f".partial-*-{glob.escape(path.name)}")) if path.name else []


def _identity(folder: Path) -> tuple[int, int, int] | None:
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns


def file_digest(file: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal digits."""
    with open_regular(file) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
