"""Running Snakemake while its jobs, or Snakemake itself, are killed."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import psutil

from tests.support.project import Project, tiny_config

SHARDS = (0, 1)
DATA = "results/tiny"
RUN = "results/experiments/comodo/seed42"
REPORT = ("accuracy.csv", "accuracy.md", "summary.md", "training.png", "label-efficiency.png")
# Every stage of `tiny_config`, and for each of its jobs the outputs.
STAGES: dict[str, list[list[str]]] = {
    "simulate": [[f"{DATA}/simulated.json"]],
    "make_teacher": [["results/teachers/small"]],
    "index_recordings": [[f"{DATA}/recordings.parquet"]],
    "extract_clips": [[f"{DATA}/video/{k}", f"{DATA}/video/{k}.parquet"] for k in SHARDS],
    "preprocess_imu": [[f"{DATA}/imu/{k}.h5"] for k in SHARDS],
    "pair_clips": [[f"{DATA}/clips/{k}.parquet"] for k in SHARDS],
    "report_quality": [[f"{DATA}/quality.csv"]],
    "merge_clips": [[f"{DATA}/clips.parquet"]],
    "encode_video": [[f"{DATA}/teachers/small/shards/{k}.h5"] for k in SHARDS],
    "merge_embeddings": [[f"{DATA}/teachers/small/embeddings.h5"]],
    "select_anchors": [[f"{DATA}/teachers/small/anchors.h5"]],
    "distill": [[f"{RUN}/student", f"{RUN}/history.json"]],
    "extract_features": [[f"{RUN}/tiny/features.h5"]],
    "extract_teacher_features": [[f"{DATA}/teachers/small/features.h5"]],
    "evaluate_anchors": [[f"{RUN}/tiny/anchors.json"]],
    "evaluate_svm": [[f"{RUN}/tiny/svm.json"]],
    "report": [[f"results/report/{name}" for name in REPORT]],
}


def outputs(rule: str) -> list[str]:
    """The outputs of all jobs of a stage."""
    return [path for job in STAGES[rule] for path in job]


@dataclass(frozen=True)
class Moment:
    """When to strike: `delay_s` after the job came up, or (`at_write`) after its first unfinished file did."""

    delay_s: float
    at_write: bool


def moments(seed: str, duration_s: float) -> Iterator[Moment]:
    """Random moments in the life of a job that takes `duration_s`: every second one while it writes."""
    chance = random.Random(seed)
    while True:
        yield Moment(chance.uniform(0, duration_s), at_write=False)
        yield Moment(chance.uniform(0, 0.01), at_write=True)


def duration(project: Project, rule: str) -> float:
    """How long the rule's longest job took in an undisturbed run, s."""
    files = (project.folder / "results/benchmarks").glob(f"{rule}*/**/*.tsv")
    single = project.folder / f"results/benchmarks/{rule}.tsv"
    times = [
        float(path.read_text().splitlines()[1].split("\t")[0]) for path in [*files, single] if path.exists()
    ]
    return max(times)


class Run:
    """A running Snakemake; the end of its `with` block is its end."""

    def __init__(self, project: Project, *arguments: str) -> None:
        self.folder = project.folder
        self.log = project.folder / "snakemake.log"
        self.process = subprocess.Popen(
            project.command(tiny_config(), *arguments),
            stdout=self.log.open("w"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=project.folder,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.end(signal.SIGINT)

    def jobs(self) -> list[tuple[str, psutil.Process]]:
        """The processes that run a rule's script at the moment, with its name; looking takes 20 ms."""
        time.sleep(0.02)
        return [(rule, child) for child in _children(self.process.pid) if (rule := _rule(child))]

    def job(self, rule: str, timeout: float = 120) -> psutil.Process | None:
        """The process that runs a job of the rule, once there is one; None when Snakemake ended before."""
        deadline = time.monotonic() + timeout
        while self.process.poll() is None and time.monotonic() < deadline:
            for name, job in self.jobs():
                if name == rule:
                    return job
        return None

    def wait_for(self, moment: Moment, job: psutil.Process, timeout: float = 60) -> None:
        """Wait for the moment in the job's life, or for its end."""
        deadline = time.monotonic() + timeout
        marks = f".partial-*-{job.pid}-*"
        while moment.at_write and _alive(job) and time.monotonic() < deadline:
            if any(True for root in ("results", "dataset") for _ in (self.folder / root).rglob(marks)):
                break
            time.sleep(0.001)
        until = time.monotonic() + moment.delay_s
        while _alive(job) and time.monotonic() < until:
            time.sleep(0.005)

    def end(self, how: signal.Signals | None = None, timeout: float = 300) -> int:
        """Signal Snakemake, and wait for its end. SIGINT goes to its jobs, too, as Ctrl-C does."""
        if how is signal.SIGINT:
            os.killpg(self.process.pid, how)
        elif how is not None:
            self.process.send_signal(how)
        return self.process.wait(timeout)


def kill(job: psutil.Process) -> bool:
    """SIGKILL; whether the job was alive."""
    try:
        job.kill()
    except psutil.NoSuchProcess:
        return False
    return True


def _alive(job: psutil.Process) -> bool:
    try:
        return bool(job.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _children(pid: int) -> list[psutil.Process]:
    try:
        return list(psutil.Process(pid).children())
    except psutil.NoSuchProcess:
        return []


def _rule(process: psutil.Process) -> str:
    """The rule whose script a process runs: Snakemake calls its copy `tmp….<rule>.py`."""
    try:
        command = " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""
    found = re.search(r"/scripts/tmp\w+\.(\w+)\.py", command)
    return found[1] if found else ""


def remove(project: Project, paths: Sequence[str]) -> None:
    """Remove files and folders of a project."""
    for path in (project.folder / name for name in paths):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def orphans(project: Project, timeout: float = 30) -> list[str]:
    """Processes of a project's jobs that still live, some time after they should have ended."""
    deadline = time.monotonic() + timeout
    while found := [
        command
        for process in psutil.process_iter(["cmdline", "status"])
        if str(project.folder) in (command := " ".join(process.info["cmdline"] or []))
        and process.info["status"] != psutil.STATUS_ZOMBIE
    ]:
        if time.monotonic() > deadline:
            return found
        time.sleep(0.2)
    return []


def leftovers(project: Project) -> list[str]:
    """Unfinished files that nobody has removed."""
    roots = (project.folder / "results", project.folder / "dataset")
    return [str(path) for root in roots for path in root.rglob(".partial-*")]
