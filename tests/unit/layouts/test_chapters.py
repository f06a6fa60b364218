"""Recordings of several files: where each begins, and their IMU on one clock."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from comodo.errors import ImuError, LayoutError, VideoError
from comodo.layouts.camera import read_camera
from comodo.layouts.chapters import chapter_starts, join_chapters, next_chapter
from comodo.layouts.types import ImuSamples
from tests.support.small_video import steady, write_at
from tests.unit.layouts.test_table import HEADER, ROWS, layout


def samples(*times: float, note: str = "") -> ImuSamples:
    """Samples whose values are their times."""
    time = np.array(times)
    return ImuSamples(time, np.tile(time, (3, 1)), time, np.tile(-time, (3, 1)), [note] if note else [])


def test_the_next_chapter_by_its_name(tmp_path: Path) -> None:
    for name, following in (
        ("GX010001", "GX020001"),
        ("GH990001", None),
        ("GOPR0007", "GP010007"),
        ("a", None),
    ):
        path = tmp_path / f"{name}.MP4"
        assert next_chapter(path) is None
        if following:
            (tmp_path / f"{following}.MP4").touch()
            assert next_chapter(path) == tmp_path / f"{following}.MP4"


def test_a_file_begins_where_the_one_before_ends(tmp_path: Path) -> None:
    files = [write_at(tmp_path / f"{n}.mp4", steady(seconds)) for n, seconds in enumerate((2, 3, 1))]
    assert chapter_starts(files) == pytest.approx([0, 2, 5], abs=0.001)
    assert chapter_starts(files[:1]) == [0]
    with pytest.raises(VideoError, match=r"gone\.mp4 does not exist"):
        chapter_starts([tmp_path / "gone.mp4", *files])


def test_imu_of_chapters_is_on_one_clock(tmp_path: Path) -> None:
    """The first chapter's IMU lasts 0.2 s longer than its video: the second one's own clock decides."""
    files = [write_at(tmp_path / f"{n}.mp4", steady(2)) for n in range(3)]
    parts = [samples(0, 1, 1.9, 2.1, note="a: b"), samples(0.05, 1, np.nan), samples(-0.1, 0.5, note="a: b")]
    joined = join_chapters(files, parts)
    np.testing.assert_allclose(joined.accel_t, [0, 1, 1.9, 2.05, 3, np.nan, 3.9, 4.5], atol=0.001)
    np.testing.assert_allclose(joined.accel[1], [0, 1, 1.9, 0.05, 1, np.nan, -0.1, 0.5])
    np.testing.assert_allclose(joined.gyro[2], -joined.accel[2])
    assert joined.gyro_t is joined.accel_t
    assert joined.notes == ["a: b"]


def test_sensors_of_chapters_keep_their_own_clocks(tmp_path: Path) -> None:
    files = [write_at(tmp_path / f"{n}.mp4", steady(2)) for n in range(2)]
    parts = [samples(0, 1), samples(0, 1)]
    for part in parts:
        part.gyro_t, part.gyro = np.array([0.25]), np.ones((3, 1))
    joined = join_chapters(files, parts)
    np.testing.assert_allclose(joined.accel_t, [0, 1, 2, 3], atol=0.001)
    np.testing.assert_allclose(joined.gyro_t, [0.25, 2.25], atol=0.001)
    assert joined.gyro.shape == (3, 2)


def test_a_lost_chapter_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImuError, match=r"a\.mp4 does not exist"):
        join_chapters([tmp_path / "a.mp4", tmp_path / "b.mp4"], [samples(0), samples(0)])


def test_a_cell_names_the_chapters(tmp_path: Path) -> None:
    rows = ["a,train,walk,v/1.mp4; v/2.mp4 ;v/3.mp4,", *ROWS[1:], "e,train,walk,x;y.mp4,"]
    (tmp_path / "x;y.mp4").touch()
    found = layout(tmp_path, HEADER, rows).recordings()
    names = ["1.mp4", "2.mp4", "3.mp4"]
    assert found[0].files == tuple(tmp_path / "v" / name for name in names)
    assert (found[0].video, found[0].imu) == (tmp_path / "v/1.mp4", tmp_path / "v/1.mp4")
    assert found[4].files == (tmp_path / "x;y.mp4",)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("e,train,walk,1.mp4;;2.mp4,", "name each chapter once"),
        ("e,train,walk,1.mp4;1.mp4,", "name each chapter once"),
        ("e,train,walk,1.mp4;,", "name each chapter once"),
        ("e,train,walk,1.mp4;d.mp4,", "'d' in test and 'e' in train share .*d.mp4"),
    ],
)
def test_chapters_that_cannot_be(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(LayoutError, match=message):
        layout(tmp_path, HEADER, [*ROWS, row]).recordings()


def test_cuts_of_the_same_chapters_may_be_in_two_splits(tmp_path: Path) -> None:
    rows = [*ROWS, "e,train,walk,1.mp4;2.mp4,,0,5", "f,test,walk,1.mp4;2.mp4,,5,9"]
    assert len(layout(tmp_path, HEADER + ",start_s,end_s", rows).recordings()) == 6
    with pytest.raises(LayoutError, match="share footage"):
        layout(tmp_path, HEADER + ",start_s,end_s", [*rows, "g,val,walk,1.mp4;2.mp4,,4,6"]).recordings()


@pytest.mark.realdata
def test_three_gopro_chapters_are_one_recording(realdata: Path, tmp_path: Path) -> None:
    pytest.importorskip("telemetry_parser", reason="telemetry-parser has no wheel for this Python")
    for n in (1, 2, 3):
        shutil.copy(realdata / "gopro/hero7.mp4", tmp_path / f"GX0{n}0001.MP4")
    row = "a,train,walk,GX010001.MP4;GX020001.MP4;GX030001.MP4,"
    reader = layout(tmp_path, HEADER, [row, *ROWS[1:]])
    (found,) = reader.read_imu(reader.recordings()[0])
    one, length = read_camera(tmp_path / "GX010001.MP4"), 11.7451
    n = len(one.accel_t)
    assert len(found.accel_t) == 3 * n
    for k in range(3):
        np.testing.assert_allclose(found.accel_t[k * n : (k + 1) * n], one.accel_t + k * length, atol=0.001)
        np.testing.assert_array_equal(found.gyro[:, k * n : (k + 1) * n], one.gyro)
    assert found.notes == []
    row = "a,train,walk,GX010001.MP4;GX020001.MP4,"
    reader = layout(tmp_path, HEADER, [row, *ROWS[1:]])
    (found,) = reader.read_imu(reader.recordings()[0])
    assert [note.partition(":")[0] for note in found.notes] == ["imu_chapter"]
    assert "GX030001.MP4" in found.notes[0]
