from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

JOB = """
import sys, time
from pathlib import Path
from comodo.storage.files import atomic
from comodo.jobs.log import job_log

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


POOL = """
import multiprocessing, os, time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from comodo.jobs.log import end_with

def work(_):
    Path("worker").write_text(str(os.getpid()))
    time.sleep(60)

context = multiprocessing.get_context("fork")
with ProcessPoolExecutor(1, context, end_with, (os.getpid(),)) as pool:
    list(pool.map(work, [0]))
"""


def test_a_pool_s_workers_end_with_their_job(tmp_path: Path) -> None:
    job = subprocess.Popen([sys.executable, "-c", POOL], cwd=tmp_path)
    worker = tmp_path / "worker"
    wait_until(lambda: worker.exists() and bool(worker.read_text()))
    job.kill()
    job.wait()
    wait_until(lambda: not psutil.pid_exists(int(worker.read_text())))


DEAF = """
import os, signal, sys, time
from pathlib import Path
from comodo.jobs import log as jobs

jobs.GRACE_S = 0.2
with jobs.job_log("log"):
    signal.signal(jobs.END, signal.SIG_IGN)
    Path("job").write_text(str(os.getpid()))
    time.sleep(60)
"""


def test_a_job_that_hears_no_signal_ends_all_the_same(tmp_path: Path) -> None:
    """One that hangs in a library, or on a disk that is gone."""
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {DEAF!r}])"
    parent = subprocess.Popen([sys.executable, "-c", start], cwd=tmp_path, stderr=subprocess.DEVNULL)
    job = tmp_path / "job"
    wait_until(lambda: job.exists() and bool(job.read_text()))
    parent.kill()
    parent.wait()
    wait_until(lambda: not psutil.pid_exists(int(job.read_text())))


def wait_until(done: Callable[[], bool], timeout: float = 30) -> None:
    deadline = time.monotonic() + timeout
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_job_has_no_standard_input(tmp_path: Path) -> None:
    code = "import sys\nfrom comodo.jobs.log import job_log\nwith job_log('log'):\n    print(repr(sys.stdin.read()))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, input="y\n", capture_output=True, text=True, check=True
    )
    assert done.stdout == "''\n"
