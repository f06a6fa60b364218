from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from comodo.clips.pairing import pair_clips
from comodo.config import DatasetSettings
from comodo.errors import ImuError, LayoutError
from comodo.layouts.egoexo4d import EgoExo4D
from comodo.layouts.opening import open_layout
from comodo.recordings.imu_shard import preprocess, write_imu_shard
from comodo.recordings.raw_files import fingerprint
from comodo.recordings.signal import ImuSignal
from tests.support.writers import take, write_splits, write_takes

SPLITS = {
    "train": ["cmu_bike01_2\tBike Repair", "sfu_dance_3_10\tDance"],
    "val": ["c_1\tDance"],
    "test": ["d_1\tBike Repair"],
}
VIDEOS = "frame_aligned_videos/downscaled/448"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_splits(tmp_path / "splits", SPLITS)
    return tmp_path


def layout(root: Path, **settings: Any) -> EgoExo4D:
    made = open_layout("ours", DatasetSettings(layout="egoexo4d", root=str(root), **settings))
    assert isinstance(made, EgoExo4D)
    return made


def test_takes_json_tells_folder_and_camera(root: Path) -> None:
    moved = take("sfu_dance_3_10", "aria05") | {
        "root_dir": "takes/moved",
        "vrs_relative_path": "aria03_noimagestreams.vrs",
    }
    write_takes(root, [take("cmu_bike01_2", "aria02"), moved, take("unlisted")])
    found = layout(root).recordings()
    assert found[0].video == root / "takes/cmu_bike01_2" / VIDEOS / "aria02_214-1.mp4"
    assert found[0].imu == root / "takes/cmu_bike01_2/aria02_noimagestreams.vrs"
    assert found[1].imu == root / "takes/moved/aria03_noimagestreams.vrs"
    assert found[1].video == root / "takes/moved" / VIDEOS / "aria03_214-1.mp4"
    assert [(r.id, r.split, r.label, r.group) for r in found[:2]] == [
        ("cmu_bike01_2", "train", "Bike Repair", "cmu_bike01"),
        ("sfu_dance_3_10", "train", "Dance", "sfu_dance_3"),
    ]


def test_without_takes_json_the_names_of_the_files_tell(root: Path) -> None:
    (root / "takes/cmu_bike01_2").mkdir(parents=True)
    (root / "takes/cmu_bike01_2/aria04_noimagestreams.vrs").touch()
    (root / "takes/sfu_dance_3_10" / VIDEOS).mkdir(parents=True)
    (root / "takes/sfu_dance_3_10" / VIDEOS / "aria02_214-1.mp4").touch()
    found = layout(root).recordings()
    assert found[0].video == root / "takes/cmu_bike01_2" / VIDEOS / "aria04_214-1.mp4"
    assert found[1].imu == root / "takes/sfu_dance_3_10/aria02_noimagestreams.vrs"
    assert found[2].imu == root / "takes/c_1/aria01_noimagestreams.vrs"  # missing, and said so later
    before = fingerprint(found)
    (root / "takes/c_1").mkdir()
    (root / "takes/c_1/aria07_noimagestreams.vrs").touch()
    assert fingerprint(layout(root).recordings()) != before


@pytest.mark.parametrize("content", ["[{", '{"a": 1}', "[1, 2]", '[{"a": 1}]'])
def test_a_broken_takes_json_is_named(root: Path, content: str) -> None:
    (root / "takes.json").write_text(content)
    with pytest.raises(
        LayoutError, match=r"takes\.json is not the takes\.json of Ego-Exo4D.*datasets\.ours\.root"
    ):
        layout(root).recordings()


def test_listing_opens_no_take(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_takes(root, [take(line.partition("\t")[0]) for lines in SPLITS.values() for line in lines])
    opened: list[str] = []
    real = open
    monkeypatch.setattr(
        "builtins.open", lambda path, *a, **k: opened.append(Path(path).name) or real(path, *a, **k)
    )
    monkeypatch.setattr(os, "scandir", lambda path: pytest.fail(f"looks into {path}"))
    fingerprint(layout(root).recordings())
    assert set(opened) == {"train.txt", "val.txt", "test.txt", "takes.json"}


def read(root: Path, path: Path, **settings: Any) -> Any:
    pytest.importorskip("pyvrs", reason="vrs is not installed")
    reader = layout(root, **settings)
    recording = reader.recordings()[0]
    recording.imu.parent.mkdir(parents=True, exist_ok=True)
    if not recording.imu.exists():
        recording.imu.symlink_to(path.resolve())
    return reader.read_imu(recording)[0]


def test_a_missing_file_has_its_reason(root: Path) -> None:
    pytest.importorskip("pyvrs", reason="vrs is not installed")
    reader = layout(root)
    with pytest.raises(ImuError, match=r"aria01_noimagestreams\.vrs does not exist") as error:
        reader.read_imu(reader.recordings()[0])
    assert error.value.reason == "imu_missing_file"


@pytest.mark.parametrize("content", [b"", b"not a recording\n" * 100])
def test_what_is_no_recording_has_its_reason(root: Path, content: bytes) -> None:
    (root / "a.vrs").write_bytes(content)
    with pytest.raises(ImuError, match=r"\.vrs is not an Aria recording") as error:
        read(root, root / "a.vrs")
    assert error.value.reason == "imu_unreadable"


def test_a_file_without_permission_has_its_reason(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("comodo.storage.regular.check_regular", refuse)
    with pytest.raises(ImuError, match=r"\.vrs cannot be read.*Permission denied") as error:
        read(root, root / "a.vrs")
    assert error.value.reason == "imu_unreadable"


def test_a_folder_and_a_symlink_loop_have_their_reason(root: Path) -> None:
    pytest.importorskip("pyvrs", reason="vrs is not installed")
    reader = layout(root)
    recording = reader.recordings()[0]
    recording.imu.mkdir(parents=True)
    with pytest.raises(ImuError) as error:
        reader.read_imu(recording)
    assert error.value.reason == "imu_unreadable"
    recording.imu.rmdir()
    recording.imu.symlink_to(recording.imu)
    with pytest.raises(ImuError) as error:
        reader.read_imu(recording)
    assert error.value.reason == "imu_unreadable"


# ------------------------------------------------------------------------------------------------ a real recording


@pytest.fixture(scope="module")
def aria(realdata: Path) -> Path:
    return realdata / "aria" / "aea_recording.vrs"


@pytest.mark.realdata
def test_a_recording_is_read_from_its_first_frame_on(root: Path, aria: Path) -> None:
    samples = read(root, aria)
    assert samples.accel.shape == samples.gyro.shape == (3, 400)
    assert np.median(np.linalg.norm(samples.accel, axis=0)) == pytest.approx(9.81, abs=0.5)
    np.testing.assert_allclose(samples.accel[:, 0], [-7.893683, 2.142811, 2.659958], atol=1e-6)
    np.testing.assert_allclose(samples.gyro[:, 0], [0.7740546, -0.171953, -0.326338], atol=1e-6)
    # 86.347942362 s and 86.746509612 s on the clock of the glasses; the first frame is at 86.385246037 s
    assert samples.accel_t[[0, -1]] == pytest.approx([-0.037303675, 0.361263575], abs=1e-9)
    assert samples.notes == []


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("cell", "start"),
    [
        ("86400000000", 86.4),
        ("86400000000.0", 86.4),
        ("", 86.385246037),
        ("nan", 86.385246037),
        ("-1", 86.385246037),
    ],
)
def test_timesync_tells_the_first_frame(root: Path, aria: Path, cell: str, start: float) -> None:
    write_takes(root, [take("cmu_bike01_2", capture="cmu_bike01", start_row=1)])
    table = root / "captures/cmu_bike01/timesync.csv"
    table.parent.mkdir(parents=True)
    rows = ["cam01_pts,aria01_214-1_capture_timestamp_ns", "0,1", "1,2", f"2,{cell}", "3,4"]
    table.write_text("\n".join(rows) + "\n")
    assert read(root, aria).accel_t[0] == pytest.approx(86.347942362 - start, abs=1e-9)


@pytest.mark.realdata
def test_without_any_frame_time_starts_with_the_imu(root: Path, aria: Path) -> None:
    before_the_first_frame = aria.stat().st_size // 10
    (root / "cut.vrs").write_bytes(aria.read_bytes()[:before_the_first_frame])
    samples = read(root, root / "cut.vrs")
    assert samples.accel_t[0] == 0
    assert "first frame is unknown" in samples.notes[0]


@pytest.mark.realdata
def test_without_video_time_starts_with_the_imu(root: Path, aria: Path) -> None:
    samples = read(root, aria, video=None)
    assert samples.accel_t[[0, -1]] == pytest.approx([0, 0.398567250], abs=1e-9)
    assert samples.notes == []


@pytest.mark.realdata
def test_the_second_sensor_stands_in(root: Path, aria: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from comodo.layouts import aria as module

    source = Path(module.__file__).read_text()
    stand_in = root / "reader.py"
    first = read(root, aria)
    stand_in.write_text(source.replace('"1202-1", "1202-2"', '"1202-9", "1202-2"'))
    monkeypatch.setattr(module, "__file__", str(stand_in))
    second = read(root, aria)
    assert second.accel.shape == (3, 319)
    assert second.notes == ["imu_second: the first IMU has no samples: the second one is used"]
    for one, other in zip(first.gyro, second.gyro, strict=True):  # a rigid body: both turn alike
        assert np.corrcoef(np.interp(second.gyro_t, first.gyro_t, one), other)[0, 1] > 0.98
    np.testing.assert_allclose(second.accel.mean(axis=1), first.accel.mean(axis=1), atol=0.4)


def test_without_a_calibration_the_second_sensor_is_refused() -> None:
    from comodo.layouts.aria import rotation_between

    for calibration in ("", "{}", '{"ImuCalibrations": [{"Label": "imu-left"}]}'):
        assert np.isnan(rotation_between(calibration)).all()
    half = 0.5**0.5
    places = {"left": [half, [0, 0, half]], "right": [1, [0, 0, 0]]}  # a quarter turn about z; none
    known = [{"Label": f"imu-{k}", "T_Device_Imu": {"UnitQuaternion": q}} for k, q in places.items()]
    quarter = json.dumps({"ImuCalibrations": known})
    np.testing.assert_allclose(rotation_between(quarter) @ [1, 0, 0], [0, 1, 0], atol=1e-7)


@pytest.mark.realdata
def test_a_file_without_the_streams_has_its_reason(root: Path, aria: Path) -> None:
    (root / "cut.vrs").write_bytes(aria.read_bytes()[:100])  # a header and no stream
    with pytest.raises(ImuError, match="none of the IMU streams 1202-1, 1202-2") as error:
        read(root, root / "cut.vrs")
    assert error.value.reason == "imu_no_stream"


@pytest.mark.realdata
def test_a_file_cut_in_half_gives_what_is_whole_and_stays_as_it_is(root: Path, aria: Path) -> None:
    half = aria.read_bytes()[: aria.stat().st_size // 2]
    (root / "half.vrs").write_bytes(half)
    samples = read(root, root / "half.vrs")
    assert samples.accel.shape == (3, 232)
    assert samples.accel_t[-1] == pytest.approx(0.19349, abs=1e-4)
    assert (root / "half.vrs").read_bytes() == half


@pytest.mark.realdata
def test_a_file_that_crashes_the_library_is_only_unreadable(root: Path, aria: Path) -> None:
    (root / "odd.vrs").write_bytes(aria.read_bytes().replace(b"\xb2\x04\x00\x00", b"\xb3\x04\x00\x00"))
    with pytest.raises(ImuError) as error:
        read(root, root / "odd.vrs")
    assert error.value.reason == "imu_unreadable"


@pytest.mark.realdata
def test_a_recording_too_short_for_a_window_is_refused(root: Path, aria: Path) -> None:
    pytest.importorskip("pyvrs", reason="vrs is not installed")
    reader = layout(root)
    recording = reader.recordings()[0]
    recording.imu.parent.mkdir(parents=True)
    recording.imu.symlink_to(aria.resolve())
    ((_, signal),) = preprocess(reader, [recording], reader.settings)
    assert isinstance(signal, ImuSignal)
    assert (signal.data.shape, signal.start_s) == ((6, 80), -0.035)
    write_imu_shard(root / "imu.h5", [(recording, signal)])
    row = dict(
        recording=recording.id, file="a.mp4", n_frames=100, duration_s=10.0, frozen="[]", reason="", detail=""
    )
    clips = pair_clips([recording], pd.DataFrame([row]), root / "imu.h5", reader.settings)
    assert clips["window"].tolist() == [-1, 0, 1]
    assert set(clips["reason"]) == {"imu_ends_early"}
