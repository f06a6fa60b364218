from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from comodo.config import DatasetSettings
from comodo.errors import ImuError, LayoutError
from comodo.layouts.ego4d import Ego4D
from comodo.layouts.opening import open_layout
from comodo.recordings.resample import resample

HEADER = (
    "component_idx,component_timestamp_ms,canonical_timestamp_ms,gyro_x,gyro_y,gyro_z,accl_x,accl_y,accl_z"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "splits").mkdir()
    (tmp_path / "imu").mkdir()
    (tmp_path / "splits" / "train.txt").write_text("a\twalk\nb\trun\n")
    (tmp_path / "splits" / "val.txt").write_text("c\trun\n")
    (tmp_path / "splits" / "test.txt").write_text("d\twalk\n")
    return tmp_path


def layout(root: Path, **settings: str) -> Ego4D:
    made = open_layout("ours", DatasetSettings(layout="ego4d", root=str(root), **settings))
    assert isinstance(made, Ego4D)
    return made


def test_recordings_come_from_the_split_files_alone(root: Path) -> None:
    found = layout(root).recordings()
    assert [(r.id, r.split, r.label, r.group) for r in found] == [
        ("a", "train", "walk", ""),
        ("b", "train", "run", ""),
        ("c", "val", "run", ""),
        ("d", "test", "walk", ""),
    ]
    assert found[0].video == root / "full_scale" / "a.mp4"
    assert found[0].imu == root / "imu" / "a.csv"
    assert found[0].start_s == 0
    assert found[0].end_s is None


def test_splits_may_lie_elsewhere(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    for name in ("train", "val", "test"):
        (root / "splits" / f"{name}.txt").rename(other / f"{name}.txt")
    assert len(layout(root, splits=str(other)).recordings()) == 4
    with pytest.raises(LayoutError, match=r"train\.txt does not exist.*datasets\.ours\.splits"):
        layout(root).recordings()


def test_missing_root_is_named(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match=r"nowhere is not a folder.*datasets\.ours\.root"):
        layout(tmp_path / "nowhere").recordings()


def test_participants_become_groups(root: Path) -> None:
    videos = [
        {
            "video_uid": "a",
            "fb_participant_id": 7,
            "components": [{"video_uid": "z", "fb_participant_id": None}],
        },
        {"video_uid": "b", "fb_participant_id": None, "clips": [{"clip_uid": "q"}]},
        {"video_uid": "d", "fb_participant_id": 0},
        {"video_uid": "c"},
    ]
    (root / "ego4d.json").write_text(
        json.dumps({"date": "x", "version": "2", "videos": videos, "clips": [{"a": 1}]})
    )
    assert [r.group for r in layout(root).recordings()] == ["7", "", "", "0"]


def test_a_broken_ego4d_json_is_named(root: Path) -> None:
    (root / "ego4d.json").write_text('{"videos": [')
    with pytest.raises(LayoutError, match=r"ego4d\.json is not valid JSON"):
        layout(root).recordings()


def write_imu(root: Path, lines: list[str], header: str = HEADER) -> None:
    (root / "imu" / "a.csv").write_text("\n".join([header, *lines]) + "\n")


def test_columns_become_channels_in_seconds(root: Path) -> None:
    write_imu(root, ["0,0,500,1,2,3,4,5,6", "0,5,505,1,2,3,4,5,NULL", "0,9,NULL,1,2,3,4,5,6"])
    made = layout(root)
    (samples,) = made.read_imu(made.recordings()[0])
    np.testing.assert_array_equal(samples.accel_t, [0.5, 0.505, np.nan])
    np.testing.assert_array_equal(samples.gyro_t, samples.accel_t)
    np.testing.assert_array_equal(samples.accel[:, 0], [4, 5, 6])
    np.testing.assert_array_equal(samples.gyro[:, 2], [1, 2, 3])
    assert np.isnan(samples.accel[2, 1])


def test_components_stay_apart(root: Path) -> None:
    write_imu(root, ["1,0,20,1,2,3,4,5,6", "0,0,0,1,2,3,4,5,6", "1,0,25,1,2,3,4,5,7"])
    made = layout(root)
    times = [samples.accel_t.tolist() for samples in made.read_imu(made.recordings()[0])]
    assert times == [[0.0], [0.02, 0.025]]


def test_component_column_is_not_needed_and_order_is_free(root: Path) -> None:
    write_imu(root, ["6,4,5,3,2,1,0"], "accl_z,accl_x,accl_y,gyro_z,gyro_y,gyro_x,canonical_timestamp_ms")
    made = layout(root)
    (samples,) = made.read_imu(made.recordings()[0])
    np.testing.assert_array_equal(np.vstack([samples.accel, samples.gyro])[:, 0], [4, 5, 6, 1, 2, 3])


@pytest.mark.parametrize(
    ("header", "lines", "reason"),
    [
        (HEADER.replace(",accl_y", ""), ["0,0,0,1,2,3,4,6"], "imu_missing_column"),
        (HEADER, ["0,0,0,1,2,3,4,,6"], "imu_empty_column"),
        (HEADER, ["0,0,NULL,1,2,3,4,5,6"], "imu_empty_column"),
        (HEADER, ["0,0,0,1,2,3,4,oops,6"], "imu_bad_number"),
        (HEADER, [], "imu_empty"),
    ],
)
def test_bad_files_have_their_reason(root: Path, header: str, lines: list[str], reason: str) -> None:
    write_imu(root, lines, header)
    made = layout(root)
    with pytest.raises(ImuError) as error:
        made.read_imu(made.recordings()[0])
    assert error.value.reason == reason


def test_unsorted_null_and_duplicate_times_are_survived(root: Path) -> None:
    rng = np.random.default_rng(0)
    time = np.arange(400) * 5.0
    lines = [f"0,{t},{t},{np.sin(t / 100)},0.1,{t},9.81,0,{np.cos(t / 100)}" for t in time]
    mixed = [lines[i] for i in rng.permutation(400)] + lines[100:110] + ["0,0,NULL,9,9,9,9,9,9"]
    made = layout(root)
    write_imu(root, lines)
    tidy = resample(made.read_imu(made.recordings()[0]))
    write_imu(root, mixed)
    untidy = resample(made.read_imu(made.recordings()[0]))
    np.testing.assert_allclose(untidy.data, tidy.data, rtol=1e-6)
    np.testing.assert_allclose(tidy.data[0], 9.81, rtol=1e-6)


@pytest.mark.realdata
def test_the_documented_sample_is_read(root: Path, realdata: Path) -> None:
    (root / "imu" / "a.csv").write_bytes((realdata / "ego4d-docs" / "imu_sample.csv").read_bytes())
    made = layout(root)
    (samples,) = made.read_imu(made.recordings()[0])
    np.testing.assert_allclose(samples.accel_t, np.arange(3) / 201, atol=1e-9)
    assert samples.gyro[0, 0] == pytest.approx(0.025559105)
    assert samples.accel[0, 0] == pytest.approx(-2.278177458)
