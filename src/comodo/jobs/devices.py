"""Where a job computes: on a GPU of its own where there are some, else on the CPU."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import logging
import os
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from comodo.errors import DeviceError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import torch

log = logging.getLogger(__name__)
LOCKS = Path("/tmp/comodo-gpus")  # of this machine, and of all its users
# slot → its open lock file: free again when this process has ended, however it ended
_held: dict[str, int] = {}


def use_device(threads: int) -> str:
    """The device of this job: the first free GPU among the visible ones ("cuda:0", …), "cpu" without a GPU.

    A GPU is this process's until it ends: other jobs on the machine take other ones, or wait. CUDA_VISIBLE_DEVICES is
    honoured, and what Slurm gave to a job is the job's: a single visible GPU of a Slurm job is taken without asking.
    torch is held to `threads` CPU threads, and its current CUDA device is the one returned.

    Raises:
        DeviceError: when the slots cannot be locked.
    """
    import torch

    torch.set_num_threads(max(1, threads))
    if not torch.cuda.is_available():
        _keep_freed_memory()
        return "cpu"
    visible = range(torch.cuda.device_count())
    if len(visible) == 1 and "SLURM_JOB_ID" in os.environ:
        index = 0
    else:  # by the name of the hardware, as CUDA_VISIBLE_DEVICES may number it otherwise in every job
        index = reserve_slot([str(torch.cuda.get_device_properties(k).uuid) for k in visible])
    torch.cuda.set_device(index)
    return f"cuda:{index}"


def _keep_freed_memory() -> None:
    """Have glibc keep the memory of freed tensors for the next ones, instead of asking for zeroed pages each time.

    A step of Mantis-8M with 128 windows takes a quarter less time on a CPU, and 15 % more memory.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # glibc: M_MMAP_THRESHOLD, M_TRIM_THRESHOLD of malloc.h
        libc.mallopt(-3, 1 << 30)
        libc.mallopt(-1, (1 << 31) - 1)


def send(tensor: torch.Tensor, device: str | torch.device) -> torch.Tensor:
    """Move a tensor to a device; to a GPU by way of pinned memory, without waiting for the copy."""
    to_gpu = str(device).startswith("cuda")
    return (tensor.pin_memory() if to_gpu else tensor).to(device, non_blocking=to_gpu)


def autocast(device: str | torch.device, precision: str) -> AbstractContextManager[None]:
    """Where "bfloat16" is asked for, matrix products take it; weights and what is kept stay float32."""
    import torch

    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=precision == "bfloat16")


def reserve_slot(names: Sequence[str], folder: Path | None = None, poll_s: float = 1.0) -> int:
    """Lock the first free one of some slots for the life of this process; wait while all are taken.

    A process that holds one of them already gets it again.

    Args:
        names: of the slots, the same in every process; each is a lock file.
        folder: where the lock files lie: on this machine, not on a shared disk. Default: `LOCKS`.
        poll_s: how often to look again, s.

    Returns:
        The slot's place in `names`.

    Raises:
        DeviceError: when the folder or a lock file is not to be trusted or cannot be opened.
    """
    if own := [index for index, name in enumerate(names) if name in _held]:
        return own[0]
    folder = folder or LOCKS
    announced = False
    while True:
        for index, name in enumerate(names):
            file = _open(folder, f"{name}.lock")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
            else:
                _held[name] = file
                log.info("GPU %s (%d of %d) is reserved", name, index, len(names))
                return index
        if not announced:
            announced = True
            log.info("all %d GPUs are in use by other jobs (%s): waiting", len(names), folder)
        time.sleep(poll_s)


def _open(folder: Path, name: str) -> int:
    """Open a lock file, whoever made it; a lock needs no right to write."""
    path = folder / name
    try:
        try:
            folder.mkdir()
            folder.chmod(0o1777)  # as /tmp itself: all may add, none may remove files of others
        except FileExistsError:
            if not stat.S_ISDIR(folder.lstat().st_mode):
                raise
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # a FIFO would wait for a writer
        try:
            file = os.open(path, flags)
        except FileNotFoundError:
            file = os.open(path, flags | os.O_CREAT, 0o644)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise OSError(errno.EINVAL, "not a regular file")
        return file
    except OSError as error:
        raise DeviceError(
            f"no GPU can be reserved: {path}: {error.strerror}; delete {folder} while no job runs"
        ) from None
