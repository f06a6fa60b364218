"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def golden() -> Path:
    """Folder of the figures of the published implementation."""
    return ROOT / "tests" / "data" / "golden"


@pytest.fixture(scope="session")
def realdata() -> Path:
    """Folder of real recordings, which are not part of the repository."""
    return _outside("real recordings", "COMODO_REALDATA", "../shared/realdata")


@pytest.fixture(scope="session")
def reference_splits() -> Path:
    """Folder of the published split files, which are not part of the repository."""
    return _outside("published split files", "COMODO_REFERENCE_SPLITS", "../shared/reference-splits")


def _outside(what: str, variable: str, default: str) -> Path:
    folder = ROOT / os.environ.get(variable, default)
    if not folder.is_dir():
        pytest.skip(f"no {what} at {folder}: set {variable} to their folder")
    return folder
