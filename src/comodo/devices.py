"""Where a job computes."""

from __future__ import annotations


def use_device(threads: int) -> str:
    """The device of this job, "cuda" where there is one; torch is held to `threads` CPU threads."""
    import torch

    torch.set_num_threads(max(1, threads))
    return "cuda" if torch.cuda.is_available() else "cpu"
