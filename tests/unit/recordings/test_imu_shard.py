"""The shard that keeps resampled IMU."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from comodo.config import DatasetSettings
from comodo.errors import ImuError
from comodo.layouts.types import ImuSamples, Recording
from comodo.recordings.imu_shard import preprocess, read_notes, read_window, write_imu_shard
from comodo.recordings.resample import resample
from comodo.recordings.signal import ImuSignal
from tests.support.imu import recording, samples


def test_a_shard_keeps_signals_and_reasons(tmp_path: Path) -> None:
    time = np.arange(0, 5, 0.005)
    one = resample([samples(time[(time < 2) | (time > 3)] + 1)])
    one.notes.append("größer")
    path = tmp_path / "shard.h5"
    write_imu_shard(
        path, [(recording("../a b/é"), one), (recording("b"), ImuError("imu_empty", "nothing there"))]
    )
    with h5py.File(path) as file:
        np.testing.assert_array_equal(read_window(file, "../a b/é", 10, 30), one.data[:, 10:30])
        groups = {group.attrs["id"]: group for group in file.values()}
        assert set(groups) == {"../a b/é", "b"}
        kept, dropped = groups["../a b/é"], groups["b"]
        assert (kept.attrs["start_s"], kept.attrs["rate_hz"], kept.attrs["reason"]) == (1.0, 200.0, "")
        assert kept["data"].dtype == np.float32
        valid = np.zeros(one.data.shape[1], dtype=bool)
        for begin, end in kept["valid"][:]:
            valid[begin:end] = True
        np.testing.assert_array_equal(valid, np.isfinite(one.data[0]))
        assert (dropped.attrs["reason"], dropped.attrs["detail"]) == ("imu_empty", "nothing there")
        assert "data" not in dropped
    assert read_notes(path) == {"../a b/é": ["größer"]}


def test_a_shard_has_the_same_bytes_each_time(tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5"):
        write_imu_shard(tmp_path / name, [(recording("a"), resample([samples(np.arange(0, 5, 0.005))]))])
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_a_crash_leaves_no_shard(tmp_path: Path) -> None:
    def crash() -> Iterator[tuple[Recording, ImuSignal | ImuError]]:
        yield recording("a"), resample([samples(np.arange(0, 5, 0.005))])
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_imu_shard(tmp_path / "a.h5", crash())
    assert list(tmp_path.iterdir()) == []


class _Layout:
    """Two minutes of IMU for each recording; fails for "bad"."""

    def recordings(self) -> list[Recording]:
        return []

    def read_imu(self, recording: Recording) -> list[ImuSamples]:
        if recording.id == "bad":
            raise ImuError("imu_unreadable", "bad")
        return [samples(np.arange(0, 120, 1 / 210))]


@pytest.mark.parametrize(("alignment", "length"), [("timestamps", 24000), ("reference", 24115)])
def test_preprocess_follows_the_settings_and_survives_bad_recordings(alignment: str, length: int) -> None:
    # 210 Hz is 209 to the published rule, and two minutes become 120.6 s.
    config = DatasetSettings.model_validate({"layout": "ego4d", "root": "x", "alignment": alignment})
    results = list(preprocess(_Layout(), [recording("a"), recording("bad"), recording("c")], config))
    assert [r.id for r, _ in results] == ["a", "bad", "c"]
    assert isinstance(results[1][1], ImuError)
    assert isinstance(results[2][1], ImuSignal)
    assert results[2][1].data.shape[1] == pytest.approx(length, abs=1)


def test_memory_is_bounded_by_one_recording(tmp_path: Path) -> None:
    config = DatasetSettings(layout="ego4d", root="x")

    def peak(count: int) -> int:
        tracemalloc.start()
        write_imu_shard(
            tmp_path / "a.h5", preprocess(_Layout(), (recording(str(i)) for i in range(count)), config)
        )
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(1)
    assert peak(10) < 1.1 * peak(2)
