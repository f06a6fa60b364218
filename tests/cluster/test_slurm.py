"""The tiny workflow through a real Slurm ends with the artefacts of the local run, also when Slurm fails on the way."""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.slurm import Slurm
from tests.crash.faults import Run, duration, outputs, remove
from tests.support.compare import artefacts, differences
from tests.support.project import ROOT, Project, tiny_config

pytestmark = [pytest.mark.cluster, pytest.mark.workflow]

SLURM = ["--workflow-profile", str(ROOT / "profiles/slurm")]
THREADS = ["--max-threads", "2"]  # what the local run has
# no accounting here, and short jobs: what the profile's SITE lines would say on this machine
SLURM += [*THREADS, "--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "1"]
SLURM += ["--latency-wait", "5"]
GENERIC = ["--workflow-profile", str(ROOT / "profiles/cluster-generic"), *THREADS, "--latency-wait", "5"]
STATUS = ROOT / "profiles/cluster-generic/status.sh"
GPU_RULES = {"encode_video", "distill", "extract_features"}


def running(slurm: Slurm, rule: str, timeout: float = 900) -> str:
    """Wait until a job of a rule runs; returns its id."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        for job in slurm.jobs("RUNNING"):
            if job.rule == rule:
                return job.id
        time.sleep(0.2)
    raise TimeoutError(f"no job of {rule} within {timeout} s")


def test_whole_chain_and_a_cancelled_job(slurm: Slurm, finished: Project, tmp_path: Path) -> None:
    """A job that is cancelled on the way comes back with more memory."""
    project = Project(tmp_path)

    def cancel() -> None:
        slurm.ask("scancel", running(slurm, "encode_video"))

    cancelling = threading.Thread(target=cancel, daemon=True)
    cancelling.start()
    before = {job.id for job in slurm.jobs()}
    done = project.snakemake(tiny_config(), *SLURM, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    cancelling.join()

    assert differences(artefacts(tmp_path), artefacts(finished.folder)) == []
    assert project.plan(tiny_config()) == {}
    jobs = [job for job in slurm.jobs() if job.id not in before]
    assert {job.rule for job in jobs} > GPU_RULES
    assert all(("gpu:1" in job.gpus) == (job.rule in GPU_RULES) for job in jobs)
    encoding = [job for job in jobs if job.rule == "encode_video"]
    assert sorted((job.state, job.memory) for job in encoding) == [
        ("CANCELLED", "4000M"),
        ("COMPLETED", "4000M"),
        ("COMPLETED", "8000M"),
    ]


def lose_node(slurm: Slurm) -> None:
    slurm.lose_node()
    time.sleep(30)
    slurm.start_daemon("slurmd")


def restart(daemon: str, away_s: float) -> Callable[[Slurm], None]:
    def act(slurm: Slurm) -> None:
        slurm.stop_daemon(daemon)
        time.sleep(away_s)
        slurm.start_daemon(daemon)

    return act


# Profile, fault, and the states of the jobs afterwards. The plugin turns to sacct when the controller is away, and then
# waits for ever where there is no accounting: there the second profile is the right one.
FAULTS: dict[str, tuple[list[str], Callable[[Slurm], object], list[str]]] = {
    "scancel": (
        SLURM,
        lambda slurm: slurm.ask("scancel", running(slurm, "distill")),
        ["CANCELLED", "COMPLETED"],
    ),
    "slurmd restarts": (SLURM, restart("slurmd", 2), ["COMPLETED"]),
    "slurmctld away 30 s": (GENERIC, restart("slurmctld", 30), ["COMPLETED"]),
    "node lost": (SLURM, lose_node, ["COMPLETED", "NODE_FAIL"]),
}


@pytest.mark.crash
@pytest.mark.skipif(not os.environ.get("COMODO_KILLS"), reason="long: make crash-matrix")
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_slurm(fault: str, slurm: Slurm, finished: Project, copied: Project) -> None:
    profile, strike, states = FAULTS[fault]
    before = {job.id for job in slurm.jobs()}
    remove(copied, outputs("distill"))
    with Run(copied, *profile, "--", *outputs("distill")) as run:
        running(slurm, "distill")
        time.sleep(random.Random(fault).uniform(0, duration(finished, "distill")))
        strike(slurm)
        assert run.end(timeout=900) == 0, run.log.read_text()
    assert differences(artefacts(copied.folder), artefacts(finished.folder)) == []
    jobs = [job for job in slurm.jobs() if job.id not in before]
    assert sorted(job.state for job in jobs) == states


def test_a_site_without_accounting(slurm: Slurm, finished: Project, tmp_path: Path) -> None:
    """The second profile, up to the pairs of one shard."""
    project = Project(tmp_path)
    target = "results/tiny/clips/0.parquet"
    done = project.snakemake(tiny_config(), *GENERIC, "--", target)
    assert done.returncode == 0, done.stdout + done.stderr
    found, expected = artefacts(tmp_path), artefacts(finished.folder)
    assert target in found
    assert [path for path in differences(found, expected) if path in found] == []


@pytest.mark.parametrize(
    ("command", "state"), [("true", "success"), ("false", "failed"), ("sleep 60", "running")]
)
def test_status_of_a_job(slurm: Slurm, command: str, state: str) -> None:
    job = slurm.ask("sbatch", "--parsable", "--output=/dev/null", "--mem=100", "--wrap", command)
    deadline = time.monotonic() + 20
    while state != "running" and slurm.state(job) in ("PENDING", "RUNNING", "COMPLETING"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert status(job) == state
    slurm.ask("scancel", job)
    if state == "running":
        while slurm.state(job) == "COMPLETING":
            time.sleep(0.2)
        assert status(job) == "failed"


def test_status_of_a_forgotten_job(slurm: Slurm) -> None:
    assert status("4000000") == "failed"


def status(job: str) -> str:
    done = subprocess.run([STATUS, job], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()
