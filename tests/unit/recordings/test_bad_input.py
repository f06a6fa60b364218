"""A bad recording among good ones, through the whole preparation: its reason is named, the others keep their pairs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from comodo.clips.quality import report_quality
from comodo.clips.shard import pair_shard
from comodo.clips.tables import kept_pairs
from comodo.config import DatasetSettings
from comodo.layouts.opening import open_layout
from comodo.layouts.types import Recording
from comodo.recordings.imu_shard import preprocess_shard
from comodo.recordings.index import index_recordings
from comodo.recordings.small_video import extract_shard
from tests.support.writers import (
    EGO4D_HEADER,
    ego4d_lines,
    write_ego4d_imu,
    write_sound,
    write_splits,
    write_video,
)

Spoil = Callable[[Path, Path], object]  # gets the video and the IMU of the bad recording
TIME = np.arange(0, 3, 0.005)


def imu(change: Callable[[list[str]], list[str]], header: str = EGO4D_HEADER) -> Spoil:
    """Write the csv with changed lines."""
    return lambda _, path: write_ego4d_imu(path, change(ego4d_lines(TIME)), header)


def times(change: Callable[[np.ndarray], np.ndarray]) -> Spoil:
    """Write the csv with changed times."""

    def write(_: Path, path: Path) -> None:
        lines = ego4d_lines(TIME)
        for place, time in enumerate(change(TIME)):
            cells = lines[place].split(",")
            lines[place] = ",".join(
                [*cells[:2], "NULL" if np.isnan(time) else f"{1000 * time:.3f}", *cells[3:]]
            )
        write_ego4d_imu(path, lines)

    return write


def cells(place: int, value: str) -> Spoil:
    """Put a value into a column of all lines."""

    def change(line: str) -> str:
        parts = line.split(",")
        parts[place] = value
        return ",".join(parts)

    return imu(lambda lines: [change(line) for line in lines])


def cut(part: float) -> Spoil:
    """Keep the first part of the video file."""
    return lambda video, _: video.write_bytes(video.read_bytes()[: int(part * video.stat().st_size)])


def loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


# what is wrong: how to make it so, the reason, and the pairs of 1 s that are left of 3 s
BAD: dict[str, tuple[Spoil, str, list[int]]] = {
    "empty mp4": (lambda video, _: video.write_bytes(b""), "video_empty", []),
    "text named mp4": (lambda video, _: video.write_text("not a video\n" * 99), "video_unreadable", []),
    "mp4 cut at 60 %": (cut(0.6), "video_unreadable", []),
    "mp4 without video track": (lambda video, _: write_sound(video), "video_no_stream", []),
    "video of 0.4 s": (lambda video, _: write_video(video, 4), "video_too_short", []),
    "1 fps video": (lambda video, _: write_video(video, 3, fps=1), "video_gap", []),
    "video missing on disk": (lambda video, _: video.unlink(), "video_missing_file", []),
    "video is a symlink loop": (lambda video, _: loop(video), "video_unreadable", []),
    "IMU is a symlink loop": (lambda _, path: loop(path), "imu_unreadable", []),
    "IMU missing on disk": (lambda _, path: path.unlink(), "imu_missing_file", []),
    "empty csv": (lambda _, path: path.write_bytes(b""), "imu_empty", []),
    "missing column": (
        imu(lambda lines: [line.rpartition(",")[0] for line in lines], EGO4D_HEADER.rpartition(",")[0]),
        "imu_missing_column",
        [],
    ),
    "all-NaN axis": (cells(8, "NaN"), "imu_empty_column", []),
    "all timestamps NULL": (cells(2, "NULL"), "imu_empty_column", []),
    "a second of NULL timestamps": (
        times(lambda time: np.where((time > 1.2) & (time < 1.9), np.nan, time)),
        "",
        [0, 2],
    ),
    "timestamps running backwards": (times(lambda time: time[::-1]), "", [0, 1, 2]),
    "duplicate timestamps": (times(lambda time: np.floor(time * 50) / 50), "", [0, 1, 2]),
    "one and the same timestamp": (times(lambda time: 0 * time), "imu_clock", []),
    "gap": (times(lambda time: time + 20 * (time > 1.5)), "", [0]),
    "IMU shorter than video": (imu(lambda lines: lines[:500]), "", [0, 1]),
    "video shorter than IMU": (lambda video, _: write_video(video, 19), "", [0]),
    "IMU starts 1.5 s late": (imu(lambda lines: lines[300:]), "", [2]),
    "another clock": (times(lambda time: time + 86_400), "no_overlap", []),
    "constant IMU": (
        imu(lambda lines: [",".join([*line.split(",")[:3], *"123456"]) for line in lines]),
        "imu_constant",
        [],
    ),
    "byte order mark and CRLF": (
        lambda _, path: path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n")),
        "",
        [0, 1, 2],
    ),
    "semicolon csv": (
        lambda _, path: path.write_text(path.read_text().replace(",", ";")),
        "imu_missing_column",
        [],
    ),
    "words in the csv": (cells(4, "fast"), "imu_bad_number", []),
    "csv cut in a line": (lambda _, path: path.write_bytes(path.read_bytes()[:-30]), "", [0, 1]),
    "binary csv": (lambda _, path: path.write_bytes(bytes(range(256)) * 9), "imu_unreadable", []),
}


def prepare(root: Path, settings: DatasetSettings, shown: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Quality report and pairs."""
    recordings: list[Recording] = open_layout("x", settings).recordings()
    extract_shard(recordings, shown / "video", shown / "video.parquet", settings, threads=1)
    preprocess_shard("x", settings, recordings, shown / "imu.h5")
    windows = pair_shard(recordings, 0, shown / "video.parquet", shown / "imu.h5", settings)
    quality = report_quality(index_recordings(recordings, 1), windows)
    assert len(kept_pairs(windows)) == quality["pairs"].sum()
    return quality[quality["window"] < 0].set_index("recording"), kept_pairs(windows)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("good")
    return write_video(folder / "a.mp4", 30), write_ego4d_imu(folder / "a.csv", ego4d_lines(TIME))


@pytest.fixture
def dataset(tmp_path: Path, good: tuple[Path, Path]) -> tuple[Path, DatasetSettings]:
    names = ["good", "bad", "c", "d"]
    write_splits(tmp_path / "splits", {"train": ["good\tx", "bad\ty"], "val": ["c\tx"], "test": ["d\tx"]})
    for folder, suffix, file in (("full_scale", "mp4", good[0]), ("imu", "csv", good[1])):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / f"{name}.{suffix}").write_bytes(file.read_bytes())
    settings = DatasetSettings.model_validate(
        {"layout": "ego4d", "root": str(tmp_path), "clip_s": 1, "video": {"size": 32}}
    )
    return tmp_path, settings


@pytest.mark.parametrize("name", BAD)
def test_bad_input_has_its_reason_and_harms_no_other(
    name: str, dataset: tuple[Path, DatasetSettings]
) -> None:
    root, settings = dataset
    spoil, reason, left = BAD[name]
    spoil(root / "full_scale/bad.mp4", root / "imu/bad.csv")
    quality, pairs = prepare(root, settings, root / "out")
    assert quality["reason"].to_dict() == {"good": "", "bad": reason, "c": "", "d": ""}
    assert pairs.loc[pairs["recording"] == "bad", "window"].tolist() == left
    assert set(pairs.groupby("recording").size().drop("bad", errors="ignore")) == {3}
    assert (quality.loc["bad", "detail"] != "") or reason in ("", "video_gap")


def test_hostile_ids_stay_inside_and_apart(tmp_path: Path, good: tuple[Path, Path]) -> None:
    """Ids with `/`, `..`, spaces, unicode: nothing is written outside, nothing is mixed up."""
    names = ["../up", "a/b", "a%2Fb", "two words", "é😀", ".hidden"]
    rows = [
        f"{name},train,{'xy'[i % 2]},good.mp4,good.csv,{i % 2},{i % 2 + 1}" for i, name in enumerate(names)
    ]
    rows += ["v,val,x,v.mp4,good.csv,,", "t,test,y,t.mp4,good.csv,,"]
    raw = tmp_path / "raw"
    raw.mkdir()
    for name in ("good", "v", "t"):
        (raw / f"{name}.mp4").write_bytes(good[0].read_bytes())
    (raw / "good.csv").write_bytes(good[1].read_bytes())
    (raw / "table.csv").write_text("\n".join(["recording,split,label,video,imu,start_s,end_s", *rows]) + "\n")
    columns = {
        "time": "canonical_timestamp_ms",
        "time_unit": "ms",
        "accel": ["accl_x", "accl_y", "accl_z"],
        "gyro": ["gyro_x", "gyro_y", "gyro_z"],
    }
    settings = DatasetSettings.model_validate(
        {
            "layout": "table",
            "root": str(raw),
            "table": str(raw / "table.csv"),
            "clip_s": 1,
            "video": {"size": 32},
            "imu": {"csv": columns},
        }
    )
    before = sorted(raw.rglob("*"))
    quality, pairs = prepare(raw, settings, tmp_path / "out")
    assert set(quality["reason"]) == {""}
    assert pairs.groupby("recording").size().to_dict() == {**dict.fromkeys(names, 1), "v": 3, "t": 3}
    assert len(list((tmp_path / "out/video").iterdir())) == len(names) + 2
    assert {path.name for path in tmp_path.iterdir()} == {"raw", "out"}
    assert sorted(raw.rglob("*")) == before
