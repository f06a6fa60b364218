"""A pytest plug-in for Pythons without torch: `pytest -p tests.support.without_torch`.

Tests that need torch, at import or later, are skipped with that reason. `COMODO_MIN_PASSED` is the least number of
tests that must pass, so that a skip of everything fails.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest

NEEDED = {"torch", "pyvrs", "telemetry_parser"}  # what may be missing here
passed = 0


def missing(error: BaseException | None) -> str | None:
    """The package whose import failed, if it may be missing."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError) and str(error.name).split(".")[0] in NEEDED:
            return str(error.name).split(".")[0]
        error = error.__cause__ or error.__context__
    return None


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    report = yield
    if report.outcome == "failed" and "No module named 'torch" in str(report.longrepr):
        report.outcome = "skipped"
        report.longrepr = (str(collector.path), 0, "needs torch")
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    report = yield
    if call.excinfo is not None and (package := missing(call.excinfo.value)):
        report.outcome = "skipped"
        report.longrepr = (str(item.path), 0, f"needs {package}")
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count; with pytest-xdist the reports of all workers arrive here."""
    global passed
    passed += report.when == "call" and report.outcome == "passed"


def pytest_sessionfinish(session: pytest.Session) -> None:
    least = int(os.environ.get("COMODO_MIN_PASSED", "0"))
    if passed < least and not hasattr(session.config, "workerinput"):
        print(f"\nonly {passed} tests passed, at least {least} should have")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
