"""Embed IMU windows with a student, and check that every embedding is finite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from comodo.clips.imu_windows import Windows
from comodo.errors import ModelError
from comodo.models.base import Student


def embed(
    student: Student,
    windows: Windows | Sequence[NDArray[np.floating]] | NDArray[np.floating],
    device: str | None = None,
    batch_size: int = 256,
) -> NDArray[np.float32]:
    """Return the features of IMU windows.

    Args:
        student: a student, for example from `load_student`. It is set to eval mode.
        windows: (n, C, T), or a sequence of n windows (C, T_i), for example from `cut_windows`. Acceleration in m/s²,
            angular rate in rad/s, at the sampling rate of the student's training data.
        device: torch device to move the student to; None leaves it on its device.
        batch_size: windows per forward pass.

    Returns:
        Features (n, dim), float32, in the order of the windows.

    Raises:
        ModelError: if the number of channels is wrong, or a feature is not finite.

    Example:
        >>> features = embed(student, cut_windows(signal, seconds=5))
        >>> features.shape
        (12, 1536)
    """
    if device is None:
        device = str(next((values.device for values in student.parameters()), "cpu"))
    batches = list(embed_batches(student.to(device), windows, device, batch_size))
    if not batches:
        return np.empty((0, student.dim), dtype=np.float32)
    features: NDArray[np.float32] = torch.cat(batches).cpu().numpy()
    return features


@torch.inference_mode()
def embed_batches(
    student: Student,
    windows: Windows | Sequence[NDArray[np.floating]] | NDArray[np.floating],
    device: str,
    batch_size: int = 256,
) -> Iterator[Tensor]:
    """Yield the pooled embeddings (B, D) of windows, batch by batch and in order. Sets the student to eval mode.

    Raises:
        ModelError: if an embedding is not finite. The message names the window.
    """
    student.eval()
    for start in tqdm(
        range(0, len(windows), batch_size), unit="batch", desc="embedding", disable=len(windows) < 1000
    ):
        rows = range(start, min(start + batch_size, len(windows)))
        batch, mask = student.collate([np.asarray(windows[row], dtype=np.float32) for row in rows])
        features: Tensor = student(batch.to(device), None if mask is None else mask.to(device))
        if (wrong := first_not_finite(features)) is not None:
            row = rows[wrong]
            window = windows.describe(row) if hasattr(windows, "describe") else f"window {row}"
            if first_not_finite(batch[wrong : wrong + 1]) is not None:
                raise ModelError(f"the IMU of {window} is not finite: no student can embed it")
            raise ModelError(
                f"the {student.family} student's embedding of {window} is not finite: use another student, or "
                "train it again"
            )
        yield features


def first_not_finite(rows: Tensor) -> int | None:
    """Return the index of the first row with a value that is not finite, or None."""
    finite = rows.flatten(1).isfinite().all(dim=1)
    return None if bool(finite.all()) else int(finite.int().argmin())
