"""Small datasets of every layout, for tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.writers import (
    ego4d_lines,
    motion,
    write_ego4d_imu,
    write_processed_imu,
    write_splits,
    write_uestc_imu,
)

TIME = np.arange(0, 12, 0.005)
LABELS = {"train": ["a_1\tx", "b_1\ty"], "val": ["c_1\tx"], "test": ["d_1\ty"]}


def processed(kind: str) -> Callable[[Path], dict[str, Any]]:
    def write(root: Path) -> dict[str, Any]:
        write_splits(root / "splits", LABELS)
        for name in ("a_1", "b_1", "c_1", "d_1"):
            write_processed_imu(root, name, TIME, 1e-3)
        return {"layout": kind, "root": str(root)}

    return write


def ego4d(root: Path) -> dict[str, Any]:
    write_splits(root / "splits", LABELS)
    for name in ("a_1", "b_1", "c_1", "d_1"):
        write_ego4d_imu(root / "imu" / f"{name}.csv", ego4d_lines(TIME))
    return {"layout": "ego4d", "root": str(root)}


def uestc(root: Path) -> dict[str, Any]:
    names = {"train": ["x/a", "y/b"], "val": ["x/c"], "test": ["y/d"]}
    write_splits(root / "splits", {s: [f"p/{n} 1 1 0" for n in own] for s, own in names.items()})
    for name in ("x/a", "y/b", "x/c", "y/d"):
        write_uestc_imu(root / "sensor" / f"{name}.csv", 200)
    return {"layout": "uestc", "root": str(root)}


def table(root: Path) -> dict[str, Any]:
    rows = [
        f"{s}{k},{s},{label},,{s}{k}.csv" for s in ("train", "val", "test") for k, label in enumerate("xy")
    ]
    (root / "t.csv").write_text("\n".join(["recording,split,label,video,imu", *rows]) + "\n")
    accel, gyro = np.split(motion(TIME), 2)
    lines = [",".join(map(str, row)) for row in np.vstack([TIME, accel, gyro]).T]
    names = "t,accel_x,accel_y,accel_z,gyro_x,gyro_y,gyro_z"
    for row in rows:
        (root / row.rpartition(",")[2]).write_text("\n".join([names, *lines]) + "\n")
    csv = {"time": "t"}
    return {
        "layout": "table",
        "root": str(root),
        "table": str(root / "t.csv"),
        "video": None,
        "imu": {"csv": csv},
    }


LAYOUTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "ego4d": ego4d,
    "uestc": uestc,
    "table": table,
    "ego4d, processed": processed("ego4d"),
    "egoexo4d, processed": processed("egoexo4d"),
}
