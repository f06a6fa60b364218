"""Packages that read one kind of recording, which not every Python can install."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from comodo.errors import LayoutError

WITHOUT_WHEELS = (3, 13)  # from this Python on, telemetry-parser 0.3.0 and vrs 1.2.2 have none


def require_reader(module: str, package: str, path: Path, kind: str) -> None:
    """Raise `LayoutError` where the package that reads a kind of recording is not installed.

    Args:
        module: name that the package is imported by.
        package: argument of `pip install`.
        path: the recording.
        kind: of recording, for the message.
    """
    if importlib.util.find_spec(module) is not None:
        return
    remedy = f"pip install {package}"
    if sys.version_info >= WITHOUT_WHEELS:
        version = ".".join(map(str, sys.version_info[:2]))
        remedy = f"it has no wheel for Python {version}: use Python 3.11 or 3.12 for these recordings"
    name = package.split()[-1].partition("=")[0]
    raise LayoutError(f"{path}: to read {kind}, the package {name} is needed and not installed: {remedy}")
