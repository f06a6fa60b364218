from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import comodo
from comodo.clips.pairing import pair_clips
from comodo.clips.reasons import REASONS
from comodo.clips.tables import COLUMNS
from comodo.clips.windows import frame_indices, video_windows
from comodo.config import DatasetSettings, VideoSettings
from comodo.layouts.opening import open_layout
from comodo.layouts.types import ImuError, ImuSamples, Recording
from comodo.recordings.imu_shard import preprocess, read_window, write_imu_shard
from comodo.recordings.resample import resample
from comodo.recordings.signal import ImuSignal
from comodo.recordings.small_video import TABLE_COLUMNS, extract_recordings

RATE, CLIP_S, CLIP_FRAMES = 200, 5.0, 50


# ------------------------------------------------------------------------------------------------ windows, frames


def test_reference_windows_are_the_published_ones(golden: Path) -> None:
    cases = json.loads((golden / "clip_windows.json").read_text())
    assert len(cases) > 20
    for case in cases:
        found = video_windows(case["video_duration_s"], case["clip_s"], "reference")
        assert found == [tuple(window) for window in case["windows"]], case["video_duration_s"]


@pytest.mark.parametrize(
    ("duration_s", "count"),
    [(0, 0), (4.99, 0), (5.0, 1), (9.99, 1), (15.0, 3), (15 - 1e-9, 3), (14.99, 2), (0.1 * 150, 3), (-1, 0)],
)
def test_full_windows(duration_s: float, count: int) -> None:
    assert video_windows(duration_s) == [(5.0 * i, 5.0 * i + 5.0) for i in range(count)]


def test_windows_refuse_nonsense() -> None:
    with pytest.raises(ValueError, match="neither 'full' nor 'reference'"):
        video_windows(5.0, rule="all")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="clip_s"):
        video_windows(5.0, 0.0)
    with pytest.raises(ValueError, match="finite"):
        video_windows(math.nan)


@settings(deadline=None)
@given(st.floats(0, 3600), st.floats(0.5, 60))
def test_windows_tile_the_video(duration_s: float, clip_s: float) -> None:
    windows = video_windows(duration_s, clip_s)
    assert all(end == pytest.approx(start + clip_s) for start, end in windows)
    assert all(later[0] == earlier[1] for earlier, later in itertools.pairwise(windows))
    last = windows[-1][1] if windows else 0.0
    assert last <= duration_s + 1e-5
    assert duration_s < last + clip_s


def test_frame_indices_are_the_published_ones(golden: Path) -> None:
    for case in json.loads((golden / "frame_indices.json").read_text()):
        found = frame_indices(case["frames_in_clip"], case["num_frames"])
        assert found == case["indices"]
        assert all(type(i) is int for i in found)


def test_frame_indices_of_short_clips() -> None:
    assert frame_indices(1, 4) == [0, 0, 0, 0]
    assert frame_indices(7, 1) == [0]
    with pytest.raises(ValueError, match="without frames"):
        frame_indices(0, 8)


# --------------------------------------------------------------------------------------------------------- pairing


def config(**changes: Any) -> DatasetSettings:
    return DatasetSettings.model_validate({"layout": "ego4d", "root": "x", "clip_s": CLIP_S} | changes)


def recording(name: str = "a") -> Recording:
    return Recording(name, "train", "walk", Path("a.mp4"), Path("a.csv"))


def video_row(name: str = "a", duration_s: float = 30.0, **changes: Any) -> dict[str, Any]:
    row = {
        "recording": name,
        "file": f"{name}.mp4",
        "n_frames": round(duration_s * 10),
        "duration_s": duration_s,
    }
    return row | {"frozen": "[]", "reason": "", "detail": ""} | changes


def no_video(name: str = "a") -> dict[str, Any]:
    return video_row(name, 0.0, file="", reason="video_empty", detail="a.mp4 is empty")


def signal(*runs: tuple[float, float]) -> ImuSignal:
    """IMU that is there in [begin, end) seconds, each sample telling its number on the grid."""
    edges = [(round(begin * RATE), round(end * RATE)) for begin, end in runs]
    first, stop = edges[0][0], edges[-1][1]
    data = np.full((6, stop - first), np.nan, dtype=np.float32)
    for begin, end in edges:
        data[:, begin - first : end - first] = np.arange(begin, end)
    return ImuSignal(data, first / RATE, RATE)


def pair(
    folder: Path, video: dict[str, Any], imu: ImuSignal | ImuError, settings: DatasetSettings | None = None
) -> pd.DataFrame:
    write_imu_shard(folder / "imu.h5", [(recording(), imu)])
    table = pd.DataFrame([video], columns=list(TABLE_COLUMNS))
    return pair_clips([recording()], table, folder / "imu.h5", settings or config())


def reasons(clips: pd.DataFrame) -> dict[int, str]:
    return dict(zip(clips["window"], clips["reason"], strict=True))


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


@pytest.mark.parametrize(
    ("video", "imu", "expected"),
    [
        # the IMU starts 3 s late: the first window goes
        (video_row(duration_s=15), signal((3, 15)), {0: "imu_starts_late", 1: "", 2: ""}),
        # IMU shorter than video
        (video_row(duration_s=15), signal((0, 14.9)), {0: "", 1: "", 2: "imu_ends_early"}),
        # video shorter than IMU: the SVM still uses the window
        (video_row(duration_s=14.9), signal((0, 15)), {0: "", 1: "", 2: "no_video"}),
        # a gap of 20 s from 6 to 26
        (
            video_row(duration_s=35),
            signal((0, 6), (26, 35)),
            {0: "", **dict.fromkeys(range(1, 6), "imu_gap"), 6: ""},
        ),
        # both end inside a window: no candidate
        (video_row(duration_s=9), signal((0, 9)), {0: ""}),
        # the camera paused from 6 to 9.5 s
        (video_row(duration_s=15, frozen="[[6.0, 9.5]]"), signal((0, 15)), {0: "", 1: "video_gap", 2: ""}),
        (video_row(duration_s=15, frozen="[[5.0, 10.0]]"), signal((0, 15)), {0: "", 1: "video_gap", 2: ""}),
        (
            video_row(duration_s=15, frozen="[[9.9999999, 12.0]]"),
            signal((0, 15)),
            {0: "", 1: "", 2: "video_gap"},
        ),
        # beyond the video only whole windows count
        (video_row(duration_s=5), signal((0, 5), (12, 20)), {0: "", 3: "no_video"}),
        # fewer frames than the duration promises
        (video_row(duration_s=15, n_frames=149), signal((0, 15)), {0: "", 1: "", 2: "no_video"}),
        # no pair at all: one row for the recording
        (no_video(), signal((0, 10)), {-1: "video_empty", 0: "no_video", 1: "no_video"}),
        (no_video(), signal((0, 4)), {-1: "video_empty"}),
        (video_row(), ImuError("imu_constant", "flat"), {-1: "imu_constant"}),
        (no_video(), ImuError("imu_constant", "flat"), {-1: "video_empty"}),
        (video_row(duration_s=0.4), signal((0, 4)), {-1: "video_too_short"}),
        (video_row(duration_s=0.4), signal((0, 5)), {-1: "video_too_short", 0: "no_video"}),
        (video_row(duration_s=2, reason="video_truncated"), signal((0, 4)), {-1: "video_truncated"}),
        (video_row(duration_s=5), signal((1, 5)), {-1: "imu_starts_late", 0: "imu_starts_late"}),
        (video_row(duration_s=5), signal((0, 2), (3, 5)), {-1: "imu_gap", 0: "imu_gap"}),
        (
            video_row(duration_s=5),
            signal((1000.0, 1007.0)),
            {-1: "no_overlap", 0: "imu_starts_late", 200: "no_video"},
        ),
        (video_row(duration_s=5), signal((-1000.0, -900.0)), {-1: "no_overlap", 0: "imu_ends_early"}),
    ],
)
def test_every_window_has_its_reason(
    tmp_path: Path, video: dict[str, Any], imu: ImuSignal | ImuError, expected: dict[int, str]
) -> None:
    clips = pair(tmp_path, video, imu)
    assert reasons(clips) == expected
    assert clips["window"].is_monotonic_increasing
    whole_imu = clips["reason"].isin(["", "no_video", "video_gap"])
    assert ((clips["first_sample"] >= 0) == (whole_imu & (clips["window"] >= 0))).all()
    assert ((clips["n_frames"] == CLIP_FRAMES) == (clips["first_frame"] >= 0)).all()


def test_details_say_what_is_wrong(tmp_path: Path) -> None:
    clips = pair(tmp_path, no_video(), ImuError("imu_constant", "flat"))
    assert clips["detail"].tolist() == ["a.mp4 is empty; flat"]
    assert clips["clip"].tolist() == [""]
    assert (
        "IMU from 1000.00 to 1007.00 s" in pair(tmp_path, video_row(), signal((1000.0, 1007.0)))["detail"][0]
    )


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


@pytest.mark.parametrize(
    ("video", "imu", "reason", "samples", "frames"),
    [
        (video_row(duration_s=12.34), signal((0, 12.34)), "", (0, 2468), (0, 123)),
        # video and IMU need not end at the same sample: up to max_gap_s (0.1 s) is no difference
        (video_row(duration_s=12.0), signal((0, 11.9)), "", (0, 2380), (0, 120)),
        (video_row(duration_s=12.0), signal((0, 11.89)), "imu_ends_early", (-1, -1), (0, 120)),
        (video_row(duration_s=12.0), signal((0.1, 12)), "", (0, 2380), (0, 120)),
        (video_row(duration_s=12.0), signal((0.11, 12)), "imu_starts_late", (-1, -1), (0, 120)),
        # what lies outside the video is left out
        (video_row(duration_s=4.0), signal((-1, 30)), "", (200, 1000), (0, 40)),
        (video_row(duration_s=12.0), signal((0, 5), (6, 12)), "imu_gap", (-1, -1), (0, 120)),
        (video_row(duration_s=4.0), signal((-1, 5), (6, 12)), "", (200, 1000), (0, 40)),
        (video_row(duration_s=12.0, frozen="[[6.0, 9.5]]"), signal((0, 12)), "video_gap", (0, 2400), (-1, 0)),
        (no_video(), signal((-1, 12)), "no_video", (0, 2600), (-1, 0)),
        (no_video(), signal((0, 5), (6, 12)), "imu_gap", (-1, -1), (-1, 0)),
        (video_row(duration_s=0.05, n_frames=1), signal((-9, -1)), "imu_starts_late", (-1, -1), (0, 1)),
        (video_row(duration_s=5), signal((1000.0, 1007.0)), "imu_starts_late", (-1, -1), (0, 50)),
    ],
)
def test_a_whole_recording_may_be_one_clip(
    tmp_path: Path,
    video: dict[str, Any],
    imu: ImuSignal,
    reason: str,
    samples: tuple[int, int],
    frames: tuple[int, int],
) -> None:
    clips = pair(tmp_path, video, imu, config(clip_s=None))
    row = clips.iloc[-1]
    assert (row["clip"], row["window"], row["reason"]) == ("a#00000", 0, reason)
    assert (row["first_sample"], row["last_sample"]) == samples
    assert (row["first_frame"], row["n_frames"]) == frames
    if reason == "":
        assert len(clips) == 1
        assert (row["start_s"], row["end_s"]) == (0, video["duration_s"])
    else:
        assert clips["window"].tolist() == [-1, 0]
        outside = imu.start_s > 100 or imu.start_s < -5
        expected = "no_overlap" if outside else "video_empty" if not video["n_frames"] else reason
        assert clips["reason"][0] == expected


def test_a_whole_recording_under_the_published_rule_is_all_of_both(tmp_path: Path) -> None:
    settings = config(clip_s=None, alignment="reference", windows="reference")
    clips = pair(tmp_path, video_row(duration_s=12.0, frozen="[[1.0, 9.0]]"), signal((0, 9)), settings)
    row = clips.iloc[0]
    assert (len(clips), row["reason"], row["last_sample"], row["n_frames"]) == (1, "", 1800, 120)


def test_a_recording_without_imu_has_no_clip(tmp_path: Path) -> None:
    clips = pair(tmp_path, video_row(), ImuError("imu_empty", "none"), config(clip_s=None))
    assert reasons(clips) == {-1: "imu_empty"}


def imu_alone(
    folder: Path,
    imu: ImuSignal | ImuError,
    cut: tuple[float, float | None] = (0.0, None),
    **changes: Any,
) -> pd.DataFrame:
    one = Recording("a", "train", "walk", None, Path("a.csv"), start_s=cut[0], end_s=cut[1])
    write_imu_shard(folder / "imu.h5", [(one, imu)])
    nothing = pd.DataFrame(columns=list(TABLE_COLUMNS))
    return pair_clips([one], nothing, folder / "imu.h5", config(video=None, **changes))


def test_without_video_every_whole_window_is_kept_and_none_has_frames(tmp_path: Path) -> None:
    imu = signal((3, 17), (17.5, 34.9))
    clips = imu_alone(tmp_path, imu)
    # not 0 and 6: the IMU does not fill them
    assert reasons(clips) == {1: "", 2: "", 3: "imu_gap", 4: "", 5: ""}
    assert clips["first_sample"].tolist() == [400, 1400, -1, 3400, 4400]
    assert clips["last_sample"].tolist() == [1400, 2400, -1, 4400, 5400]
    assert clips["start_s"].tolist() == [5.0, 10.0, 15.0, 20.0, 25.0]
    assert set(zip(clips["first_frame"], clips["n_frames"], strict=True)) == {(-1, 0)}
    assert sum(imu_alone(tmp_path, imu, clips_per_recording=3)["reason"] == "not_sampled") == 1
    assert list(reasons(imu_alone(tmp_path, imu, windows="reference"))) == [1, 2, 3, 4, 5]  # a rule of videos


@pytest.mark.parametrize(
    ("imu", "expected"),
    [
        (signal((0, 4.9)), {-1: "imu_too_short"}),
        (signal((2.5, 7.5)), {-1: "imu_too_short"}),
        (signal((-20, -5)), {-1: "imu_too_short"}),
        (signal((0, 2), (3, 8)), {-1: "imu_gap", 0: "imu_gap"}),
        (ImuError("imu_empty", "none"), {-1: "imu_empty"}),
        (signal((-0.005, 5)), {0: ""}),
    ],
)
def test_without_video_a_recording_is_bad_when_it_fills_no_window(
    tmp_path: Path, imu: ImuSignal | ImuError, expected: dict[int, str]
) -> None:
    clips = imu_alone(tmp_path, imu)
    assert reasons(clips) == expected
    assert not any("video" in detail for detail in clips["detail"])


def test_without_video_no_window_reaches_beyond_the_cut(tmp_path: Path) -> None:
    with_margin = signal((-0.1, 10.1))
    for end_s, count in ((26.0, 2), (25.95, 1)):
        assert len(imu_alone(tmp_path, with_margin, (16.0, end_s))) == count
    whole = imu_alone(tmp_path, with_margin, (16.0, 25.95), clip_s=None)
    (row,) = whole.to_dict("records")
    assert (row["first_sample"], row["last_sample"], row["end_s"]) == (20, 2010, 9.95)


@pytest.mark.parametrize(
    ("imu", "expected"),
    [
        (signal((0, 3.7)), {0: ""}),
        (signal((0, 3), (4, 7)), {-1: "imu_gap", 0: "imu_gap"}),
        (signal((-3, -1)), {-1: "imu_too_short"}),
    ],
)
def test_without_video_a_recording_may_be_one_window(
    tmp_path: Path, imu: ImuSignal, expected: dict[int, str]
) -> None:
    clips = imu_alone(tmp_path, imu, clip_s=None)
    assert reasons(clips) == expected
    if expected == {0: ""}:
        assert clips[["first_sample", "last_sample", "start_s", "end_s"]].to_numpy().tolist() == [
            [0, 740, 0, 3.7]
        ]


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


def test_every_reason_raised_is_in_the_list() -> None:
    raised = set()
    for path in Path(comodo.__file__).parent.rglob("*.py"):
        raised |= set(
            re.findall(r'(?:Error\(|reason(?:, detail)? = )"((?:imu|video)_\w+)"', path.read_text())
        )
    assert len(raised) > 10
    assert raised <= set(REASONS)


# ------------------------------------------------------------------------------------------------------ properties


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


# ------------------------------------------------------------------------------------------------------- real data


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
