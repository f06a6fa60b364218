"""What holds for the pairs of any recording."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from comodo.clips.pairing import pair_clips
from comodo.clips.reasons import REASONS
from comodo.config import DatasetSettings
from comodo.errors import ImuError
from comodo.layouts.opening import open_layout
from comodo.layouts.types import ImuSamples
from comodo.recordings.imu_shard import preprocess, write_imu_shard
from comodo.recordings.resample import resample
from comodo.recordings.signal import ImuSignal
from tests.support.pairing import RATE, config, pair, video_row


@st.composite
def recordings_in_time(draw: st.DrawFn) -> tuple[np.ndarray, list[tuple[float, float]], float, float]:
    """Times of IMU samples, their holes, the video's length, the clip length."""
    duration = draw(st.floats(1, 40))
    time = draw(st.integers(-5000, 5000)) / 1000 + np.arange(0, draw(st.floats(0, 40)), 0.01)
    holes = draw(st.lists(st.tuples(st.floats(0, 40), st.floats(0.13, 8)), max_size=3))
    for begin, length in holes:
        time = time[(time < begin) | (time > begin + length)]
    return (
        time,
        [(begin, begin + length) for begin, length in holes],
        duration,
        draw(st.sampled_from([1.0, 2.5, 5.0])),
    )


def pair_times(
    folder: Path, time: np.ndarray, duration_s: float, clip_s: float | None
) -> tuple[pd.DataFrame, ImuSignal] | None:
    wave = np.sin(np.arange(1, 4)[:, None] * time)
    try:
        imu = resample([ImuSamples(time, wave, time, wave + 1)])
    except ImuError:
        return None
    return pair(folder, video_row(duration_s=duration_s), imu, config(clip_s=clip_s)), imu


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(recordings_in_time())
def test_pairs_lie_in_video_and_imu_and_never_overlap(tmp_path: Path, case: Any) -> None:
    time, holes, duration, clip_s = case
    result = pair_times(tmp_path, time, duration, clip_s)
    if result is None:
        return
    clips, imu = result
    pairs = clips[clips["reason"] == ""]
    slack = 0.04  # the last sample of a stretch stands for its interval
    for begin, end in holes:
        if len(time) and begin > time[0] and end < time[-1]:
            assert not ((pairs["start_s"] < end - slack) & (pairs["end_s"] > begin + slack)).any()
    assert (pairs["end_s"] <= duration + 1e-5).all()
    assert (pairs["start_s"] >= time[0] - slack).all()
    assert (pairs["end_s"] <= time[-1] + slack).all()
    whole = clips[clips["first_sample"] >= 0].sort_values("first_sample")
    assert (whole["first_sample"].to_numpy()[1:] >= whole["last_sample"].to_numpy()[:-1]).all()
    frames = pairs.sort_values("first_frame")
    assert (frames["first_frame"].diff().dropna() >= clip_s * 10).all()
    for row in whole.itertuples():
        assert np.isfinite(imu.data[:, row.first_sample : row.last_sample]).all()
        assert (row.first_sample + imu.first) / RATE == pytest.approx(row.start_s)
    assert clips["clip"][clips["window"] >= 0].is_unique
    assert set(clips["reason"]) <= set(REASONS)
    assert ((clips["window"] == -1).sum() == 0) == (len(pairs) > 0)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(recordings_in_time())
def test_a_whole_recording_is_paired_only_where_both_run(tmp_path: Path, case: Any) -> None:
    time, _, duration, _ = case
    result = pair_times(tmp_path, time, duration, None)
    if result is None:
        return
    clips, imu = result
    (row,) = clips[clips["window"] == 0].itertuples()
    assert (row.reason == "") == (len(clips) == 1)
    if row.first_sample < 0:
        assert row.reason in ("imu_starts_late", "imu_ends_early", "imu_gap")
        return
    assert np.isfinite(imu.data[:, row.first_sample : row.last_sample]).all()
    begin, end = ((sample + imu.first) / RATE for sample in (row.first_sample, row.last_sample))
    assert -1e-9 <= begin <= 0.1
    assert duration - 0.1 <= end + 1e-9
    assert end <= duration + 0.5 / RATE + 1e-9
    assert (row.first_frame, row.n_frames) == (0, round(duration * 10))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(recordings_in_time(), st.integers(0, 10**6))
@example((-1.6 + np.arange(0, 7, 0.01), [], 1.0, 1.0), 220)
def test_shifting_all_clocks_changes_nothing(tmp_path: Path, case: Any, steps: int) -> None:
    """A recording cut out of a longer file is the recording alone, wherever it lies in the file."""
    time, _, duration, _ = case
    shift = steps / RATE
    tables = []
    for start in (0.0, shift):
        lines = [f"{t + start!r},{math.sin(t)!r},{math.cos(t)!r},9,{t!r},1,2" for t in time.tolist()]
        (tmp_path / "a.csv").write_text(
            "t,accel_x,accel_y,accel_z,gyro_x,gyro_y,gyro_z\n" + "\n".join(lines) + "\n"
        )
        rows = [
            "recording,split,label,video,imu,start_s,end_s",
            f"a,train,x,a.mp4,a.csv,{start!r},{start + 60!r}",
        ]
        rows += ["b,train,y,b.mp4,,,", "c,val,y,c.mp4,,,", "d,test,y,d.mp4,,,"]
        (tmp_path / "table.csv").write_text("\n".join(rows) + "\n")
        own = DatasetSettings.model_validate(
            {
                "layout": "table",
                "root": str(tmp_path),
                "table": str(tmp_path / "table.csv"),
                "imu": {"csv": {"time": "t"}},
            }
        )
        layout = open_layout("own", own)
        write_imu_shard(tmp_path / "imu.h5", preprocess(layout, layout.recordings()[:1], own))
        table = pd.DataFrame([video_row(duration_s=duration)])
        tables.append(
            pair_clips(layout.recordings()[:1], table, tmp_path / "imu.h5", own).drop(columns="detail")
        )
    pd.testing.assert_frame_equal(*tables)
