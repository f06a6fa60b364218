"""Fixtures that all tests share."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from comodo.errors import LayoutError
from tests.support.project import ROOT, Project, tiny_config


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Skip a test of recordings whose reader has no wheel for this Python."""
    report = yield
    error = call.excinfo.value if call.excinfo is not None else None
    if isinstance(error, LayoutError) and "it has no wheel for Python" in str(error):
        report.outcome, report.longrepr = "skipped", (str(item.path), 0, str(error))
    return report


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


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose tiny workflow has run; tests may ask for plans, and must leave the files as they are.

    All processes of pytest-xdist share it: the first that needs it makes it.
    """
    own = tmp_path_factory.getbasetemp()
    shared = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "finished"
    shared.mkdir(exist_ok=True)
    project = Project(shared / "project")
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "done").exists():
            shutil.rmtree(project.folder, ignore_errors=True)
            project.folder.mkdir()
            project.run(tiny_config())
            (shared / "done").touch()
    return project


@pytest.fixture
def copied(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished project, to break things in."""
    shutil.copytree(finished.folder, tmp_path / "copy", symlinks=True)
    return Project(tmp_path / "copy")
