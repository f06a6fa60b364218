from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

JOB = """
import sys, time
from pathlib import Path
from comodo.files import atomic
from comodo.jobs import job_log

with job_log("log"), atomic("result") as partial:
    partial.write_text("half")
    Path("begun").touch()
    time.sleep(60)
"""
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {JOB!r}])"


def test_job_ends_with_the_snakemake_that_started_it(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], cwd=tmp_path, stderr=subprocess.DEVNULL)
    wait_until(lambda: (tmp_path / "begun").exists())
    assert list(tmp_path.glob(".partial-*"))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_until(lambda: not list(tmp_path.glob(".partial-*")))
    assert not (tmp_path / "result").exists()


def wait_until(done: Callable[[], bool], timeout: float = 30) -> None:
    deadline = time.monotonic() + timeout
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)
