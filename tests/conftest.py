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
    folder = ROOT / os.environ.get("COMODO_REALDATA", "../shared/realdata")
    if not folder.is_dir():
        pytest.skip(f"no real recordings at {folder}: set COMODO_REALDATA to their folder")
    return folder
