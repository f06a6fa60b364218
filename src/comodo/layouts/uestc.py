"""UESTC-MMEA-CL: `video/<class>/<name>.mp4`, `sensor/<class>/<name>.csv`, and the published split files.

A csv has no header and no clock: 25 rows per second, as many as the video has frames. Columns 0–2 are the
accelerometer, 3–5 the gyroscope, in raw 16-bit counts. The published work takes 16384 counts per g and 16.4 per deg/s,
the dataset's own loader 8192 per g: set `imu.accel_counts_per_g` and `imu.gyro_counts_per_dps`.
https://ivipclab.github.io/publication_uestc-mmea-cl/
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from comodo.config import DatasetSettings
from comodo.layouts.imu_csv import read_imu_csv
from comodo.layouts.processed import SUFFIX, clock_files, imu_path, read_processed_imu, video_path
from comodo.layouts.split_files import check_root, read_split_files, required_splits, split_folder
from comodo.layouts.types import STANDARD_GRAVITY, ImuSamples, Recording
from comodo.notes import note

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RATE_HZ = 25
COLUMNS = ("0", "1", "2", "3", "4", "5")  # as `read_imu_csv` names them
SEVENTH = "6"
LOWEST, HIGHEST = -(2**15), 2**15 - 1


def _read_counts(path: Path, notes: list[str]) -> NDArray[np.float64]:
    """Read the six columns of the sensors, (6, N): the first, unless it counts the rows of seven (saved by pandas)."""
    import numpy as np

    table = read_imu_csv(path, COLUMNS, header=False)
    first = table[COLUMNS[0]].to_numpy()
    if len(first) < 3 or not (np.diff(first[1:]) == 1).all():
        return table[list(COLUMNS)].to_numpy().T
    shifted = (*COLUMNS[1:], SEVENTH)
    table = read_imu_csv(path, shifted, header=False)
    notes.append(note("imu_row_numbers", "the first of seven columns counts the rows: left out"))
    # a row without a number holds the numbers of the columns
    return table[list(shifted)].to_numpy()[1 if np.isnan(first[0]) else 0 :].T


class Uestc:
    """Reader of the UESTC-MMEA-CL layout."""

    def __init__(self, name: str, settings: DatasetSettings) -> None:
        self.key = f"datasets.{name}"
        self.settings = settings

    def recordings(self) -> list[Recording]:
        """List the recordings of the split files; ids are `<class>/<name>`. Raises `LayoutError`."""
        root = check_root(self.settings, f"{self.key}.root")
        needed = required_splits(self.settings)
        rows = read_split_files(split_folder(self.settings), f"{self.key}.splits", needed)
        return [
            Recording(
                id=name,
                split=split,
                label=label,
                video=video_path(root / "video" / f"{name}.mp4", root, name) if self.settings.video else None,
                imu=imu_path(root / "sensor" / f"{name}.csv", root, name),
            )
            for name, label, split in rows
        ]

    def clock_files(self, recording: Recording) -> list[Path]:
        """Name the times of a processed array; a raw csv holds its own clock."""
        return clock_files(recording)

    def read_imu(self, recording: Recording) -> list[ImuSamples]:
        """Read the csv of a recording; under `alignment: reference` in g and deg/s, as published. Raises `ImuError`."""
        import numpy as np

        if recording.imu.suffix == SUFFIX:
            return [read_processed_imu(recording.imu)]
        notes: list[str] = []
        counts = _read_counts(recording.imu, notes)
        outside = ((counts < LOWEST) | (counts > HIGHEST)).any(axis=0)
        if outside.any():
            text = f"{outside.sum()} samples lie outside the 16-bit range: the sensor's counter overflowed?"
            notes.append(note("imu_out_of_range", text))
        if clipped := int(((counts == LOWEST) | (counts == HIGHEST)).any(axis=0).sum()):
            text = f"{clipped} samples lie at the end of the 16-bit range: clipped"
            notes.append(note("imu_clipped", text))
        accel = counts[:3] / self.settings.imu.accel_counts_per_g
        gyro = counts[3:] / self.settings.imu.gyro_counts_per_dps
        time = np.arange(counts.shape[1]) / RATE_HZ
        if self.settings.alignment == "reference":
            return [ImuSamples(time, accel, time, gyro, notes, RATE_HZ, gravity=1.0)]
        time[outside] = math.nan  # unknown samples: a hole
        return [ImuSamples(time, accel * STANDARD_GRAVITY, time, gyro * (math.pi / 180), notes, RATE_HZ)]
