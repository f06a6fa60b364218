"""Embeddings of IMU windows by a student."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from tqdm import tqdm

from comodo.clips.imu_windows import ImuWindows
from comodo.models.base import Student


@torch.inference_mode()
def embed(student: Student, windows: ImuWindows, device: str, batch_size: int = 256) -> Iterator[Tensor]:
    """Pooled embeddings (B, D) of windows, batch by batch, in their order; the student stays in eval mode."""
    student.eval()
    for start in tqdm(
        range(0, len(windows), batch_size), unit="batch", desc="embedding", disable=len(windows) < 1000
    ):
        rows = range(start, min(start + batch_size, len(windows)))
        batch, mask = student.collate([windows[row] for row in rows])
        yield student(batch.to(device), None if mask is None else mask.to(device))
