"""GPU slots: processes that reserve from the same names never hold the same one. The devices are names here."""

from __future__ import annotations

import multiprocessing
import os
import signal
import stat
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from comodo.errors import DeviceError
from comodo.jobs import devices
from comodo.jobs.devices import reserve_slot, use_device

GPUS = ["GPU-a", "GPU-b", "GPU-c"]
SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(autouse=True)
def holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_held", {})


def hold(folder: Path, names: list[str], out: Connection) -> None:
    """Reserve a slot, say which, and keep it until told to end."""
    out.send(reserve_slot(names, folder, poll_s=0.02))
    out.recv()


class Job:
    """A process that wants a slot."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.pipe, theirs = SPAWN.Pipe()
        self.process = SPAWN.Process(target=hold, args=(folder, names, theirs), daemon=True)
        self.process.start()

    def slot(self, timeout: float = 30) -> int | None:
        return self.pipe.recv() if self.pipe.poll(timeout) else None


def test_each_job_gets_its_own_and_the_dead_free_theirs(tmp_path: Path) -> None:
    folder = tmp_path / "locks"
    jobs = [Job(folder, GPUS) for _ in GPUS]
    slots = [job.slot() for job in jobs]
    assert sorted(map(str, slots)) == ["0", "1", "2"]

    waiting = Job(folder, GPUS)
    assert waiting.slot(timeout=1.5) is None
    os.kill(jobs[1].process.pid or 0, signal.SIGKILL)
    assert waiting.slot() == slots[1]
    for job in (*jobs, waiting):
        job.process.kill()
        job.process.join()


def another_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process forget what it holds (the locks stay), as if it were another one."""
    monkeypatch.setattr(devices, "_held", {})


def test_slots_go_by_name_not_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA_VISIBLE_DEVICES may show the same GPU under another number."""
    held = devices._held
    assert reserve_slot(["GPU-a", "GPU-b"], tmp_path) == 0
    another_job(monkeypatch)
    assert reserve_slot(["GPU-b", "GPU-a"], tmp_path) == 0
    assert held.keys() == {"GPU-a"}


def test_a_job_that_asks_again_keeps_its_own(tmp_path: Path) -> None:
    assert reserve_slot(["GPU-x"], tmp_path) == 0
    assert reserve_slot(["GPU-y", "GPU-x"], tmp_path) == 1


def test_lock_files_of_other_users_serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "locks"
    assert reserve_slot(["GPU-a"], folder) == 0
    assert stat.S_IMODE(folder.stat().st_mode) == 0o1777
    assert stat.S_IMODE((folder / "GPU-a.lock").stat().st_mode) & 0o044 == 0o044
    (folder / "GPU-b.lock").touch(mode=0o444)
    another_job(monkeypatch)
    assert reserve_slot(["GPU-a", "GPU-b"], folder) == 1


def test_a_link_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "GPU-a.lock").symlink_to(tmp_path / "precious")
    with pytest.raises(DeviceError, match=r"GPU-a\.lock.*delete"):
        reserve_slot(["GPU-a"], tmp_path)
    assert not (tmp_path / "precious").exists()


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """A torch that shows two GPUs; the list is of those made current."""
    current: list[int] = []
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda k: SimpleNamespace(uuid=f"uuid-{k}"))
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    monkeypatch.setattr(devices, "LOCKS", tmp_path / "locks")
    return current


def test_use_device_takes_the_first_free_gpu(two_gpus: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    found = [use_device(1), use_device(1)]
    another_job(monkeypatch)
    assert [*found, use_device(1)] == ["cuda:0", "cuda:0", "cuda:1"]
    assert two_gpus == [0, 0, 1]


def test_use_device_knows_a_gpu_by_its_hardware(two_gpus: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Another job sees the same two in the other order: the GPU that is taken is number 1 there."""
    assert use_device(1) == "cuda:0"
    another_job(monkeypatch)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda k: SimpleNamespace(uuid=f"uuid-{1 - k}"))
    assert use_device(1) == "cuda:0"


def test_a_gpu_that_slurm_gave_is_taken_as_it_is(
    two_gpus: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slurm may let jobs share a GPU, or show each job its own as number 0."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert use_device(1) == "cuda:0"
    another_job(monkeypatch)
    assert use_device(1) == "cuda:0"


def test_without_gpus_it_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert use_device(1) == "cpu"
    assert torch.get_num_threads() == 1
