"""How well the offset and drift of an IMU's clock are estimated, in simulated recordings of ten minutes.

`python -m benchmarks.sync.accuracy [RECORDINGS]` prints a summary and draws docs/sync.png. 100 recordings take six
minutes on one core.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from comodo.recordings.image_motion import measure_motion
from comodo.recordings.sync import Stretch, Sync, estimate_sync, stretches_of
from comodo.simulate.scene import FAMILIES, make_scene, render
from comodo.simulate.sensors import Imu, simulate_imu
from comodo.simulate.trajectory import ACTIVITIES, make_subject, simulate_trajectory

SECONDS, FPS, SIDE, RATE = 600.0, 10.0, 64, 200.0
GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)
FIGURE = Path(__file__).parents[2] / "docs/sync.png"


def measure(number: int) -> dict[str, Any]:
    """Simulate a recording, set its IMU's clock wrong by up to ±2 s and ±200 ppm, and estimate that."""
    rng = np.random.default_rng([17, number])
    activity = list(ACTIVITIES.values())[number % len(ACTIVITIES)]
    subject = make_subject(rng)
    trajectory = simulate_trajectory(activity, subject, SECONDS, rng)
    imu = simulate_imu(trajectory, rng, subject)
    scene = make_scene(FAMILIES[activity.family], trajectory, rng)
    offset, drift = rng.uniform(-2, 2), rng.uniform(-200, 200)
    stretches = []
    for begin, length in stretches_of(SECONDS):
        first = round(begin * FPS)
        frames = render(trajectory, scene, (first + np.arange(round(length * FPS))) / FPS, SIDE)
        motion = measure_motion((frames.astype(np.float32) @ GREY).astype(np.uint8))
        stretches.append(Stretch(first / FPS, 1 / FPS, motion))
    found = estimate_sync(stretches, *_on_clock(imu, offset, drift), RATE)
    about = {"activity": activity.name, "true_offset_s": offset, "true_drift_ppm": drift}
    return about | {name: getattr(found, name) for name in Sync.__slots__}


def _on_clock(imu: Imu, offset: float, drift_ppm: float) -> tuple[NDArray[np.float64], float]:
    """The gyroscope on a grid of a clock with that offset and drift, and the time of its first sample."""
    time = imu.times * (1 + drift_ppm * 1e-6) + offset
    grid = np.arange(time[0], time[-1], 1 / RATE)
    return np.array([np.interp(grid, time, axis) for axis in imu.gyro]), float(grid[0])


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw the estimates against the truth."""
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    known = table[table["reason"] == ""]
    figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
    for axis, (true, found, unit, scale) in zip(
        axes,
        [("true_offset_s", "offset_s", "offset, s", 2.1), ("true_drift_ppm", "drift_ppm", "drift, ppm", 230)],
        strict=True,
    ):
        axis.plot([-scale, scale], [-scale, scale], color="0.8", linewidth=1)
        axis.plot(known[true], known[found], "o", markersize=3.5, color="#1f77b4", alpha=0.8)
        error = (known[found] - known[true]).abs()
        axis.set_title(f"median error {error.median():.2g}, largest {error.max():.2g}", fontsize=10)
        axis.set_xlabel(f"injected {unit}")
        axis.set_ylabel(f"estimated {unit}")
        axis.set_xlim(-scale, scale)
        axis.set_ylim(-scale, scale)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Measure, print and draw."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    table = pd.DataFrame([measure(number) for number in tqdm(range(count), unit="recording")])
    known = table[table["reason"] == ""]
    for name, unit in (("offset_s", "s"), ("drift_ppm", "ppm")):
        error = (known[name] - known[f"true_{name}"]).abs()
        middle, most = error.median(), error.quantile(0.95)
        print(f"{name}: median error {middle:.3g} {unit}, 95 % {most:.3g}, largest {error.max():.3g}")
    print(f"known: {len(known)} of {len(table)}")
    print(table.groupby("activity")["reason"].apply(lambda reasons: (reasons == "").sum()).to_string())
    draw(table, FIGURE)


if __name__ == "__main__":
    main()
