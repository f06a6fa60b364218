"""Small writers of raw data in each layout, for tests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

EGO4D_HEADER = (
    "component_idx,component_timestamp_ms,canonical_timestamp_ms,gyro_x,gyro_y,gyro_z,accl_x,accl_y,accl_z"
)


def write_splits(folder: Path, splits: Mapping[str, Iterable[str]]) -> None:
    """Write train.txt, val.txt, test.txt of given lines."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, lines in splits.items():
        (folder / f"{split}.txt").write_text("".join(f"{line}\n" for line in lines))


def write_video(path: Path, n_frames: int, fps: int = 10, size: int = 32) -> Path:
    """Write an mp4 of moving grey."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast"})
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        for k in range(n_frames):
            picture = np.full((size, size, 3), 20 + 3 * k % 200, dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = k, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_sound(path: Path) -> None:
    """Write an mp4 with sound and no video track."""
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=16000, layout="mono")
        for k in range(20):
            chunk = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            chunk.sample_rate, chunk.pts, chunk.time_base = 16000, 1024 * k, Fraction(1, 16000)
            container.mux(sound.encode(chunk))
        container.mux(sound.encode(None))


def motion(time: NDArray[np.float64]) -> NDArray[np.float64]:
    """Accel (m/s², gravity on y) and gyro (rad/s) of a swaying head at given times: (6, N)."""
    sway = np.sin(2 * np.pi * np.arange(1, 7)[:, None] * time / 5)
    sway[1] += 9.81
    return sway


def ego4d_lines(time: NDArray[np.float64], component: int = 0) -> list[str]:
    """Rows of an Ego4D csv at given times, s."""
    accel, gyro = np.split(motion(time), 2)
    return [
        f"{component},{1000 * (t - time[0]):.3f},{1000 * t:.3f},"
        + ",".join(f"{value:.6f}" for value in (*g, *a))
        for t, a, g in zip(time, accel.T, gyro.T, strict=True)
    ]


def write_ego4d_imu(path: Path, lines: Iterable[str], header: str = EGO4D_HEADER) -> Path:
    """Write an Ego4D csv."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def write_uestc_imu(path: Path, rows: int) -> Path:
    """Write a UESTC csv: raw counts, no header; 16384 per g and 16.4 per deg/s."""
    path.parent.mkdir(parents=True, exist_ok=True)
    accel, gyro = np.split(motion(np.arange(rows) / 25), 2)
    counts = np.concatenate([accel / 9.80665 * 16384, np.rad2deg(gyro) * 16.4]).round().astype(int)
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in counts.T))
    return path


def write_processed_imu(folder: Path, name: str, time: NDArray[np.float64], unit: float) -> Path:
    """Write what the published scripts make of an IMU; `unit` is that of the times, s."""
    path = folder / "processed_imu" / f"{name}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, motion(time).astype(np.float32))
    np.save(path.with_name(f"{path.stem}_timestamps.npy"), time / unit)
    return path


def take(name: str, camera: str = "aria01", capture: str = "", start_row: int = 0) -> dict[str, object]:
    """An entry of takes.json with the fields that the documentation shows."""
    videos = {
        camera: {
            "slam-left": {
                "stream_id": "1201-1",
                "relative_path": f"frame_aligned_videos/{camera}_1201-1.mp4",
            },
            "rgb": {"stream_id": "214-1", "relative_path": f"frame_aligned_videos/{camera}_214-1.mp4"},
        },
        "cam01": {"0": {"stream_id": "0", "relative_path": "frame_aligned_videos/cam01.mp4"}},
    }
    cameras = [{"cam_id": camera, "is_ego": True, "relative_path": f"videos/{camera}.vrs"}]
    return {
        "root_dir": f"takes/{name}",
        "take_name": name,
        "objects": [],
        "timesync_start_idx": start_row,
        "capture": {"capture_name": capture, "root_dir": f"captures/{capture}", "cameras": cameras},
        "frame_aligned_videos": videos,
    }


def write_takes(root: Path, takes: Iterable[dict[str, object]]) -> None:
    """Write takes.json."""
    (root / "takes.json").write_text(json.dumps(list(takes)))
