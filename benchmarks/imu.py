"""IMU: raw csv files onto one clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.measure import Bench, Row, compare, in_turn

SECONDS = 600
RECORDINGS = 3


def preprocess(bench: Bench) -> list[Row]:
    """Ego4D's csv files resampled and written, against pandas merely reading them."""
    from comodo.config import DatasetSettings
    from comodo.layouts.opening import open_layout
    from comodo.layouts.types import Recording
    from comodo.recordings.imu_shard import preprocess as resampled
    from comodo.recordings.imu_shard import write_imu_shard

    root = bench.folder / "Ego4D"
    settings = DatasetSettings(layout="ego4d", root=str(root))
    paths = [write_ego4d_csv(root / "imu" / f"{k}.csv", SECONDS, seed=k) for k in range(RECORDINGS)]
    recordings = [Recording(path.stem, "train", "a", Path("none.mp4"), path) for path in paths]
    layout = open_layout("bench", settings)

    def ours() -> None:
        write_imu_shard(bench.folder / "imu.h5", resampled(layout, recordings, settings))

    def peer() -> None:
        for path in paths:
            pd.read_csv(path)

    row = compare(
        "preprocess_imu, Ego4D csv at 200 Hz",
        in_turn(ours, peer, bench.repeats),
        "pandas.read_csv of the same files",
        at_least=0.6,
        items=SECONDS * RECORDINGS,
        unit="s of IMU",
    )
    row.rates = {
        "imu_core_s_per_s": 1 / row.ours,
        "imu_bytes_per_s": (bench.folder / "imu.h5").stat().st_size / SECONDS / RECORDINGS,
    }
    return [row]


def write_ego4d_csv(path: Path, seconds: float, seed: int) -> Path:
    """Write IMU of a swaying, trembling head at 200 Hz with jittered times, in Ego4D's columns."""
    draw = np.random.default_rng(seed)
    count = round(200 * seconds)
    time = np.arange(count) * 5 + draw.normal(0, 0.3, count)
    sway = np.sin(np.arange(1, 7)[:, None] * time / 800) + 0.3 * draw.standard_normal((6, count))
    sway[4] += 9.81
    columns = {"component_idx": 0, "component_timestamp_ms": time, "canonical_timestamp_ms": time}
    names = [f"{sensor}_{axis}" for sensor in ("gyro", "accl") for axis in "xyz"]
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(columns | dict(zip(names, sway, strict=True))).to_csv(path, index=False, float_format="%.9g")
    return path
