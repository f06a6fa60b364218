"""Outputs of commands: never an input, a model's folder, or a file of another kind."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from comodo.errors import CommandError, WriteError
from comodo.storage.regular import check_regular

WEIGHTS: Final = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".msgpack")
"""Suffixes of weights: a folder that holds such a file and a `config.json` is a checkpoint."""


def output_file(
    name: str, target: Path, inputs: Iterable[Path], kind: str, is_own: Callable[[Path], bool]
) -> Path:
    """Return the file to write for `target`: itself, or the file that a link of this name leads to.

    Links are followed in all checks, and two hard links to one file count as that file.

    Args:
        name: the flag or setting that names the target, for errors.
        target: the output file; it need not exist.
        inputs: files and folders that the command reads; what does not exist is passed over.
        kind: what an existing file must be, for errors, as in "a result file".
        is_own: whether an existing file is of that kind, so that it may be replaced.

    Raises:
        CommandError: the target is an input or lies in one that is a folder, lies in the folder of a student or
            checkpoint, or exists and is not of its kind.
        WriteError: its folder must not be written.
    """
    try:
        return _checked(name, target, list(inputs), kind, is_own)
    except OSError as error:
        if isinstance(error, WriteError):
            raise
        raise CommandError(f"{name} {target} cannot be used: {error.strerror or error}") from None


def _checked(name: str, target: Path, inputs: list[Path], kind: str, is_own: Callable[[Path], bool]) -> Path:
    real = Path(os.path.realpath(target))
    folders = [folder for folder in real.parents if folder.exists()]
    for given in inputs:
        if not os.path.exists(given):  # a hub id, or what the command itself will miss
            continue
        if real.exists() and os.path.samefile(real, given):
            raise CommandError(f"{name} {target} is the input {given}: name another file to write")
        if given.is_dir() and any(os.path.samefile(folder, given) for folder in folders):
            raise CommandError(f"{name} {target} lies in the input {given}: name a file elsewhere")
    for folder in folders:
        if _is_student(folder) or (folder == real.parent and _is_checkpoint(folder)):
            raise CommandError(f"{name} {target} lies in {folder}, a model's folder: name a file elsewhere")
    if not folders[0].is_dir():
        raise CommandError(f"{name} {target}: {folders[0]} is a file, not a folder")
    if not os.access(folders[0], os.W_OK | os.X_OK):
        raise WriteError(target, errno.EACCES)
    if os.path.lexists(target) and not real.exists():
        raise CommandError(f"{name} {target} is a link to {real}, which does not exist: name another file")
    if real.exists() and not (stat.S_ISREG(real.stat().st_mode) and is_own(real)):
        raise CommandError(f"{name} {target} exists and is not {kind}: name another file, or move it away")
    return real


def _is_student(folder: Path) -> bool:
    """Whether a folder is what `save_student` wrote."""
    return (folder / "config.json").is_file() and (folder / "comodo.json").is_file()


def _is_checkpoint(folder: Path) -> bool:
    """Whether a folder holds a config and weights as on the hub."""
    return (folder / "config.json").is_file() and any(name.endswith(WEIGHTS) for name in os.listdir(folder))


def is_readable(path: Path) -> bool:
    """Open a file for reading: for `output_file`, where the writer itself compares what is there."""
    check_regular(path)
    return True
