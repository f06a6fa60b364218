"""The HDF5 shard that keeps resampled IMU: one group per recording."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from comodo.config import DatasetSettings
from comodo.errors import ImuError
from comodo.jobs.versions import VERSIONS
from comodo.layouts.ids import safe_name
from comodo.layouts.opening import open_layout
from comodo.layouts.types import Layout, Recording
from comodo.recordings.resample import resample
from comodo.recordings.resample_reference import resample_reference
from comodo.recordings.signal import ImuSignal
from comodo.storage.artefacts import CHECKED, create_hdf5, open_hdf5

CLOCK = ("accel_hz", "gyro_hz", "imu_jitter", "imu_repeated", "imu_backward", "imu_missing")
"""Measured properties of the clocks of a recording: attributes of a shard, columns of the quality report."""


def preprocess(
    layout: Layout, recordings: Iterable[Recording], settings: DatasetSettings
) -> Iterator[tuple[Recording, ImuSignal | ImuError]]:
    """Read and resample one recording after the other, as `settings` say; what cannot be used comes as its error."""
    for recording in recordings:
        try:
            components = layout.read_imu(recording)
            if settings.alignment == "reference":
                yield recording, resample_reference(components, settings.imu.rate_hz)
            else:
                yield recording, resample(components, settings.imu.rate_hz, settings.imu.max_gap_s)
        except ImuError as error:
            yield recording, error


def write_imu_shard(path: Path, signals: Iterable[tuple[Recording, ImuSignal | ImuError]]) -> None:
    """Write signals to an HDF5 file as they come, one recording in memory at a time.

    One group per recording, named `safe_name(id)`, with attributes `id`, `notes` (JSON list), `reason` and `detail`
    ("" where usable), `start_s`, `rate_hz`, and those of `CLOCK` (`alignment: timestamps`). Datasets: `data` float32
    (6, T) and `valid` int64 (n, 2), the ranges [begin, end) of samples that are not NaN; both are absent where the
    recording was dropped.
    """
    with create_hdf5(path) as file:
        file.attrs["version"] = VERSIONS["preprocess_imu"]
        for recording, signal in signals:
            group = file.create_group(safe_name(recording.id))
            group.attrs["id"] = recording.id
            error = signal if isinstance(signal, ImuError) else None
            group.attrs["reason"] = error.reason if error else ""
            group.attrs["detail"] = str(error) if error else ""
            group.attrs["notes"] = json.dumps(signal.notes, ensure_ascii=False)
            if isinstance(signal, ImuSignal):
                group.attrs["start_s"] = signal.start_s
                group.attrs["rate_hz"] = signal.rate_hz
                for name, value in _clock_values(signal).items():
                    group.attrs[name] = value
                length = signal.data.shape[1]
                runs = signal.runs
                group.create_dataset(
                    "data", data=signal.data, chunks=(len(signal.data), min(length, 4096)), **CHECKED
                )
                group.create_dataset("valid", data=runs, chunks=runs.shape, **CHECKED)


def read_window(file: h5py.File, recording_id: str, start: int, stop: int) -> NDArray[np.float32]:
    """Read samples [start, stop) of a recording's array from an open shard: float32 (6, stop − start)."""
    window: NDArray[np.float32] = file[safe_name(recording_id)]["data"][:, start:stop]
    return window


def read_channels(paths: Iterable[Path]) -> int:
    """Read the number of channels C of the recordings in shards; 6 where no recording is usable."""
    for path in paths:
        with open_hdf5(path) as file:
            for group in file.values():
                if "data" in group:
                    return int(group["data"].shape[0])
    return 6


def _clock_values(signal: ImuSignal) -> dict[str, float]:
    """Return the measured properties of the clocks of a signal, by the names in `CLOCK`; shares are the larger ones."""
    if signal.clocks is None:
        return {}
    accel, gyro = signal.clocks
    shares = ("jitter", "repeated", "backward", "missing")
    worst = {f"imu_{name}": round(max(getattr(accel, name), getattr(gyro, name)), 6) for name in shares}
    return {"accel_hz": round(accel.rate_hz, 3), "gyro_hz": round(gyro.rate_hz, 3)} | worst


def read_clocks(path: Path) -> dict[str, dict[str, float]]:
    """Read the measured properties of the clocks of usable recordings: id → name in `CLOCK` → value."""
    with open_hdf5(path) as file:
        return {
            group.attrs["id"]: {name: float(group.attrs[name]) for name in CLOCK if name in group.attrs}
            for group in file.values()
        }


def read_notes(path: Path) -> dict[str, list[str]]:
    """Read the notes on the recordings of a shard: id → notes; recordings without notes are left out."""
    with open_hdf5(path) as file:
        notes = {group.attrs["id"]: json.loads(group.attrs.get("notes", "[]")) for group in file.values()}
    return {recording: found for recording, found in notes.items() if found}


def preprocess_shard(
    dataset: str, settings: DatasetSettings, recordings: Sequence[Recording], target: Path
) -> None:
    """Resample the IMU of a shard into one HDF5 file."""
    progress = tqdm(recordings, unit="recording", desc="resampling")
    write_imu_shard(target, preprocess(open_layout(dataset, settings), progress, settings))
