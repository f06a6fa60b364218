"""Tables of clips as the workflow makes them, for tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from comodo.clips.tables import COLUMNS, merge_candidates
from comodo.layouts.types import Recording
from comodo.recordings.imu_shard import write_imu_shard
from comodo.recordings.signal import ImuSignal


def candidate_table(recordings: Mapping[str, int], **columns: object) -> pd.DataFrame:
    """Make the candidates of a shard: so many pairs of 5 s of each recording, one after the other.

    Keywords give columns other values, as `DataFrame.assign` takes them; the dtypes stay.
    """
    rows = [
        {
            "clip": f"{recording}#{window:05d}",
            "recording": recording,
            "split": "train",
            "label": "walk",
            "window": window,
            "start_s": 5.0 * window,
            "end_s": 5.0 * window + 5.0,
            "first_sample": 1000 * window,
            "last_sample": 1000 * window + 1000,
            "first_frame": 50 * window,
            "n_frames": 50,
            "reason": "",
            "detail": "",
        }
        for recording, count in recordings.items()
        for window in range(count)
    ]
    return _with(pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS).assign(shard=0), columns)


def window_table(recordings: Mapping[str, int], **columns: object) -> pd.DataFrame:
    """Make the windows of a dataset: so many pairs of each recording; keywords as of `candidate_table`."""
    candidates = candidate_table(recordings)
    return _with(merge_candidates(pd.DataFrame({"recording": list(recordings)}), candidates), columns)


def write_windows(path: Path, windows: pd.DataFrame, channels: int = 6) -> Path:
    """Write an IMU shard of noise that holds windows."""
    generator = np.random.default_rng(0)

    def signals() -> Iterator[tuple[Recording, ImuSignal]]:
        for recording, samples in windows.groupby("recording", sort=False)["last_sample"].max().items():
            data = generator.standard_normal((channels, samples)).astype(np.float32)
            yield Recording(str(recording), "train", "x", None, Path("x.csv")), ImuSignal(data, 0.0, 200.0)

    write_imu_shard(path, signals())
    return path


def _with(table: pd.DataFrame, columns: Mapping[str, object]) -> pd.DataFrame:
    unknown = columns.keys() - set(table)
    assert not unknown, f"the table has no {', '.join(sorted(unknown))}"
    return table.assign(**columns).astype(table.dtypes)
