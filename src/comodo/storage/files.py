"""Writing files whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import logging
import os
import platform
import re
import shutil
import stat
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from comodo.errors import CommandError, WriteError

log = logging.getLogger(__name__)
_umask = os.umask(0)  # there is no way to ask for it; this one is safe while there is one thread
os.umask(_umask)
MODE = 0o666 & ~_umask
MACHINE = f"{zlib.crc32(platform.node().encode()):08x}"
PARTIAL = f".partial-{MACHINE}-"  # followed by the process
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
LOCK_S = 60.0  # to wait for a lock, which is never held for a second
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF}


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it into place when the block ends well, else remove it.

    Works for a file and for a folder (make the folder inside the block); the suffix is kept, so that libraries
    which look at it behave. A crash leaves a `.partial` name behind, never a half-written `path`; the next try on the
    same machine removes it. What is written may be read by whom the umask allows, also where a library (safetensors)
    writes files for their owner alone. A full disk, a quota or a folder that must not be written raises `WriteError`,
    however the writing library reports it.
    """
    path = Path(path)
    partial = path.with_name(f"{PARTIAL}{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:  # also of a folder further up
        raise WriteError(path, error.errno or errno.EIO) from error
    try:
        _remove(partial)
        _remove_leftovers(path)
        yield partial
        _obey_umask(partial)
        _sync(partial)
        if partial.is_dir():
            _remove(path)  # a folder cannot be replaced in one step
        os.replace(partial, path)
    except BaseException as error:
        with suppress(OSError):  # where it could not be written, it may not be there to remove
            _remove(partial)
        if (number := _refused_by_disk(error, partial)) is not None:
            raise WriteError(path, number) from error
        raise


@contextmanager
def locked(path: str | os.PathLike[str], wait_s: float = LOCK_S, poll_s: float = 0.05) -> Iterator[None]:
    """Hold the lock of a file that several processes read and replace: the lock file `<name>.lock` beside it.

    The lock is free again when its process ends, however it ends; the lock file stays, as removing it would let two
    processes hold locks of one name. On NFS, locks hold between machines only where the server offers them (Linux turns
    this lock into one of the server); on a file system without locks it warns, and the block runs unlocked.

    Raises:
        WriteError: the lock file cannot be made.
        CommandError: another process holds the lock for longer than `wait_s` seconds, or its name is no file's.
    """
    path = Path(path)
    name = path.with_name(f"{path.name}.lock")
    file = _open_lock(name)
    try:
        end = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise CommandError(
                        f"{path} is in use: another process holds {name} for {wait_s:g} s; "
                        "end it (`fuser` names it), then run again"
                    ) from None
                time.sleep(poll_s)
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise WriteError(name, error.errno or errno.EIO) from error
                log.warning("%s: no locks here (%s): let no other command write it now", path, error.strerror)
                break
        yield
    finally:
        os.close(file)


def _open_lock(path: Path) -> int:
    """Open a lock file of any owner, without waiting for a pipe or device."""
    never_wait = os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | never_wait, 0o666)
        except PermissionError:  # another user's: a lock needs no right to write
            file = os.open(path, os.O_RDONLY | never_wait)
    except OSError as error:
        if error.errno in (errno.EISDIR, errno.ELOOP, errno.ENXIO):
            raise CommandError(f"{path} is no file: move it away, for a lock file must lie there") from None
        raise WriteError(path, error.errno or errno.EIO) from error
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise CommandError(f"{path} is no file: move it away, for a lock file must lie there")
    return file


def _remove_leftovers(path: Path) -> None:
    """Remove what dead processes of this machine left of a file; names that no process gave are not touched."""
    ours = re.compile(f"{re.escape(PARTIAL)}([1-9][0-9]*)-{re.escape(path.name)}")
    names: list[str] = []
    with suppress(PermissionError):  # a folder may be written and not read
        names = os.listdir(path.parent)
    for name in names:
        if (found := ours.fullmatch(name)) and not _alive(int(found[1])):
            with suppress(OSError):  # harmless where it is, or already removed by another process
                _remove(path.with_name(name))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # another user's; the number of no process
        return True
    return True


def _obey_umask(path: Path) -> None:
    for file in path.rglob("*") if path.is_dir() else [path]:
        if file.is_file() and (mode := file.stat().st_mode & 0o777) != mode | MODE:
            file.chmod(mode | MODE)


def _sync(path: Path) -> None:
    """Flush written data to disk: NFS and quotas may refuse only now, and a crash loses unflushed data."""
    for file in path.rglob("*") if path.is_dir() else [path]:
        if file.is_file():
            handle = os.open(file, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def _refused_by_disk(error: BaseException, partial: Path) -> int | None:
    """The number of the system's error where writing `partial` failed; safetensors gives it in words only."""
    if isinstance(error, WriteError):
        return None  # it names another file, or one within a folder
    if isinstance(error, OSError):
        about = (
            Path(os.fsdecode(error.filename))
            if isinstance(error.filename, (str, bytes, os.PathLike))
            else None
        )
        if error.errno in {*FULL, errno.EROFS} or (
            about and (partial.parent == about or partial in (about, *about.parents))
        ):
            return error.errno
    if found := re.search(r"\(os error (\d+)\)", str(error)):
        return int(found[1])
    return None


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def check_working_folder(folder: Path) -> None:
    """Raise `WriteError` where Snakemake cannot keep its notes in a working folder; a dry run needs them as well."""
    notes = folder / ".snakemake"
    place = notes if notes.is_dir() else folder
    if not os.access(place, os.W_OK | os.X_OK):
        read_only = os.statvfs(place).f_flag & os.ST_RDONLY
        raise WriteError(notes, errno.EROFS if read_only else errno.EACCES)


def write_json(content: Any, path: Path) -> None:
    """Write indented JSON whole or not at all; NaN is refused."""
    with atomic(path) as partial:
        partial.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")


def json_digest(content: Any) -> str:
    """Return a short digest of plain values; the order of keys does not count."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def strict_json(text: str | bytes) -> Any:
    """Parse JSON; raises `ValueError` also for NaN and the infinities, which Python reads although JSON has none.

    Nesting that is too deep raises `RecursionError`.
    """
    return json.loads(text, parse_constant=_no_number)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")
