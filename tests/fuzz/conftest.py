"""Whatever bytes a reader is given, it gives a result or the one error it documents: in bounded time and memory.

A few examples each with all tests; `make fuzz FUZZ_MINUTES=30` shares half an hour among the readers. What such a run
found is listed as FOUND in each file, and is tried first.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from comodo.config import ConfigError
from comodo.errors import ImuError, LayoutError, VideoError

Reader = Callable[[Any, Path], None]  # gets an input and a folder to put it into
Fuzz = Callable[[str, st.SearchStrategy[Any], Reader, Sequence[Any]], None]

MINUTES = float(os.environ.get("FUZZ_MINUTES", 0))
EXAMPLES = 500 if MINUTES else 25
LONGEST_S = 20
MEMORY = 2 << 30  # on top of what the process holds when it starts
EXPECTED = (LayoutError, ImuError, ConfigError, VideoError)


class Hang(BaseException):
    """A reader that does not end; no reader catches it."""


def fail(*_: object) -> None:
    raise Hang(f"no end after {LONGEST_S} s")


@pytest.fixture
def bounded() -> Iterator[None]:
    """A limit of memory, and of time for each input."""
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, before[1]))
    handler = signal.signal(signal.SIGALRM, fail)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, handler)
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.fixture
def fuzz(request: pytest.FixtureRequest, tmp_path: Path, bounded: None) -> Fuzz:
    """Give a reader what earlier runs found, then examples of a strategy, for its share of FUZZ_MINUTES."""
    readers = sum(item.get_closest_marker("fuzz") is not None for item in request.session.items)

    def run(name: str, strategy: st.SearchStrategy[Any], read: Reader, found: Sequence[Any]) -> None:
        def check(given: Any) -> None:
            signal.alarm(LONGEST_S)
            with suppress(*EXPECTED):
                read(given, tmp_path)
            signal.alarm(0)

        for known in found:
            check(known)
        everything = settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=not MINUTES,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        many = everything(given(strategy)(check))
        began, end = time.process_time(), time.monotonic() + 60 * MINUTES / readers
        rounds = 1
        many()
        while time.monotonic() < end:
            many()
            rounds += 1
        print(f"\nfuzzed {name}: {rounds} × {EXAMPLES} inputs, {time.process_time() - began:.0f} s of CPU")

    return run
