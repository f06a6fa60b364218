"""The errors of comodo: one base class; commands and jobs show these in one line, anything else with its traceback.

A message names the fault, its place (file, row, column, config key) and the remedy. What is left to Python's own
exceptions is a mistake in code: ours, or a caller's.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

from comodo.text import first_line, inert_line

FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class ComodoError(Exception):
    """Data, config, command line, disk or device are at fault; the message names what and the remedy."""


class ConfigError(ComodoError, ValueError):
    """A config that cannot run; its message has one line per fault."""


class CommandError(ComodoError, ValueError):
    """A command that cannot run as it was called, or whose run failed."""


class DataError(ComodoError, ValueError):
    """Data that a stage cannot use."""


class ModelError(ComodoError, ValueError):
    """A teacher or student that cannot be loaded or made, or that does not take the data that it was given."""


class ClassPathError(ComodoError, ValueError):
    """A class path whose class does not exist, cannot be imported or made, or does not do what its contract says."""


class TrainingError(ComodoError, ValueError):
    """A training that cannot start, or cannot go on."""


class LayoutError(ComodoError, ValueError):
    """A dataset that cannot be listed; one line that names the file, the config key and the remedy."""

    def __init__(self, message: str) -> None:
        super().__init__(inert_line(message))


class ImuError(ComodoError):
    """IMU of one recording that cannot be used.

    Attributes:
        reason: a key of `comodo.clips.REASONS`.
        notes: notes made before the error (`comodo.notes`).
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(inert_line(message))
        self.reason = reason
        self.notes: list[str] = []


class VideoError(ComodoError):
    """A video that cannot be used at all; `reason` is a key of `comodo.clips.REASONS`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(inert_line(message))
        self.reason = reason


class SplitsError(ComodoError, ValueError):
    """Split files that cannot be fetched, made or written; one line that names the file and the remedy."""


class QualityError(ComodoError, ValueError):
    """Too much of a dataset was lost to go on."""


class StoreError(ComodoError, ValueError):
    """A store that is broken or was made from something else."""


class DamageError(ComodoError, ValueError):
    """An artefact that is not what its stage wrote."""

    def __init__(self, path: Path, why: object) -> None:
        super().__init__(f"{path} is damaged or not whole ({first_line(why)}): delete it and run again")


class WriteError(ComodoError, OSError):
    """A file that the disk refuses; the file that had its name before is still there."""

    def __init__(self, path: Path, number: int) -> None:
        remedy = "free space or raise the quota" if number in FULL else "make its folder writable"
        super().__init__(f"{path} cannot be written ({os.strerror(number)}): {remedy}, then run again")
        self.errno = number


class DeviceError(ComodoError, OSError):
    """A device that cannot be reserved."""


class DecoderError(ComodoError, ImportError):
    """A package that decodes video and is not installed, or lacks its libraries."""
