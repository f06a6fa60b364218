"""Embeddings of IMU windows by a student; every one is finite."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from tqdm import tqdm

from comodo.clips.imu_windows import ImuWindows
from comodo.errors import ModelError
from comodo.models.base import Student


@torch.inference_mode()
def embed(student: Student, windows: ImuWindows, device: str, batch_size: int = 256) -> Iterator[Tensor]:
    """Pooled embeddings (B, D) of windows, batch by batch, in their order; the student stays in eval mode.

    Raises:
        ModelError: when an embedding is not finite; it names the window.
    """
    student.eval()
    for start in tqdm(
        range(0, len(windows), batch_size), unit="batch", desc="embedding", disable=len(windows) < 1000
    ):
        rows = range(start, min(start + batch_size, len(windows)))
        batch, mask = student.collate([windows[row] for row in rows])
        features: Tensor = student(batch.to(device), None if mask is None else mask.to(device))
        if (wrong := first_not_finite(features)) is not None:
            window = windows.describe(rows[wrong])
            if first_not_finite(batch[wrong : wrong + 1]) is not None:
                raise ModelError(f"the IMU of {window} is not finite: no student can embed it")
            raise ModelError(
                f"the {student.family} student's embedding of {window} is not finite: take another student, or "
                "train it again"
            )
        yield features


def first_not_finite(rows: Tensor) -> int | None:
    """Number of the first row (of the first dimension) that holds a value that is not finite."""
    finite = rows.flatten(1).isfinite().all(dim=1)
    return None if bool(finite.all()) else int(finite.int().argmin())
