"""An IMU-only dataset (`video: null`) through the real Snakefile: windows without video are what was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from comodo.recordings.imu_shard import read_window
from tests.support.project import STUDENT, Project, tiny_config
from tests.support.writers import motion

pytestmark = pytest.mark.workflow

EPOCH_MS = 1_568_482_903_468
IMU_CSV = {
    "time": "epoch",
    "time_unit": "ms",
    "accel": ["ax", "ay", "az"],
    "gyro": ["gx", "gy", "gz"],
    "accel_unit": "g",
    "gyro_unit": "deg/s",
}
COLUMNS = ",".join([IMU_CSV["time"], *IMU_CSV["accel"], *IMU_CSV["gyro"]])  # type: ignore[list-item]


def write_imu(path: Path, epoch_ms: np.ndarray, accel: np.ndarray, gyro: np.ndarray) -> None:
    """Write a csv: accel (3, N) in g, gyro (3, N) in deg/s."""
    table = np.column_stack([epoch_ms, accel.T, gyro.T])
    np.savetxt(path, table, delimiter=",", header=COLUMNS, comments="", fmt="%.14g")


def table_dataset(root: Path, rows: list[str]) -> dict[str, Any]:
    """Settings of an IMU-only dataset whose table has no column `video`."""
    (root / "table.csv").write_text("\n".join(["recording,split,label,imu", *rows]) + "\n")
    return {
        "layout": "table",
        "root": str(root),
        "table": str(root / "table.csv"),
        "video": None,
        "shards": 2,
        "imu": {"csv": IMU_CSV},
    }


def write_head(root: Path) -> dict[str, Any]:
    """Recordings of a swaying head on a clock of its own; no val. One has a hole, one is too short."""
    lengths = {"a": 17.5, "b": 10.0, "c": 3.0, "d": 12.0, "e": 5.0}
    for k, (name, length) in enumerate(lengths.items()):
        time = np.arange(round(100 * length)) / 100
        if name == "d":
            time = time[(time < 6) | (time > 7)]
        accel, gyro = np.split(motion(time), 2)
        epoch = EPOCH_MS + 3_600_000 * k + 1000 * time
        write_imu(root / f"{name}.csv", epoch.round(), accel / 9.80665, np.rad2deg(gyro))
    labels = dict(zip("abcde", ("walk", "run", "walk", "walk", "run"), strict=True))
    splits = dict(zip("abcde", ("train", "train", "train", "test", "test"), strict=True))
    return table_dataset(root, [f"{name},{splits[name]},{labels[name]},{name}.csv" for name in lengths])


# recording, window: first and last sample
HEAD = {
    **{("a", i): (1000 * i, 1000 * i + 1000) for i in range(3)},
    **{("b", i): (1000 * i, 1000 * i + 1000) for i in range(2)},
    ("d", 0): (0, 1000),
    ("e", 0): (0, 1000),
}


TARGETS = ("prepared", "results/head/clips.parquet")


def config(dataset: dict[str, Any]) -> dict[str, Any]:
    return {
        "datasets": {"head": dataset},
        "students": {"small": STUDENT},
        "experiments": {"frozen": {"dataset": "head", "student": "small", "objective": "none"}},
    }


def test_windows_of_an_imu_only_dataset_are_those_computed_by_hand(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    project, head, results = Project(tmp_path), write_head(tmp_path / "raw"), tmp_path / "results/head"
    head["max_bad_fraction"] = 0.0
    refused = project.snakemake(config(head), *TARGETS)
    assert "20% of the recordings of head yield no window" in refused.stdout + refused.stderr
    assert not (results / "clips.parquet").exists()
    head["max_bad_fraction"] = 0.2
    assert project.plan(config(head), *TARGETS) == {"merge_clips": 1, "prepared": 1}
    project.run(config(head), *TARGETS)
    assert not (results / "video").exists()

    clips = pd.read_parquet(results / "clips.parquet")
    found = {(r.recording, r.window): (r.first_sample, r.last_sample) for r in clips.itertuples()}
    assert found == HEAD
    assert not clips["paired"].any()
    assert set(clips["n_frames"]) == {0}
    assert pd.read_parquet(results / "recordings.parquet")["video"].tolist() == [""] * 5

    quality = pd.read_csv(results / "quality.csv", keep_default_na=False)
    whole = quality[quality["window"] < 0].set_index("recording")
    assert whole["windows"].to_dict() == {"a": 3, "b": 2, "c": 0, "d": 1, "e": 1}
    dropped = quality[quality["reason"] != ""]
    assert dropped[["recording", "window", "reason"]].to_numpy().tolist() == [
        ["c", -1, "imu_too_short"],
        ["d", 1, "imu_gap"],
    ]
    for row in clips.itertuples():
        with h5py.File(results / f"imu/{row.shard}.h5") as file:
            window = read_window(file, row.recording, row.first_sample, row.last_sample)
        time = row.start_s + np.arange(1000) / 200
        np.testing.assert_allclose(window[:, 4:-4], motion(time)[:, 4:-4], atol=2e-3)


@pytest.mark.slow
def test_students_of_any_dataset_meet_an_imu_only_one(copied: Project) -> None:
    """One that was taught on another dataset; one that was trained here with labels; MiniRocket."""
    raw, whole = copied.folder / "raw", tiny_config()
    raw.mkdir()
    whole["datasets"]["head"] = write_head(raw) | {"max_bad_fraction": 0.2}
    whole["students"]["minirocket"] = {"architecture": "minirocket", "architecture_config": {"n_kernels": 84}}
    whole["experiments"]["comodo"]["eval_datasets"] = ["tiny", "head"]
    whole["experiments"]["own"] = {"dataset": "head", "objective": "supervised"}
    whole["experiments"]["rocket"] = {"dataset": "head", "objective": "supervised", "student": "minirocket"}
    assert copied.plan(whole)["distill"] == 2  # and comodo is not trained again
    copied.run(whole)
    table = pd.read_csv(copied.folder / "results/report/accuracy.csv", keep_default_na=False)
    head = table[table["eval_dataset"] == "head"]
    assert {(row.experiment, row.dataset, row.protocol) for row in head.itertuples()} == {
        ("comodo", "tiny", "svm"),
        *(("own", "head", "svm"), ("own", "head", "head")),
        *(("rocket", "head", "svm"), ("rocket", "head", "head")),
    }
    assert set(head["n_test"]) == {2}
    with h5py.File(copied.folder / "results/experiments/rocket/seed42/head/features.h5") as features:
        assert features["train/feature"].shape == (5, 84)
        assert features["classes"].asstr()[:].tolist() == ["run", "walk"]


def join(accel: Path, gyro: Path, target: Path) -> np.ndarray:
    """One csv of the two that the glasses write: the gyroscope interpolated at the times of the accelerometer."""
    accel_table, gyro_table = (np.genfromtxt(path, delimiter=",", skip_header=1) for path in (accel, gyro))
    begin, end = gyro_table[0, 0], gyro_table[-1, 0]
    accel_table = accel_table[(accel_table[:, 0] >= begin) & (accel_table[:, 0] <= end)]
    time = accel_table[:, 0]
    turned = np.array([np.interp(time, gyro_table[:, 0], gyro_table[:, axis]) for axis in (3, 4, 5)])
    write_imu(target, time, accel_table[:, 3:6].T, turned)
    return time


@pytest.mark.realdata
def test_glasses_without_a_camera_give_their_windows(realdata: Path, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    rows, expected = [], {}
    for user, split in (("User1", "train"), ("User2", "test")):
        for accel in sorted((realdata / "classyglass" / user).glob("*Accelerometer*.csv")):
            number = int(accel.name.partition("_")[0])
            gyro = accel.with_name(accel.name.replace("Accelerometer", "Gyroscope"))
            time = join(accel, gyro, tmp_path / f"raw/{number}.csv")
            assert np.diff(time).max() < 100  # no hole
            expected[str(number)] = int((time[-1] - time[0] + 10) // 5000)
            rows.append(f"{number},{split},{number % 11},{number}.csv")
    Project(tmp_path).run(config(table_dataset(tmp_path / "raw", rows)), *TARGETS)
    results = tmp_path / "results/head"
    assert not (results / "video").exists()

    clips = pd.read_parquet(results / "clips.parquet")
    assert clips["recording"].value_counts().to_dict() == expected
    assert clips.groupby("split")["label"].nunique().to_dict() == {"test": 11, "train": 11}
    quality = pd.read_csv(results / "quality.csv", keep_default_na=False)
    assert set(quality["reason"]) == {""}
    # Units are right, also those of a runner, who is in the air more often than not.
    assert set(quality["detail"]) == {""}
