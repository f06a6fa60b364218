"""A real Slurm of one node on this machine, for tests: Debian's daemons, loopback only, all files in one folder."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
SYSTEM_CONF = Path("/etc/slurm")  # the plugin's job step forgets SLURM_CONF, so the files must be found here
AS_MUNGE = ("setpriv", "--reuid=munge", "--regid=munge", "--clear-groups")
FILES = ("slurm.conf", "gres.conf")
N_GPUS = 2
NAME = "comodo-test"
OWNER = "tests.txt"  # beside slurm.conf: the process whose tests use this Slurm, and its start

CONF = """\
ClusterName={name}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={node_port}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/munge
AuthInfo=socket={root}/munge/socket
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd.log
# no cgroups, no accounting, no systemd; memory is scheduled, not enforced, and not what the machine has
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
MinJobAge=3600
EnforcePartLimits=ALL
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=10
SlurmdParameters=config_overrides
KillWait=2
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=64000 Gres=gpu:{gpus} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=1-00:00:00 State=UP
"""


class SlurmError(RuntimeError):
    """A Slurm that does not come up."""


def why_not() -> str | None:
    """Say why no Slurm can be started here; None where it can."""
    if os.geteuid() != 0:
        return "Slurm's daemons are started as root"
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        return f"no {', '.join(missing)} here: apt-get install slurm-wlm munge"
    conf = SYSTEM_CONF / "slurm.conf"
    if conf.exists() and f"ClusterName={NAME}" not in conf.read_text():
        return f"{conf} is there: this machine has a Slurm of its own"
    if conf.exists() and _runs((conf.resolve().parent / OWNER).read_text()):
        return f"{conf} is of other tests that are running"
    return None


@dataclass(frozen=True)
class Job:
    """A job, as squeue shows it: memory like "4000M", gpus like "gres:gpu:1" or "N/A"."""

    id: str
    state: str
    memory: str
    gpus: str
    rule: str


class Slurm:
    """One node whose jobs are real, and whose GPUs are `N_GPUS` device files that no CUDA knows."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.host = socket.gethostname().split(".")[0]

    def start(self) -> None:
        """Bring munged, slurmctld and slurmd up, and wait until a job has run."""
        self.root.mkdir(parents=True, exist_ok=True)
        _end_leftover()
        (self.root / OWNER).write_text(f"{os.getpid()} {psutil.Process().create_time()}")
        self._start_munge()
        port, node_port = _free_port(), _free_port()
        files = {
            "slurm.conf": CONF.format(
                host=self.host, port=port, node_port=node_port, root=self.root, cpus=os.cpu_count(),
                gpus=N_GPUS, name=NAME,
            ),
            "gres.conf": "".join(
                f"NodeName={self.host} Name=gpu File={self._device(k)}\n" for k in range(N_GPUS)
            ),
        }  # fmt: skip
        for name, text in files.items():
            (self.root / name).write_text(text)
            (SYSTEM_CONF / name).symlink_to(self.root / name)
        for daemon in ("slurmctld", "slurmd"):
            self.start_daemon(daemon)
        self.wait_until_ready()
        subprocess.run(["srun", "--time=1", "--gpus=1", "true"], check=True, timeout=60)

    def stop(self) -> None:
        """Cancel what runs, end the daemons, take the links away."""
        if self._pid("slurmctld") is not None:
            subprocess.run(["scancel", "--user=root"], check=False, timeout=20, capture_output=True)
        for daemon in ("slurmd", "slurmctld"):
            self.stop_daemon(daemon)
        if (pid := self._pid("munge/munged")) is not None:
            _end(pid, signal.SIGTERM)
        for name in FILES:
            if (SYSTEM_CONF / name).is_symlink():
                (SYSTEM_CONF / name).unlink()

    def start_daemon(self, name: str) -> None:
        """Start slurmctld or slurmd; it puts itself into the background."""
        subprocess.run([name], check=True, timeout=60)

    def stop_daemon(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        """End slurmctld or slurmd; jobs go on without it."""
        if (pid := self._pid(name)) is not None:
            _end(pid, how)

    def lose_node(self) -> None:
        """Let the node vanish with all that runs on it; `start_daemon("slurmd")` brings an empty one back."""
        steps = [p for p in psutil.process_iter() if p.name() == "slurmstepd"]
        jobs = [child for step in steps for child in step.children(recursive=True)]
        self.stop_daemon("slurmd", signal.SIGKILL)
        for process in [*steps, *jobs]:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def wait_until_ready(self, timeout: float = 60) -> None:
        """Wait until the node takes jobs."""
        deadline = time.monotonic() + timeout
        state = ""
        while time.monotonic() < deadline:
            state = self.ask("sinfo", "--noheader", "--format=%t")
            if state in ("idle", "mix", "alloc"):
                return
            if state.startswith(("down", "drain")):
                self.ask("scontrol", "update", f"nodename={self.host}", "state=resume")
            time.sleep(0.2)
        raise SlurmError(f"the node is {state!r} after {timeout:.0f} s: see the logs in {self.root}")

    def jobs(self, states: str = "all") -> list[Job]:
        """The jobs that Snakemake has sent by either profile, those that have ended included."""
        fields = "JobID:|,State:|,MinMemory:|,tres-per-job:|,Name:|,Comment:|"
        lines = self.ask("squeue", "--noheader", f"--states={states}", f"--Format={fields}").splitlines()
        jobs = []
        for number, state, memory, gpus, name, comment, _ in (line.split("|") for line in lines):
            if found := re.match(r"rule_(\w+?)(_wildcards_|$)", comment) or re.match(r"comodo-(\w+)$", name):
                jobs.append(Job(number, state, memory, gpus, found[1]))
        return jobs

    def state(self, job: str) -> str:
        """State of a job, as Slurm names it."""
        return self.ask("squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%T")

    def ask(self, *command: str) -> str:
        """Ask Slurm something; an unreachable controller gives no answer ("")."""
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        return done.stdout.strip()

    def _start_munge(self) -> None:
        folder = self.root / "munge"
        folder.mkdir(exist_ok=True)
        key = folder / "key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(1024))
        shutil.chown(folder, "munge", "munge")
        shutil.chown(key, "munge", "munge")
        names = {"socket": "socket", "pid-file": "munged.pid", "log-file": "log", "seed-file": "seed"}
        options = [f"--{option}={folder / name}" for option, name in names.items()]
        subprocess.run(
            [*AS_MUNGE, "munged", "--force", f"--key-file={key}", *options],
            check=True,
            timeout=60,
            capture_output=True,
        )

    def _device(self, k: int) -> Path:
        return [Path("/dev/zero"), Path("/dev/full")][k]

    def _pid(self, name: str) -> int | None:
        """The daemon's process, if it lives; its number may be another program's by now."""
        path = self.root / f"{name}.pid"
        with suppress(FileNotFoundError, ValueError, psutil.NoSuchProcess):
            pid = int(path.read_text())
            return pid if psutil.Process(pid).name() == path.stem else None
        return None


def _runs(owner: str) -> bool:
    """Whether the process lives that wrote itself down as `OWNER`."""
    pid, start = owner.split()
    try:
        return psutil.Process(int(pid)).create_time() == float(start)
    except psutil.NoSuchProcess:
        return False


def _end_leftover() -> None:
    """End the Slurm of tests that were killed."""
    conf = SYSTEM_CONF / "slurm.conf"
    if conf.exists():
        Slurm(conf.resolve().parent).stop()
    for name in FILES:
        (SYSTEM_CONF / name).unlink(missing_ok=True)  # perhaps a link to nothing


def _end(pid: int, how: signal.Signals) -> None:
    """Signal a daemon and wait until it has gone."""
    for attempt in range(200):
        try:
            os.kill(pid, how if attempt == 0 else 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise SlurmError(f"process {pid} does not end")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
