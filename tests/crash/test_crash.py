"""Whatever is killed, whenever: a rerun ends with the bytes of the undisturbed run, and repeats only what was lost.

COMODO_KILLS=n kills each stage's jobs n times, and Snakemake once in each stage by each signal (`make crash-matrix`;
some hours). Without it every stage is killed once, and Snakemake by each signal in one stage.
COMODO_CRASH_SEED=m gives other moments.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import psutil
import pytest

from tests.crash.conftest import Matrix
from tests.crash.faults import STAGES, Run, duration, kill, leftovers, moments, orphans, outputs, remove
from tests.support.compare import artefacts, differences
from tests.support.project import Project, tiny_config

pytestmark = [pytest.mark.crash, pytest.mark.workflow]

KILLS = int(os.environ.get("COMODO_KILLS", "0"))
SEED = os.environ.get("COMODO_CRASH_SEED", "0")
IN_BRIEF = [
    ("distill", "job SIGKILL"),
    ("distill", "SIGKILL"),
    ("encode_video", "SIGINT"),
    ("extract_clips", "SIGTERM"),
]
FAULTS = [(rule, fault) for rule in STAGES for fault in ("job SIGKILL", "SIGKILL", "SIGINT", "SIGTERM")]


@pytest.fixture(scope="session")
def undisturbed(finished: Project) -> dict[str, str]:
    return artefacts(finished.folder)


def kill_jobs(run: Run, rules: Sequence[str], times: int, durations: dict[str, float], seed: str) -> Matrix:
    """Kill up to `times` jobs of each rule, each at a random moment, while Snakemake runs."""
    when = {rule: moments(f"{seed} {rule}", durations[rule]) for rule in rules}
    struck: Matrix = Counter()
    seen: set[int] = set()

    def strike(rule: str, job: psutil.Process) -> None:
        run.wait_for(next(when[rule]), job)
        if struck[rule, "job SIGKILL"] < times and kill(job):
            struck[rule, "job SIGKILL"] += 1

    threads = []
    while run.process.poll() is None:
        for rule, job in run.jobs():
            if job.pid not in seen and rule in rules and struck[rule, "job SIGKILL"] < times:
                threads.append(threading.Thread(target=strike, args=(rule, job)))
                threads[-1].start()
            seen.add(job.pid)
    for thread in threads:
        thread.join()
    return struck


def test_every_stage_killed_once_in_one_run(
    finished: Project, undisturbed: dict[str, str], tmp_path: Path, matrix: Matrix
) -> None:
    """Each stage's first job dies by SIGKILL and is tried again at once."""
    project = Project(tmp_path)
    durations = {rule: duration(finished, rule) / 2 for rule in STAGES}
    with Run(project, "--retries", "2") as run:
        struck = kill_jobs(run, list(STAGES), 1, durations, SEED)
        assert run.end() == 0, run.log.read_text()
    assert differences(artefacts(tmp_path), undisturbed) == []
    assert leftovers(project) == []
    assert orphans(project) == []
    assert project.plan(tiny_config()) == {}
    matrix.update(struck)
    assert len(struck) > len(STAGES) - 3  # a job may end before it is struck


@pytest.mark.skipif(not KILLS, reason="long: make crash-matrix")
@pytest.mark.parametrize("rule", STAGES)
def test_stage_killed_many_times(
    rule: str, finished: Project, undisturbed: dict[str, str], copied: Project, matrix: Matrix
) -> None:
    struck: Matrix = Counter()
    for attempt in range(KILLS):
        remove(copied, outputs(rule))
        missing = KILLS - struck[rule, "job SIGKILL"]
        with Run(copied, "--retries", str(KILLS), "--", *outputs(rule)) as run:
            struck += kill_jobs(run, [rule], missing, {rule: duration(finished, rule)}, f"{SEED} {attempt}")
            assert run.end() == 0, run.log.read_text()
        assert differences(artefacts(copied.folder), undisturbed) == []
        assert leftovers(copied) == []
        assert orphans(copied) == []
        if struck[rule, "job SIGKILL"] == KILLS:
            break
    matrix.update(struck)
    assert struck[rule, "job SIGKILL"] == KILLS


@pytest.mark.parametrize(("rule", "fault"), FAULTS if KILLS else IN_BRIEF)
def test_run_that_broke_off_goes_on(
    rule: str, fault: str, finished: Project, undisturbed: dict[str, str], copied: Project, matrix: Matrix
) -> None:
    config = tiny_config()
    remove(copied, outputs(rule))
    with Run(copied, "--", *outputs(rule)) as run:
        job = run.job(rule)
        assert job is not None, run.log.read_text()
        when = moments(f"{SEED} {rule} {fault}", duration(finished, rule) / 2)
        run.wait_for(next(when) if fault in ("SIGKILL", "SIGTERM") else list(islice(when, 2))[1], job)
        if fault == "job SIGKILL":
            kill(job)
            run.end()
        else:
            run.end(signal.Signals[fault])
    if fault == "SIGKILL":
        assert copied.snakemake(config, "--unlock").returncode == 0

    left = artefacts(copied.folder)
    assert [path for path in differences(left, undisturbed) if path in left] == []  # whole, or not there
    lost = sum(any(not (copied.folder / path).exists() for path in paths) for paths in STAGES[rule])
    plan = copied.plan(config, "--", *outputs(rule))
    # a job that Snakemake did not see ending is made again, too
    in_flight = 2 if fault == "SIGKILL" else 0
    assert lost <= plan.get(rule, 0) <= lost + in_flight
    assert set(plan) <= {rule}

    copied.run(config, "--", *outputs(rule))
    assert differences(artefacts(copied.folder), undisturbed) == []
    assert leftovers(copied) == []
    assert orphans(copied) == []
    assert copied.plan(config, "--", *outputs(rule)) == {}
    matrix[rule, fault] += 1
