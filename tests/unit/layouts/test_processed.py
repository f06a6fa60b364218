from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from comodo.config import DatasetSettings
from comodo.errors import ImuError
from comodo.layouts.opening import open_layout
from comodo.layouts.processed import read_processed_imu
from comodo.recordings.resample import resample
from comodo.recordings.resample_reference import resample_reference
from tests.support.writers import motion, write_processed_imu, write_splits, write_uestc_imu, write_video

SPLITS = {"train": ["a\twalk", "b\trun"], "val": ["c\trun"], "test": ["d\twalk"]}


@pytest.mark.parametrize("unit", [1.0, 1e-3, 1e-9])
def test_times_come_in_whatever_unit_the_step_tells(tmp_path: Path, unit: float) -> None:
    time = 0.5 + np.arange(400) / 200
    samples = read_processed_imu(write_processed_imu(tmp_path, "a.b", time, unit))
    np.testing.assert_allclose(samples.accel_t, time)
    np.testing.assert_allclose(samples.accel, motion(time)[:3], atol=1e-5)
    np.testing.assert_allclose(samples.gyro, motion(time)[3:], atol=1e-5)
    assert resample([samples]).start_s == 0.5


def test_the_published_rule_takes_the_samples_as_they_are(tmp_path: Path) -> None:
    time = 0.123 + np.arange(1009) / 200  # by its mean step 199.99… Hz, which the rule would take for 199
    samples = read_processed_imu(write_processed_imu(tmp_path, "a", time, 1e-3))
    signal = resample_reference([samples])
    np.testing.assert_array_equal(signal.data, motion(time).astype(np.float32))


@pytest.mark.parametrize(("layout", "raw_imu"), [("ego4d", "imu/a.csv"), ("uestc", "sensor/a.csv")])
def test_raw_files_come_first_and_processed_ones_stand_in(tmp_path: Path, layout: str, raw_imu: str) -> None:
    write_splits(tmp_path / "splits", SPLITS)
    write_processed_imu(tmp_path, "a", np.arange(400) / 200, 1e-3)
    (tmp_path / "processed_video").mkdir()
    (tmp_path / "processed_video/a.mp4").touch()
    reader = open_layout("x", DatasetSettings(layout=layout, root=str(tmp_path)))  # type: ignore[arg-type]
    first, second = reader.recordings()[:2]
    assert first.video == tmp_path / "processed_video/a.mp4"
    assert first.imu == tmp_path / "processed_imu/a.npy"
    assert reader.read_imu(first)[0].accel.shape == (3, 400)
    # where neither exists, the raw one is missed
    assert "processed" not in f"{second.imu} {second.video}"
    write_uestc_imu(tmp_path / raw_imu, 10)
    assert reader.recordings()[0].imu == tmp_path / raw_imu


def test_takes_are_found_processed_and_start_with_their_imu(tmp_path: Path) -> None:
    write_splits(tmp_path / "splits", SPLITS)
    write_processed_imu(tmp_path, "a", 5000 + np.arange(400) / 200, 1e-9)  # the clock of the glasses
    write_video(tmp_path / "processed_video/a.mp4", 10)
    reader = open_layout("x", DatasetSettings(layout="egoexo4d", root=str(tmp_path)))
    first = reader.recordings()[0]
    assert first.video == tmp_path / "processed_video/a.mp4"
    (samples,) = reader.read_imu(first)
    np.testing.assert_allclose(samples.gyro_t, np.arange(400) / 200, atol=1e-6)


def spoil(folder: Path, what: str) -> None:
    path = folder / "processed_imu/a.npy"
    times = path.with_name("a_timestamps.npy")
    if what == "no array":
        path.unlink()
    elif what == "no times":
        times.unlink()
    elif what == "pickle":
        np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    elif what == "text":
        path.write_text("accel")
    elif what == "empty":
        path.write_bytes(b"")
    elif what == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    elif what == "words":
        np.save(path, np.array(["a", "b"]))
    elif what == "transposed":
        np.save(path, np.zeros((400, 6)))
    elif what == "shorter":
        np.save(times, np.arange(300) * 5.0)
    elif what == "one time":
        np.save(times, np.zeros(400))


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("no array", "imu_missing_file"),
        ("no times", "imu_missing_file"),
        ("pickle", "imu_unreadable"),
        ("text", "imu_unreadable"),
        ("empty", "imu_unreadable"),
        ("cut", "imu_unreadable"),
        ("words", "imu_unreadable"),
        ("transposed", "imu_unreadable"),
        ("shorter", "imu_unreadable"),
        ("one time", "imu_clock"),
    ],
)
def test_bad_arrays_have_their_reason(tmp_path: Path, what: str, reason: str) -> None:
    path = write_processed_imu(tmp_path, "a", np.arange(400) / 200, 1e-3)
    spoil(tmp_path, what)
    with pytest.raises(ImuError, match=r"a(_timestamps)?\.npy") as error:
        read_processed_imu(path)
    assert error.value.reason == reason


def test_memory_goes_by_what_an_array_holds_not_by_what_it_declares(tmp_path: Path) -> None:
    path = write_processed_imu(tmp_path, "a", np.arange(400) / 200, 1e-3)
    path.write_bytes(path.read_bytes().replace(b"(6, 400), }     ", b"(6, 40000000), }"))
    tracemalloc.start()
    with pytest.raises(ImuError, match=r"a\.npy is not an array"):
        read_processed_imu(path)
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()
