"""Pairs of equal length: their windows, samples and frames, and the two rules of alignment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from comodo.clips.pairing import pair_clips
from comodo.clips.tables import COLUMNS
from comodo.config import VideoSettings
from comodo.errors import ImuError
from comodo.layouts.opening import open_layout
from comodo.layouts.types import ImuSamples, Recording
from comodo.recordings.imu_shard import preprocess, read_window, write_imu_shard
from comodo.recordings.signal import ImuSignal
from comodo.recordings.small_video import TABLE_COLUMNS, extract_recordings
from tests.support.imu import recording
from tests.support.pairing import config, pair, reasons, signal, video_row


def test_a_whole_recording_gives_all_windows(tmp_path: Path) -> None:
    clips = pair(tmp_path, video_row(duration_s=12.0), signal((0, 12)))
    assert list(clips.columns) == list(COLUMNS)
    assert clips.to_dict("records") == [
        {
            "clip": f"a#{i:05d}",
            "recording": "a",
            "split": "train",
            "label": "walk",
            "window": i,
            "start_s": 5.0 * i,
            "end_s": 5.0 * i + 5.0,
            "first_sample": 1000 * i,
            "last_sample": 1000 * i + 1000,
            "first_frame": 50 * i,
            "n_frames": 50,
            "reason": "",
            "detail": "",
        }
        for i in range(2)
    ]


def test_samples_of_a_pair_lie_in_its_window(tmp_path: Path) -> None:
    import h5py

    clips = pair(tmp_path, video_row(), signal((-1.0, 12), (14, 30)))
    pairs = clips[clips["reason"] == ""]
    assert pairs["window"].tolist() == [0, 1, 3, 4, 5]
    with h5py.File(tmp_path / "imu.h5") as file:
        for row in pairs.itertuples():
            window = read_window(file, "a", row.first_sample, row.last_sample)
            np.testing.assert_array_equal(window[3], np.arange(row.window * 1000, row.window * 1000 + 1000))


def test_windows_of_train_overlap_where_a_stride_is_given(tmp_path: Path) -> None:
    settings = config(stride_s=2.5)
    clips = pair(tmp_path, video_row(duration_s=12.4), signal((0, 12.4)), settings)
    assert clips["start_s"].tolist() == [0.0, 2.5, 5.0]
    assert clips["first_frame"].tolist() == [0, 25, 50]
    assert clips["first_sample"].tolist() == [0, 500, 1000]
    assert clips["last_sample"].tolist() == [1000, 1500, 2000]
    assert set(clips["n_frames"]) == {50}
    assert set(clips["reason"]) == {""}
    gap = pair(tmp_path, video_row(duration_s=12.4, frozen="[[6, 7]]"), signal((0, 12.4)), settings)
    assert reasons(gap) == {0: "", 1: "video_gap", 2: "video_gap"}
    assert settings.step_s("test") == settings.step_s("val") == 5.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stride_s": 6}, "not shorter"),
        ({"stride_s": 2, "windows": "reference"}, "`windows: full`"),
        ({"stride_s": 2, "clip_s": None}, "needs a clip_s"),
        ({"stride_s": 0.25}, "stride_s × video.fps = 2.5 must be a whole number"),
    ],
)
def test_strides_that_cannot_be(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config(**changes)


def test_an_unset_stride_is_no_new_setting() -> None:
    assert "stride_s" not in config().used({"stride_s", "segments", "clip_s"})
    assert config(stride_s=2.5).used({"stride_s"})["stride_s"] == 2.5


def test_a_segment_shorter_than_a_window_has_its_own_reason(tmp_path: Path) -> None:
    short = replace(recording(), start_s=3.0, end_s=7.0)
    write_imu_shard(tmp_path / "imu.h5", [(short, signal((0, 4)))])
    table = pd.DataFrame([video_row(duration_s=4.0)], columns=list(TABLE_COLUMNS))
    clips = pair_clips([short], table, tmp_path / "imu.h5", config())
    assert clips[["window", "reason", "detail"]].to_numpy().tolist() == [
        [-1, "segment_too_short", "4.00 s, a window has 5 s"]
    ]
    assert reasons(pair(tmp_path, video_row(duration_s=4.0), signal((0, 4)))) == {-1: "video_too_short"}


def test_reference_windows_and_alignment(tmp_path: Path) -> None:
    settings = config(windows="reference", alignment="reference")
    clips = pair(tmp_path, video_row(duration_s=15, frozen="[[0.0, 15.0]]"), signal((0, 30)), settings)
    assert reasons(clips) == {0: "", 1: "", **dict.fromkeys(range(2, 6), "no_video")}
    clips = pair(tmp_path, video_row(duration_s=30), signal((0, 12)), settings)
    assert [i for i, reason in reasons(clips).items() if reason == ""] == [0, 1]


def test_alignment_uses_or_ignores_the_clock(tmp_path: Path) -> None:
    """IMU that starts 3 s late: by time its window 1 is 5–10 s, by number it is what came 5–10 s after its start."""

    class Late:
        def recordings(self) -> list[Recording]:
            return []

        def read_imu(self, recording: Recording) -> list[ImuSamples]:
            time = 3 + np.arange(2400) / 200
            ramp = np.tile(time, (3, 1))
            return [ImuSamples(time, ramp, time, ramp)]

    import h5py

    starts = {}
    for alignment in ("timestamps", "reference"):
        settings = config(alignment=alignment)
        write_imu_shard(tmp_path / "imu.h5", preprocess(Late(), [recording()], settings))
        clips = pair_clips(
            [recording()], pd.DataFrame([video_row(duration_s=15)]), tmp_path / "imu.h5", settings
        )
        row = clips.set_index("window").loc[1]
        assert row["reason"] == ""
        with h5py.File(tmp_path / "imu.h5") as file:
            starts[alignment] = read_window(file, "a", row["first_sample"], row["last_sample"])[0, 0]
    assert starts == {"timestamps": pytest.approx(5.0), "reference": pytest.approx(8.0, abs=0.2)}


def test_odd_lengths_keep_all_windows_equal(tmp_path: Path) -> None:
    settings = config(clip_s=0.7, video={"fps": 10}, imu={"rate_hz": 33})
    imu = signal((0, 30))
    imu.rate_hz, imu.start_s = 33.0, 0.0
    clips = pair(tmp_path, video_row(duration_s=30), imu, settings)
    assert len(clips[clips["reason"] == ""]) == 42
    assert set(clips["last_sample"] - clips["first_sample"]) == {23}
    np.testing.assert_allclose(clips["first_sample"] / 33, clips["start_s"], atol=0.5 / 33 + 1e-9)


def test_some_pairs_of_each_recording(tmp_path: Path) -> None:
    clips = pair(tmp_path, video_row(duration_s=50), signal((0, 60)), config(clips_per_recording=3))
    kept = [i for i, reason in reasons(clips).items() if reason == ""]
    order = np.arange(10)
    np.random.RandomState(16349).shuffle(order)
    assert kept == sorted(order[:3])
    assert sum(clips["reason"] == "not_sampled") == 7
    assert sum(clips["reason"] == "no_video") == 2
    few = pair(tmp_path, video_row(duration_s=10), signal((0, 10)), config(clips_per_recording=3))
    assert (few["reason"] == "").all()


def test_recordings_keep_their_order_and_none_is_lost(tmp_path: Path) -> None:
    names = ["z", "a/../b", "m"]
    recordings = [recording(name) for name in names]
    imus: list[ImuSignal | ImuError] = [signal((0, 10)), ImuError("imu_empty", ""), signal((0, 3))]
    write_imu_shard(tmp_path / "imu.h5", zip(recordings, imus, strict=True))
    table = pd.DataFrame([video_row(name, 10.0) for name in reversed(names)])
    clips = pair_clips(recordings, table, tmp_path / "imu.h5", config())
    assert clips["recording"].drop_duplicates().tolist() == names
    assert clips[clips["window"] == -1]["recording"].tolist() == names[1:]
    assert clips["clip"][0] == "z#00000"


def test_an_empty_shard_has_the_same_columns(tmp_path: Path) -> None:
    write_imu_shard(tmp_path / "imu.h5", [])
    clips = pair_clips([], pd.DataFrame(columns=list(TABLE_COLUMNS)), tmp_path / "imu.h5", config())
    assert clips.dtypes.astype(str).to_dict() == COLUMNS
    clips.to_parquet(tmp_path / "clips.parquet")


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("clip_s", "expected"),
    [
        # video 11.745 s; IMU 2175 samples over 11 payloads of 1.001 s: it ends at 11.011 s, 0.73 s before the video
        (2.5, {0: "", 1: "", 2: "", 3: ""}),
        (2.3, {0: "", 1: "", 2: "", 3: "", 4: "imu_ends_early"}),  # the fifth window ends at 11.5 s
        (5.0, {0: "", 1: ""}),
    ],
)
def test_hero7_gives_the_expected_pairs(
    realdata: Path, tmp_path: Path, clip_s: float, expected: dict[int, str]
) -> None:
    clips = camera(realdata, tmp_path, ["hero7"], clip_s)
    assert reasons(clips) == expected
    pairs = clips[clips["reason"] == ""]
    assert pairs["first_sample"].tolist() == [round(i * clip_s * 200) for i in range(len(pairs))]


@pytest.mark.realdata
def test_the_gopro_files_give_the_expected_pairs(realdata: Path, tmp_path: Path) -> None:
    clips = camera(realdata, tmp_path, ["hero7", "max-heromode", "karma"], 2.5)
    assert (clips["reason"] == "").all()
    assert clips["recording"].value_counts().to_dict() == {"hero7": 4, "max-heromode": 4, "karma": 4}


def camera(realdata: Path, folder: Path, names: Sequence[str], clip_s: float) -> pd.DataFrame:
    """From raw mp4 files to the clip table."""
    own = config(
        layout="table", root=str(realdata / "gopro"), table="unused.csv", clip_s=clip_s, video={"size": 32}
    )
    files = [realdata / "gopro" / f"{name}.mp4" for name in names]
    recordings = [
        Recording(name, "train", "walk", file, file) for name, file in zip(names, files, strict=True)
    ]
    table = pd.DataFrame(extract_recordings(recordings, folder / "clips", VideoSettings(size=32), clip_s))
    write_imu_shard(folder / "imu.h5", preprocess(open_layout("own", own), recordings, own))
    return pair_clips(recordings, table, folder / "imu.h5", own)
