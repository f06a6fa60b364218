"""The matrix of what was killed where, printed at the end."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.crash.faults import STAGES

FAULTS = ("job SIGKILL", "SIGKILL", "SIGINT", "SIGTERM")
Matrix = Counter[tuple[str, str]]
MATRIX = pytest.StashKey[Matrix]()


@pytest.fixture(scope="session")
def matrix(request: pytest.FixtureRequest) -> Matrix:
    """Faults survived, by stage and kind; a test adds to it when all was well afterwards."""
    return request.config.stash.setdefault(MATRIX, Counter())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the matrix."""
    found = config.stash.get(MATRIX, Counter())
    if not found:
        return
    terminalreporter.section("faults after which a rerun ended with the undisturbed run's artefacts")
    terminalreporter.write_line(f"{'stage':26}" + "".join(f"{fault:>13}" for fault in FAULTS))
    for stage in STAGES:
        row = "".join(f"{found[stage, fault] or '-':>13}" for fault in FAULTS)
        terminalreporter.write_line(f"{stage:26}{row}")
