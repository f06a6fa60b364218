"""IMU windows, read one by one from the preprocessed shards: memory does not grow with the dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from comodo.recordings.imu_shard import read_window
from comodo.storage.hdf5 import checked_hdf5, damage_of


class ImuWindows:
    """The IMU of a table of windows, by row: `windows[i]` is (C, T) float32 in m/s² and rad/s.

    Files are opened read-only on first use and stay open in the process that uses them.

    Args:
        windows: rows with recording, shard, first_sample, last_sample.
        shards: the preprocessed IMU of shard 0, 1, …
    """

    def __init__(self, windows: pd.DataFrame, shards: Sequence[Path]) -> None:
        # plain arrays: a million rows must not become millions of objects
        codes, names = pd.factorize(windows["recording"])
        columns = (codes, *(windows[name] for name in ("shard", "first_sample", "last_sample")))
        self._rows = np.stack([np.asarray(column, dtype=np.int64) for column in columns], axis=1)
        self._recordings = list(names)
        self._shards = [Path(path) for path in shards]
        self._open: dict[int, h5py.File] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> NDArray[np.float32]:
        recording, shard, first, last = self._rows[row].tolist()
        path = self._shards[shard]
        if shard not in self._open:
            self._open[shard] = checked_hdf5(path)
        with damage_of(path):
            return read_window(self._open[shard], self._recordings[recording], first, last)

    def describe(self, row: int) -> str:
        """Name a window: its number, its recording and its samples."""
        recording, _, first, last = self._rows[row].tolist()
        return f"window {row} (recording {self._recordings[recording]}, samples {first} to {last})"


class Windows(Protocol):
    """The IMU windows of the train clips, read on access: window i is (C, T), float32."""

    def __len__(self) -> int:
        """Return the number of train clips."""

    def __getitem__(self, index: int, /) -> NDArray[np.float32]:
        """Return the window of one clip."""
