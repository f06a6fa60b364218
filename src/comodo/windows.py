"""IMU windows, read one by one from the preprocessed shards: memory does not grow with the dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from comodo.artefacts import DamageError, check_shapes
from comodo.imu import read_window
from comodo.models import Student


class ImuWindows:
    """The IMU windows of a clip table, by row: `windows[i]` is (6, T) float32 in m/s² and rad/s.

    Files are opened read-only on first use and stay open in the process that uses them.

    Args:
        clips: rows with recording, shard, first_sample, last_sample.
        shards: the preprocessed IMU of shard 0, 1, …
    """

    def __init__(self, clips: pd.DataFrame, shards: Sequence[Path]) -> None:
        # plain arrays: a million clips shall not become millions of objects
        codes, names = pd.factorize(clips["recording"])
        columns = (codes, *(clips[name] for name in ("shard", "first_sample", "last_sample")))
        self._rows = np.stack([np.asarray(column, dtype=np.int64) for column in columns], axis=1)
        self._recordings = list(names)
        self._shards = [Path(path) for path in shards]
        self._open: dict[int, h5py.File] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> NDArray[np.float32]:
        recording, shard, first, last = self._rows[row].tolist()
        try:
            if shard not in self._open:
                self._open[shard] = h5py.File(self._shards[shard], "r")
                check_shapes(self._open[shard])
            return read_window(self._open[shard], self._recordings[recording], first, last)
        except (OSError, KeyError) as error:
            raise DamageError(self._shards[shard], error) from None


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
