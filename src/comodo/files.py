"""Writing files whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it into place when the block ends well, else remove it.

    Works for a file and for a folder (make the folder inside the block); the suffix is kept, so that libraries
    which look at it behave. A crash leaves a `.partial` name behind, never a half-written `path`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
    _remove(partial)
    try:
        yield partial
        if partial.is_dir():
            _remove(path)  # a folder cannot be replaced in one step
        os.replace(partial, path)
    except BaseException:
        _remove(partial)
        raise


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(content: Any, path: Path) -> None:
    """Write indented JSON whole or not at all; NaN is refused."""
    with atomic(path) as partial:
        partial.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
