"""IMU of camera files through telemetry-parser."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from comodo.config import DatasetSettings
from comodo.errors import ImuError
from comodo.layouts.camera import read_camera
from comodo.layouts.mp4_tracks import read_tracks
from comodo.layouts.opening import open_layout
from comodo.recordings.resample import resample
from tests.support.writers import write_video

pytest.importorskip("telemetry_parser", reason="telemetry-parser has no wheel for this Python")
GCSV = (
    "GYROFLOW IMU LOG\nversion,1.1\nid,x\norientation,XYZ\ntscale,0.005\ngscale,0.001\nascale,0.001\n"
    "t,gx,gy,gz,ax,ay,az\n" + "".join(f"{n},{n % 50},{n % 30},7,1,2,1000\n" for n in range(1000))
)


def without_imu(source: Path, target: Path, numbers: list[int]) -> Path:
    """Copy a GoPro file, with the IMU streams of some payloads renamed."""
    data = bytearray(source.read_bytes())
    with source.open("rb") as file:
        track = next(track for track in read_tracks(file) if track.format == "gpmd")
    for offset, size in list(zip(*track.places(), strict=True)):
        if int(np.flatnonzero(track.places()[0] == offset)[0]) in numbers:
            part = data[offset : offset + size]
            data[offset : offset + size] = part.replace(b"ACCL", b"XCCL").replace(b"GYRO", b"XYRO")
    target.write_bytes(data)
    return target


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("numbers", "hole"),
    [
        ([4, 5, 6], (4.004, 7.007)),
        ([0, 1], (0.0, 2.002)),
        ([8, 9, 10], (8.008, 11.011)),
        ([5], (5.005, 6.006)),
    ],
)
def test_a_stalled_imu_is_a_hole(
    realdata: Path, tmp_path: Path, numbers: list[int], hole: tuple[float, float]
) -> None:
    source = realdata / "gopro/hero7.mp4"
    whole = read_camera(source)
    stalled = read_camera(without_imu(source, tmp_path / "a.mp4", numbers))
    own = np.repeat(~np.isin(np.arange(11), numbers), [171, 216, 198, 198, 198, 201, 198, 198, 198, 198, 201])
    np.testing.assert_array_equal(stalled.gyro, whole.gyro[:, own])
    # Payloads are cut unevenly: a stream of some of them may lie 0.05 s apart from that of all.
    np.testing.assert_allclose(stalled.gyro_t, whole.gyro_t[own], atol=0.05)
    assert not ((stalled.gyro_t > hole[0]) & (stalled.gyro_t < hole[1] - 0.01)).any()
    assert resample([stalled]).notes == []


@pytest.mark.realdata
def test_the_small_copy_of_a_gopro_file_is_read(realdata: Path, tmp_path: Path) -> None:
    shutil.copy(realdata / "gopro/hero7.mp4", tmp_path / "GL010001.LRV")
    assert len(read_camera(tmp_path / "GL010001.LRV").accel_t) == 2175


@pytest.mark.realdata
def test_the_table_knows_which_chapters_are_listed(realdata: Path, tmp_path: Path) -> None:
    for name in ("GX010001.MP4", "GX020001.MP4"):
        shutil.copy(realdata / "gopro/hero7.mp4", tmp_path / name)
    for listed in (False, True):
        other = "GX020001" if listed else "b"
        rows = [f"a{n},train,{'ab'[n]},GX010001.MP4,,{n},{n + 1}" for n in range(2)]
        rows += [f"v{n},val,{'ab'[n]},c.MP4,,{n},{n + 1}" for n in range(2)]
        rows += [f"t{n},test,{'ab'[n]},{other}.MP4,,{n},{n + 1}" for n in range(2)]
        (tmp_path / "t.csv").write_text(
            "\n".join(["recording,split,label,video,imu,start_s,end_s", *rows]) + "\n"
        )
        settings = {
            "layout": "table",
            "root": str(tmp_path),
            "table": str(tmp_path / "t.csv"),
            "video": {"fps": 10},
        }
        reader = open_layout("own", DatasetSettings.model_validate(settings))
        kinds = {text.partition(":")[0] for text in reader.read_imu(reader.recordings()[0])[0].notes}
        assert kinds == (set() if listed else {"imu_chapter"})


def test_a_sidecar_is_read_only_where_it_is_named(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", 20)
    (tmp_path / "a.gcsv").write_text(GCSV)
    with pytest.raises(ImuError, match=r"a\.mp4 holds no IMU that telemetry-parser can read"):
        read_camera(tmp_path / "a.mp4")
    samples = read_camera(tmp_path / "a.gcsv")
    assert len(samples.accel_t) == 1000
    assert samples.notes == ["imu_sidecar: read from a.gcsv, by its own clock"]


def test_a_camera_without_imu_is_named(tmp_path: Path) -> None:
    """DJI: the files hold the camera's orientation alone."""
    data = write_video(tmp_path / "a.mp4", 20).read_bytes()
    (tmp_path / "a.mp4").write_bytes(data + b"\x00\x00\x00\x18freedjmd DJI meta   ")
    with pytest.raises(
        ImuError, match=r"\(DJI\) holds no accelerometer and no gyroscope samples: DJI writes"
    ):
        read_camera(tmp_path / "a.mp4")
