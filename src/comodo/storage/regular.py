"""Opening files that a user names: regular files and links to them.

A FIFO, a socket or a device can keep its reader waiting for ever, so it is refused before anything is read.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path
from typing import TextIO

KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}


def open_regular(path: Path) -> io.BufferedReader:
    """Open a regular file for reading, at once or not at all; raises `OSError` for anything else."""
    return open(path, "rb", opener=_open)


def open_text(path: Path, encoding: str = "utf-8-sig", newline: str | None = None) -> TextIO:
    """Open a regular file as text, with or without a byte order mark; raises `OSError` for anything else."""
    return io.TextIOWrapper(open_regular(path), encoding=encoding, newline=newline)


def read_bytes(path: Path) -> bytes:
    """Read a regular file; raises `OSError` for anything else."""
    with open_regular(path) as file:
        return file.read()


def read_text(path: Path, encoding: str = "utf-8-sig") -> str:
    """Read a regular file as text, with or without a byte order mark; raises `OSError` for anything else."""
    with open_text(path, encoding) as file:
        return file.read()


def check_regular(path: Path) -> None:
    """Raise `OSError` where `path` is no regular file that can be opened, before a library that opens it itself."""
    open_regular(path).close()


def _open(path: str, flags: int) -> int:
    _check(os.stat(path), path)  # opening alone rewinds a tape
    handle = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        _check(os.fstat(handle), path)  # another file may have taken the name by now
    except OSError:
        os.close(handle)
        raise
    return handle


def _check(found: os.stat_result, path: str) -> None:
    kind = stat.S_IFMT(found.st_mode)
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if kind != stat.S_IFREG:
        raise OSError(errno.EINVAL, f"{KINDS.get(kind, 'something else')}, not a regular file", path)
