from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comodo.config import DatasetSettings
from comodo.errors import ImuError, LayoutError
from comodo.layouts.opening import open_layout
from comodo.layouts.types import Recording
from comodo.layouts.uestc import Uestc
from comodo.recordings.imu_shard import preprocess
from tests.support.writers import motion, write_splits, write_uestc_imu

SPLITS = {
    "train": [
        "yourdataset_path/data/1_upstairs/1_upstairs_2022 100 100 0",
        "yourdataset_path/data/27_open_close_door/27_open 418 419 26",
    ],
    "val": ["elsewhere/1_upstairs/1_upstairs_2023 10 11 0"],
    "test": ["27_open_close_door/27_open_2 10 11 26"],
}


def layout(root: Path, imu: dict[str, Any] | None = None, **more: Any) -> Uestc:
    settings = {"layout": "uestc", "root": str(root), "clip_s": None, "imu": {"rate_hz": 25, **(imu or {})}}
    made = open_layout("ours", DatasetSettings.model_validate(settings | more))
    assert isinstance(made, Uestc)
    return made


def recording(root: Path) -> Recording:
    return Recording("x/a", "train", "x", root / "a.mp4", root / "a.csv")


def test_recordings_come_from_the_published_split_files(tmp_path: Path) -> None:
    write_splits(tmp_path / "splits", SPLITS)
    found = layout(tmp_path).recordings()
    assert [(r.id, r.split, r.label) for r in found] == [
        ("1_upstairs/1_upstairs_2022", "train", "1_upstairs"),
        ("27_open_close_door/27_open", "train", "27_open_close_door"),
        ("1_upstairs/1_upstairs_2023", "val", "1_upstairs"),
        ("27_open_close_door/27_open_2", "test", "27_open_close_door"),
    ]
    assert found[1].video == tmp_path / "video/27_open_close_door/27_open.mp4"
    assert found[1].imu == tmp_path / "sensor/27_open_close_door/27_open.csv"


def test_own_splits_have_the_common_format(tmp_path: Path) -> None:
    lines = {"train": ["x/a\tx", "y/b\ty"], "val": ["x/c\tx"], "test": ["y/d\ty"]}
    write_splits(tmp_path / "splits", lines)
    assert layout(tmp_path).recordings()[0].video == tmp_path / "video/x/a.mp4"


def test_a_line_of_neither_format_is_named(tmp_path: Path) -> None:
    write_splits(tmp_path / "splits", {**SPLITS, "val": ["1_upstairs/1_upstairs_2023 10 11"]})
    with pytest.raises(LayoutError, match=r"val\.txt:1: '1_upstairs"):
        layout(tmp_path).recordings()


def test_counts_become_metric_and_stay_where_they_are(tmp_path: Path) -> None:
    write_uestc_imu(tmp_path / "a.csv", 173)
    reader = layout(tmp_path)
    (_, signal), *_ = preprocess(reader, [recording(tmp_path)], reader.settings)
    assert not isinstance(signal, ImuError)
    assert (signal.start_s, signal.rate_hz, signal.notes) == (0.0, 25.0, [])
    np.testing.assert_allclose(signal.data, motion(np.arange(173) / 25), atol=1e-3)


def test_the_published_scaling_under_reference(tmp_path: Path) -> None:
    write_uestc_imu(tmp_path / "a.csv", 173)
    reader = layout(tmp_path, alignment="reference")
    (_, signal), *_ = preprocess(reader, [recording(tmp_path)], reader.settings)
    assert not isinstance(signal, ImuError)
    counts = np.loadtxt(tmp_path / "a.csv", delimiter=",").T
    scale = np.repeat([16384, 16.4], 3)[:, None]
    np.testing.assert_array_equal(signal.data, (counts / scale).astype(np.float32))
    assert signal.notes == []  # 1 g is as it should be


@pytest.mark.parametrize("alignment", ["timestamps", "reference"])
def test_a_wrong_scale_is_noted(tmp_path: Path, alignment: str) -> None:
    write_uestc_imu(tmp_path / "a.csv", 100)
    reader = layout(tmp_path, {"accel_counts_per_g": 8192, "gyro_counts_per_dps": 32.8}, alignment=alignment)
    (_, signal), *_ = preprocess(reader, [recording(tmp_path)], reader.settings)
    assert not isinstance(signal, ImuError)
    assert "wrong unit or scale?" in signal.notes[0]
    gyro = motion(np.arange(100) / 25)[3] / 2
    np.testing.assert_allclose(
        signal.data[3], gyro if alignment == "timestamps" else np.rad2deg(gyro), atol=0.05
    )


def test_overflown_counts_are_a_note_and_a_hole(tmp_path: Path) -> None:
    path = write_uestc_imu(tmp_path / "a.csv", 100)
    lines = path.read_text().splitlines()
    lines[40:45] = ["1,2,3,4,5,65535"] * 4 + ["1,2,3,4,5,99999999999999999999"]
    lines[70] = "32767,0,0,0,0,-32768"
    path.write_text("\n".join(lines) + "\n")
    reader = layout(tmp_path)
    (_, signal), *_ = preprocess(reader, [recording(tmp_path)], reader.settings)
    assert not isinstance(signal, ImuError)
    assert signal.notes[0].startswith("imu_out_of_range: 5 samples lie outside the 16-bit range")
    assert signal.notes[1].startswith("imu_clipped: 1 samples lie at the end of the 16-bit range")
    assert np.isnan(signal.data).all(axis=0).nonzero()[0].tolist() == [40, 41, 42, 43, 44]


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"1,2,3,4,5,6\n7,8,9,10,11,12\n", 2),
        (b"\xef\xbb\xbf1,2,3,4,5,6\r\n7,8,9,10,11,12\r\n", 2),
        (b"ax,ay,az,gx,gy,gz\n1,2,3,4,5,6\n", 1),
        (b"1,2,3,4,5,6,junk\n7,8,9,10,11,12,junk\n", 2),
        (b"1,2,3,4,5,6\n7,8,9\n", 2),  # cut short
    ],
)
def test_csv_without_a_header(tmp_path: Path, content: bytes, rows: int) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    (samples,) = layout(tmp_path).read_imu(recording(tmp_path))
    assert samples.accel.shape == (3, rows)
    np.testing.assert_allclose(samples.accel[:, 0] / 9.80665 * 16384, [1, 2, 3])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "imu_missing_file"),
        (b"", "imu_empty"),
        (b"1,2,3,4,5\n", "imu_missing_column"),
        (b"1;2;3;4;5;6\n", "imu_missing_column"),
        (b"1,2,3,4,5,6\n1,2,3,4,5,x\n", "imu_bad_number"),
        (b"1,2,3,4,5,\n1,2,3,4,5,\n", "imu_empty_column"),
        (b"ax,ay,az,gx,gy,gz\n", "imu_empty"),
    ],
)
def test_bad_csv_have_their_reason(tmp_path: Path, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ImuError, match=r"a\.csv") as error:
        layout(tmp_path).read_imu(recording(tmp_path))
    assert error.value.reason == reason
