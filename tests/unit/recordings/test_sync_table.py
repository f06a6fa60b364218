"""The table of a dataset's sync."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from comodo.clips.shard import pair_shard
from comodo.config import DatasetSettings
from comodo.errors import DamageError
from comodo.layouts.camera import read_camera
from comodo.layouts.types import ImuSamples, Recording
from comodo.recordings.imu_shard import write_imu_shard
from comodo.recordings.resample import resample
from comodo.recordings.signal import ImuSignal
from comodo.recordings.small_video import TABLE_COLUMNS
from comodo.recordings.sync_table import (
    COLUMNS,
    camera_sync,
    merge_sync,
    read_clock_shifts,
    read_sync,
    summarise_sync,
    sync_shard,
)
from comodo.storage.artefacts import write_table
from tests.support.imu import recording
from tests.support.pairing import config, no_video, reasons, signal, video_row


def table(*rows: tuple[str, float, float, float, str]) -> pd.DataFrame:
    return pd.DataFrame([(*row, "video") for row in rows], columns=list(COLUMNS))


KNOWN = table(
    ("a", 0.02, 3.0, 0.7, ""),
    ("b", -0.73, np.nan, 0.5, ""),
    ("c", 1.2, -50.0, 0.4, ""),
    ("d", np.nan, np.nan, 0.1, "unclear"),
    ("e", np.nan, np.nan, np.nan, "still"),
)


def test_the_summary_names_what_is_out_of_step() -> None:
    assert summarise_sync(KNOWN).splitlines() == [
        "1 of 5 recordings: video and IMU are in step, within 0.1 s",
        "2 out of step: c (+1.20 s), b (-0.73 s); `sync: correct` moves their IMU",
        "1 unknown: no offset stands out; a camera that stabilises its video hides its own motion",
        "1 unknown: the head does not turn",
    ]


def test_shards_are_merged_into_a_csv(tmp_path: Path) -> None:
    write_table(KNOWN.iloc[:2], tmp_path / "0.parquet")
    write_table(KNOWN.iloc[2:], tmp_path / "1.parquet")
    merge_sync([tmp_path / "0.parquet", tmp_path / "1.parquet"], tmp_path / "sync.csv")
    read = pd.read_csv(tmp_path / "sync.csv", keep_default_na=False)
    assert list(read.columns) == list(COLUMNS)
    assert read["offset_s"].tolist() == ["0.02", "-0.73", "1.2", "", ""]
    assert summarise_sync(read_sync(tmp_path / "sync.csv")) == summarise_sync(KNOWN)
    merge_sync([tmp_path / "1.parquet"], tmp_path / "sync.csv")
    assert read_sync(tmp_path / "sync.csv")["offset_s"].tolist()[0] == 1.2
    (tmp_path / "sync.csv").write_text("recording\na\n")
    with pytest.raises(DamageError, match=r"sync\.csv"):
        read_sync(tmp_path / "sync.csv")
    assert read_clock_shifts(tmp_path / "0.parquet") == {"a": (0.02, 3e-6), "b": (-0.73, 0.0)}
    assert read_clock_shifts(tmp_path / "1.parquet") == {"c": (1.2, pytest.approx(-50e-6))}


@pytest.mark.parametrize(
    ("video", "reason"), [(no_video(), "no_video"), (video_row(file="gone.mp4"), "no_video")]
)
def test_what_cannot_be_compared_has_its_reason(
    tmp_path: Path, video: dict[str, object], reason: str
) -> None:
    write_table(
        pd.DataFrame([video | {"sha256": "", "decoder": ""}], columns=list(TABLE_COLUMNS)),
        tmp_path / "0.parquet",
    )
    write_imu_shard(tmp_path / "imu.h5", [(recording(), signal((0, 30)))])
    found = sync_shard("d", [recording()], tmp_path / "0.parquet", tmp_path / "imu.h5", config())
    assert found["reason"].tolist() == [reason]


def turning(seed: int = 0) -> np.ndarray:
    """Angular rate (3, 8000) of a wandering head at 200 Hz, rad/s."""
    turn = np.cumsum(np.random.default_rng(seed).normal(size=(3, 8400)), axis=1)
    turn -= np.apply_along_axis(np.convolve, 1, turn, np.ones(400) / 400, "same")
    return 0.1 * turn[:, 200:8200]


class Camera:
    """A layout whose cameras have a gyroscope of their own."""

    def recordings(self) -> list[Recording]:
        return []

    def clock_files(self, recording: Recording) -> list[Path]:
        return []

    def read_imu(self, recording: Recording) -> list[ImuSamples]:
        assert recording.imu == recording.video
        time = np.arange(8000) / 200
        return [ImuSamples(time, 9.81 + turning(), time, turning())]


def watch(folder: Path, gyro: np.ndarray) -> Path:
    """An IMU shard of a watch whose clock is 0.7 s ahead; it was worn from 2 s on."""
    data = np.concatenate([np.full((3, 8000), 9.81), gyro]).astype(np.float32)[:, 400:]
    write_imu_shard(folder / "imu.h5", [(recording(), ImuSignal(data, 2.7, 200.0))])
    return folder / "imu.h5"


def test_a_watch_is_compared_with_the_gyroscope_of_the_camera(tmp_path: Path) -> None:
    """By the rate of rotation: its axes are others."""
    settings = config(layout="table", table="t.csv", imu={"csv": {"time": "t"}})
    for gyro, offset in ((turning()[[2, 0, 1]], 0.7), (turning(seed=1), None)):
        with h5py.File(watch(tmp_path, gyro)) as shard:
            found = camera_sync(recording(), Camera(), settings, shard[next(iter(shard))])
        if offset is None:  # worn by somebody else: the picture decides
            assert found is None
        else:
            assert found is not None
            assert found.offset_s == pytest.approx(offset, abs=0.05)
            assert found.confidence > 0.3


@pytest.mark.realdata
def test_stabilised_video_is_no_hindrance_where_the_camera_has_a_gyroscope(
    realdata: Path, tmp_path: Path
) -> None:
    camera = realdata / "gopro/hero7.mp4"
    beside = replace(recording(), video=camera)
    signal_of = resample([read_camera(camera)])
    moved = ImuSignal(signal_of.data[[1, 2, 0, 5, 3, 4]], signal_of.start_s - 1.2, signal_of.rate_hz)
    write_imu_shard(tmp_path / "imu.h5", [(beside, moved)])
    row = video_row() | {"sha256": "", "decoder": ""}
    write_table(pd.DataFrame([row], columns=list(TABLE_COLUMNS)), tmp_path / "0.parquet")
    settings = config(layout="table", table="t.csv", imu={"csv": {"time": "t"}})
    found = sync_shard("d", [beside], tmp_path / "0.parquet", tmp_path / "imu.h5", settings)
    assert found[["reason", "by"]].to_numpy().tolist() == [["", "gyroscope"]]
    assert found["offset_s"].item() == pytest.approx(-1.2, abs=0.05)


def test_the_imu_is_moved_by_the_offset_and_the_drift(tmp_path: Path) -> None:
    """Its clock reads 1.5 s at the first frame, and runs 1000 ppm fast: window 4 begins at 1.5 + 20.02 s."""
    write_table(pd.DataFrame([video_row()], columns=list(TABLE_COLUMNS)), tmp_path / "video.parquet")
    write_imu_shard(tmp_path / "imu.h5", [(recording(), signal((0, 31)))])
    write_table(table(("a", 1.5, 1000.0, 0.7, "")), tmp_path / "sync.parquet")
    files = (tmp_path / "video.parquet", tmp_path / "imu.h5", config())
    clips = pair_shard([recording()], 0, *files, tmp_path / "sync.parquet")
    assert reasons(clips[clips["window"] >= 0]) == {0: "", 1: "", 2: "", 3: "", 4: "", 5: "imu_ends_early"}
    pairs = clips[clips["window"].between(0, 4)]
    assert pairs["first_sample"].tolist() == [300, 1301, 2302, 3303, 4304]
    assert (pairs["last_sample"] - pairs["first_sample"]).unique().tolist() == [1000]
    assert clips["detail"].iloc[0].startswith("imu_synced: moved by -1.500 s and -1000 ppm")
    plain = pair_shard([recording()], 0, *files)
    assert plain[plain["window"] >= 0]["first_sample"].tolist() == [1000 * k for k in range(6)]


def test_an_early_clock_moves_the_imu_later(tmp_path: Path) -> None:
    write_table(pd.DataFrame([video_row()], columns=list(TABLE_COLUMNS)), tmp_path / "video.parquet")
    write_imu_shard(tmp_path / "imu.h5", [(recording(), signal((-2, 28)))])
    write_table(table(("a", -2.0, np.nan, 0.7, "")), tmp_path / "sync.parquet")
    clips = pair_shard(
        [recording()], 0, tmp_path / "video.parquet", tmp_path / "imu.h5", config(), tmp_path / "sync.parquet"
    )
    pairs = clips[clips["window"] >= 0]
    assert pairs["first_sample"].tolist() == [1000 * k for k in range(6)]
    assert set(pairs["reason"]) == {""}


@pytest.mark.parametrize("changes", [{"video": None}, {"alignment": "reference"}, {"clip_s": None}])
def test_a_correction_needs_video_and_windows(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="`sync: correct` needs video"):
        config(sync="correct", **changes)


def test_off_is_no_boolean() -> None:
    found = DatasetSettings.model_validate({"layout": "ego4d", "root": ".", "sync": False})
    assert (found.sync, found.synced) == ("off", False)
    assert config().synced
    assert "sync" not in config().model_dump()


def test_unknown_everywhere(tmp_path: Path) -> None:
    write_table(KNOWN.iloc[3:], tmp_path / "0.parquet")
    merge_sync([tmp_path / "0.parquet"], tmp_path / "sync.csv")
    assert summarise_sync(read_sync(tmp_path / "sync.csv")).splitlines()[0].startswith("0 of 2 recordings")
