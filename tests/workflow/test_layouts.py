"""From raw files to `clips.parquet` through the real Snakefile, for each layout, against windows computed by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from comodo.recordings.imu_shard import read_window
from tests.support.project import STUDENT, TEACHER, Project
from tests.support.writers import (
    ego4d_lines,
    motion,
    write_ego4d_imu,
    write_splits,
    write_uestc_imu,
    write_video,
)

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

ID_LINES = {"train": ["a\twalk", "b\trun"], "val": ["c\twalk", "d\trun"], "test": ["e\twalk", "f\trun"]}
IMU_CSV = {
    "time": "stamp",
    "time_unit": "us",
    "accel": ["ax", "ay", "az"],
    "gyro": ["gx", "gy", "gz"],
    "accel_unit": "g",
    "gyro_unit": "deg/s",
}


def seconds(begin: float, end: float, rate: float = 200.0) -> np.ndarray:
    """Sample times from `begin` to before `end`."""
    return begin + np.arange(round((end - begin) * rate)) / rate


def write_ego4d(root: Path) -> dict[str, Any]:
    write_splits(root / "splits", ID_LINES)
    for name, n_frames in {"a": 120, "b": 150, "c": 100, "d": 52, "e": 100}.items():
        write_video(root / f"full_scale/{name}.mp4", n_frames)
    (root / "full_scale/f.mp4").write_text("not a video")
    shuffled = ego4d_lines(seconds(0, 10))
    np.random.default_rng(0).shuffle(shuffled)
    null = shuffled[0].split(",")
    null[2] = "NULL"
    lines = {
        "a": ego4d_lines(seconds(0, 12)),
        "b": ego4d_lines(seconds(8, 15), component=1)
        + ego4d_lines(seconds(0, 6)),  # a gap of 2 s in window 1
        "c": ego4d_lines(seconds(3, 10)),  # starts 3 s late
        "d": ego4d_lines(seconds(0, 20)),  # runs on for 14.8 s without video
        "e": [*shuffled, shuffled[7], ",".join(null)],
        "f": ego4d_lines(seconds(0, 10)),
    }
    for name, rows in lines.items():
        write_ego4d_imu(root / f"imu/{name}.csv", rows)
    return {"layout": "ego4d", "root": str(root)}


# recording, window: first and last sample, first frame (−1: no video, but IMU for the SVM)
EGO4D = {
    ("a", 0): (0, 1000, 0),
    ("a", 1): (1000, 2000, 50),
    ("b", 0): (0, 1000, 0),
    ("b", 2): (2000, 3000, 100),
    ("c", 1): (400, 1400, 50),  # its array begins at 3 s
    ("d", 0): (0, 1000, 0),
    ("d", 1): (1000, 2000, -1),
    ("d", 2): (2000, 3000, -1),
    ("d", 3): (3000, 4000, -1),
    ("e", 0): (0, 1000, 0),
    ("e", 1): (1000, 2000, 50),
    ("f", 0): (0, 1000, -1),
    ("f", 1): (1000, 2000, -1),
}


def write_uestc(root: Path) -> dict[str, Any]:
    names = ["1_up/a", "2_sit/b", "1_up/c", "2_sit/d", "1_up/e", "2_sit/f"]
    lines = [f"yourdataset_path/data/{name} 100 100 {i % 2}" for i, name in enumerate(names)]
    write_splits(root / "splits", {"train": lines[:2], "val": lines[2:4], "test": lines[4:]})
    frames = dict(zip(names, (100, 101, 75, 100, 125, 60), strict=True))
    for name, n_frames in frames.items():
        write_video(root / f"video/{name}.mp4", n_frames, fps=25)
        write_uestc_imu(root / f"sensor/{name}.csv", 60 if name == "2_sit/f" else 100)
    return {
        "layout": "uestc",
        "root": str(root),
        "clip_s": None,
        "video": {"fps": 25},
        "imu": {"rate_hz": 25},
    }


# Not 1_up/e: its IMU ends a second before the video.
UESTC = {
    ("1_up/a", 0): (0, 100, 100),
    ("2_sit/b", 0): (0, 100, 101),  # a frame more than samples is no difference
    ("1_up/c", 0): (0, 75, 75),  # IMU runs on for a second
    ("2_sit/d", 0): (0, 100, 100),
    ("2_sit/f", 0): (0, 60, 60),
}


def write_table(root: Path) -> dict[str, Any]:
    """Two videos cut into recordings; IMU of 100 Hz in g and deg/s, starting 0.4 s late in y."""
    write_video(root / "x.mp4", 200)
    write_video(root / "y.mp4", 100)
    for name, time in (("x", seconds(0.003, 20.003, 100)), ("y", seconds(0.403, 9.603, 100))):
        accel, gyro = np.split(motion(time), 2)
        table = np.column_stack([1e6 * time, (accel / 9.80665).T, np.rad2deg(gyro).T])
        header = "stamp,ax,ay,az,gx,gy,gz"
        np.savetxt(root / f"{name}.csv", table, delimiter=",", header=header, comments="", fmt="%.9g")
    rows = [
        "a,train,walk,x.mp4,x.csv,0,6",
        "b,train,run,x.mp4,x.csv,6,9.5",
        "c,val,walk,x.mp4,x.csv,10,15",
        "d,val,run,x.mp4,x.csv,15,17.5",
        "e,test,walk,y.mp4,y.csv,,",
        "f,test,run,x.mp4,x.csv,17.5,20",
    ]
    (root / "table.csv").write_text(
        "\n".join(["recording,split,label,video,imu,start_s,end_s", *rows]) + "\n"
    )
    return {
        "layout": "table",
        "root": str(root),
        "table": str(root / "table.csv"),
        "clip_s": 2.5,
        "imu": {"csv": IMU_CSV},
    }


# Cut recordings keep 0.1 s of IMU before their start: 20 samples, but x has none before 0. The IMU of y begins at
# 0.403 s, and its first sample stands for half an interval (0.005 s) before that as well: 0.4 s, sample 80 of the grid.
TABLE = {
    ("a", 0): (0, 500, 0),
    ("a", 1): (500, 1000, 25),
    ("b", 0): (20, 520, 0),
    ("c", 0): (20, 520, 0),
    ("c", 1): (520, 1020, 25),
    ("d", 0): (20, 520, 0),
    ("e", 1): (420, 920, 25),
    ("e", 2): (920, 1420, 50),
    ("f", 0): (20, 520, 0),
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("layouts")
    datasets = {}
    for name, write in (("ego4d", write_ego4d), ("uestc", write_uestc), ("table", write_table)):
        root = folder / "raw" / name
        root.mkdir(parents=True)
        datasets[name] = write(root)
        datasets[name]["video"] = {"size": 32, **datasets[name].get("video", {})}
        datasets[name]["max_bad_fraction"] = 0.5
    experiment = {"dataset": "ego4d", "teacher": "small", "student": "small"}
    evaluation = {"score_windows": "imu"}  # windows without video are listed as well
    config = {
        "datasets": datasets,
        "teachers": {"small": TEACHER},
        "students": {"small": STUDENT},
        "experiments": {"one": experiment},
        "evaluation": evaluation,
    }
    Project(folder).run(config, "--", *(f"results/{name}/clips.parquet" for name in datasets))
    return folder / "results"


def table_of(clips: pd.DataFrame, *columns: str) -> dict[tuple[str, int], tuple[int, ...]]:
    return {
        (row["recording"], row["window"]): tuple(int(row[column]) for column in columns)
        for row in clips.to_dict("records")
    }


@pytest.mark.parametrize(
    ("name", "expected", "clip_s", "frames"), [("ego4d", EGO4D, 5.0, 50), ("table", TABLE, 2.5, 25)]
)
def test_windows_are_those_computed_by_hand(
    prepared: Path,
    name: str,
    expected: dict[tuple[str, int], tuple[int, int, int]],
    clip_s: float,
    frames: int,
) -> None:
    clips = pd.read_parquet(prepared / name / "clips.parquet")
    assert table_of(clips, "first_sample", "last_sample", "first_frame") == expected
    assert clips["paired"].tolist() == [place[2] >= 0 for place in expected.values()]
    assert clips["n_frames"].tolist() == [frames if place[2] >= 0 else 0 for place in expected.values()]
    assert clips["start_s"].tolist() == [clip_s * window for _, window in expected]


def test_whole_recordings_are_those_computed_by_hand(prepared: Path) -> None:
    clips = pd.read_parquet(prepared / "uestc/clips.parquet")
    assert table_of(clips, "first_sample", "last_sample", "n_frames") == UESTC
    assert clips["paired"].all()
    assert clips["label"].tolist() == ["1_up", "2_sit", "1_up", "2_sit", "2_sit"]


@pytest.mark.parametrize(
    ("name", "rate", "offset"),
    [("ego4d", 200, {}), ("uestc", 25, {}), ("table", 200, {"b": 6, "c": 10, "d": 15, "f": 17.5})],
)
def test_windows_hold_the_motion_of_their_time(
    prepared: Path, name: str, rate: int, offset: dict[str, float]
) -> None:
    clips = pd.read_parquet(prepared / name / "clips.parquet")
    with h5py.File(prepared / name / "imu/0.h5") as file:
        for row in clips.itertuples():
            window = read_window(file, row.recording, row.first_sample, row.last_sample)
            time = offset.get(row.recording, 0.0) + row.start_s + np.arange(window.shape[1]) / rate
            np.testing.assert_allclose(window[:, 4:-4], motion(time)[:, 4:-4], atol=2e-3)


def test_what_is_missing_has_its_reason(prepared: Path) -> None:
    def dropped(name: str) -> dict[tuple[str, int], str]:
        quality = pd.read_csv(prepared / name / "quality.csv", keep_default_na=False)
        rows = quality[quality["reason"] != ""]
        assert len(quality[quality["window"] < 0]) == 6
        return dict(zip(zip(rows["recording"], rows["window"], strict=True), rows["reason"], strict=True))

    assert dropped("ego4d") == {
        ("f", -1): "video_unreadable",
        ("b", 1): "imu_gap",
        ("c", 0): "imu_starts_late",
        **{("d", window): "no_video" for window in (1, 2, 3)},
        **{("f", window): "no_video" for window in (0, 1)},
    }
    assert dropped("uestc") == {("1_up/e", -1): "imu_ends_early", ("1_up/e", 0): "imu_ends_early"}
    assert dropped("table") == {("e", 0): "imu_starts_late", ("e", 3): "imu_ends_early"}
