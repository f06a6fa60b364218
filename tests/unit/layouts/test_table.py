from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comodo.config import DatasetSettings
from comodo.errors import ImuError, LayoutError
from comodo.layouts.camera import spread_paused
from comodo.layouts.opening import open_layout
from comodo.layouts.table import Table, check_imu_described
from comodo.recordings.raw_files import count_folds, labelled_state

HEADER = "recording,split,label,video,imu"
ROWS = ["a,train,walk,a.mp4,", "b,train,fly,b.mp4,", "c,val,walk,c.mp4,", "d,test,fly,d.mp4,"]
IMU_CSV = {"time": "t", "time_unit": "ms", "accel_unit": "g", "gyro_unit": "deg/s"}


def layout(
    folder: Path,
    header: str = HEADER,
    rows: list[str] = ROWS,
    imu_csv: dict[str, Any] | None = None,
    root: Path | None = None,
    **more: Any,
) -> Table:
    table = folder / "table.csv"
    table.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    imu = {"csv": imu_csv} if imu_csv else {}
    made = open_layout(
        "own", DatasetSettings(layout="table", root=str(root or folder), table=str(table), imu=imu, **more)
    )
    assert isinstance(made, Table)
    return made


def test_rows_become_recordings(tmp_path: Path) -> None:
    rows = ["sub/é 1,train,walk,v/a.mp4,i/a.csv,s1,,", *ROWS[1:3], "d,test,fly,v/d.mp4,,s2,1.5,9"]
    found = layout(tmp_path, "\ufeff" + HEADER + ",group,start_s,end_s", rows, IMU_CSV).recordings()
    assert found[0].id == "sub/é 1"
    assert (found[0].video, found[0].imu) == (tmp_path / "v/a.mp4", tmp_path / "i/a.csv")
    assert (found[0].group, found[0].start_s, found[0].end_s) == ("s1", 0.0, None)
    assert found[1].imu == found[1].video
    assert (found[3].group, found[3].start_s, found[3].end_s) == ("s2", 1.5, 9.0)


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        ("recording,split,label,video", ["a,train,walk,a.mp4"], "no column imu"),
        (HEADER.replace(",", ";"), ["a;train;walk;a.mp4;"], "separated by ';'"),
        (HEADER, [], "no recording in split 'train'"),
        (HEADER, ROWS[:3], "no recording in split 'test'"),
        (HEADER, [*ROWS, ROWS[0]], "'a' is listed twice in train"),
        (HEADER, [*ROWS, "a,test,walk,e.mp4,"], "'a' is listed in train and in test"),
        (HEADER, [*ROWS, "e,test,swim,e.mp4,"], "labels that train does not: 'swim'"),
        (HEADER, [*ROWS, "e,testing,walk,e.mp4,"], r"table\.csv:6: split 'testing'"),
        (HEADER, [*ROWS, "e,test,walk,,"], r"table\.csv:6: the cell 'video' is empty"),
        (HEADER, [*ROWS, "e,test,walk"], r"table\.csv:6: the cell 'video' is empty"),
        (HEADER, [*ROWS, ",test,walk,e.mp4,"], "the cell 'recording' is empty"),
        (HEADER + ",start_s", [*ROWS, "e,test,walk,e.mp4,,soon"], "start_s 'soon' is not a number"),
        (HEADER + ",start_s", [*ROWS, "e,test,walk,e.mp4,,-1"], "start_s '-1' is not a number of seconds"),
        (HEADER + ",start_s,end_s", [*ROWS, "e,test,walk,e.mp4,,5,5"], "end_s 5 is not after start_s 5"),
        (HEADER, [*ROWS, "e,test,walk,a.mp4,"], "'a' in train and 'e' in test share footage of .*a.mp4"),
        (
            HEADER + ",start_s,end_s",
            [*ROWS, "e,test,walk,e.mp4,,0,5", "f,test,walk,e.mp4,,1,2", "g,val,walk,e.mp4,,4,6"],
            "'e' in test and 'g' in val share footage",
        ),
    ],
)
def test_a_bad_table_is_refused_in_one_line(
    tmp_path: Path, header: str, rows: list[str], message: str
) -> None:
    with pytest.raises(LayoutError, match=message) as error:
        layout(tmp_path, header, rows).recordings()
    assert "datasets.own." in str(error.value) or "own.table" in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_table_and_root_are_named(tmp_path: Path) -> None:
    made = layout(tmp_path)
    (tmp_path / "table.csv").unlink()
    with pytest.raises(LayoutError, match=r"table\.csv does not exist.*datasets\.own\.table"):
        made.recordings()
    gone = DatasetSettings(layout="table", root=str(tmp_path / "gone"), table="t.csv")
    with pytest.raises(LayoutError, match=r"datasets\.own\.root"):
        open_layout("own", gone).recordings()


def test_one_file_may_be_cut_into_several_recordings(tmp_path: Path) -> None:
    rows = ["e,train,walk,e.mp4,,0,5", "f,test,walk,e.mp4,,5,", "g,train,fly,g.mp4,,,", "h,val,fly,h.mp4,,,"]
    assert len(layout(tmp_path, HEADER + ",start_s,end_s", rows).recordings()) == 4


def test_csv_columns_units_and_cut(tmp_path: Path) -> None:
    lines = [f"{1000 * t:g},1,0,0,180,0,{t:g}" for t in range(10)]
    (tmp_path / "a.csv").write_text(
        "t,accel_x,accel_y,accel_z,gyro_x,gyro_y,gyro_z\n" + "\n".join(lines) + "\n"
    )
    rows = ["a,train,walk,a.mp4,a.csv,2.05,4.8", *(row + ",," for row in ROWS[1:])]
    made = layout(tmp_path, HEADER + ",start_s,end_s", rows, IMU_CSV)
    (samples,) = made.read_imu(made.recordings()[0])
    np.testing.assert_allclose(samples.accel_t, [-0.05, 0.95, 1.95])  # with a margin for the resampling
    np.testing.assert_allclose(samples.gyro_t, [-0.05, 0.95, 1.95])
    np.testing.assert_allclose(samples.accel[:, 0], [9.80665, 0, 0])
    np.testing.assert_allclose(samples.gyro[:, 0], [np.pi, 0, 2 * np.pi / 180])


def test_a_csv_needs_a_description(tmp_path: Path) -> None:
    """Said when the workflow is parsed; jobs that read no IMU list recordings with settings that lack it."""
    made = layout(tmp_path, rows=["a,train,walk,a.mp4,a.csv", *ROWS[1:]])
    recordings = made.recordings()
    with pytest.raises(LayoutError, match=r"a\.csv is a csv.*datasets\.own\.imu\.csv"):
        check_imu_described("own", made.settings, recordings)
    with pytest.raises(LayoutError, match=r"a\.csv is a csv"):
        labelled_state("own", made.settings, None, None)
    check_imu_described("own", made.settings, recordings[1:])


def test_csv_without_a_clock_has_a_rate(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("ax,ay,az,gx,gy,gz\n" + "1,2,3,4,5,6\n" * 5)
    columns = {"rate_hz": 50, "accel": ("ax", "ay", "az"), "gyro": ("gx", "gy", "gz")}
    made = layout(tmp_path, rows=["a,train,walk,a.mp4,a.csv", *ROWS[1:]], imu_csv=columns)
    (samples,) = made.read_imu(made.recordings()[0])
    np.testing.assert_allclose(samples.accel_t, np.arange(5) / 50)
    np.testing.assert_allclose(samples.accel[:, 0], [1, 2, 3])
    np.testing.assert_allclose(samples.gyro[:, 0], [4, 5, 6])


ALONE = ["a,train,walk,a.csv", "b,train,fly,b.csv", "d,test,fly,d.csv"]


def test_an_imu_only_table_needs_neither_videos_nor_val(tmp_path: Path) -> None:
    found = layout(tmp_path, HEADER.replace("video,", ""), ALONE, IMU_CSV, video=None).recordings()
    assert [(r.id, r.video, r.imu) for r in found] == [(n, None, tmp_path / f"{n}.csv") for n in "abd"]
    # The same table may serve with and without video; a camera file without csv is read for its IMU.
    rows = ["a,train,walk,a.mp4,a.csv", "b,train,fly,,b.csv", "d,test,fly,d.mp4,"]
    made = layout(tmp_path, HEADER, rows, IMU_CSV, video=None)
    found = made.recordings()
    assert [r.video for r in found] == [None, None, tmp_path / "d.mp4"]
    assert [r.imu for r in found] == [tmp_path / "a.csv", tmp_path / "b.csv", tmp_path / "d.mp4"]
    with pytest.raises(ImuError, match=r"d\.mp4"):
        made.read_imu(found[2])


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        ("recording,split,label", ["a,train,walk"], "no column imu; needed are recording, split, label, imu"),
        ("recording,split,label,imu", [*ALONE, "e,test,walk,"], r"table\.csv:5: the cell 'imu' is empty"),
        ("recording,split,label,imu", ALONE[:2], "in split 'test'; each of train and test needs some"),
        ("recording,split,label,imu", [*ALONE, "e,test,walk,a.csv"], "'a' in train and 'e' in test share"),
    ],
)
def test_a_bad_imu_only_table_is_refused(tmp_path: Path, header: str, rows: list[str], message: str) -> None:
    with pytest.raises(LayoutError, match=message):
        layout(tmp_path, header, rows, IMU_CSV, video=None).recordings()


def test_without_video_time_starts_at_the_first_sample(tmp_path: Path) -> None:
    epoch = [1_568_482_903_468 + 1000 * k for k in (2, 0, 1, 3)]
    lines = [f"{ms},1,0,0,0,0,{ms % 10000}" for ms in epoch] + ["NULL,1,0,0,0,0,0"]
    (tmp_path / "a.csv").write_text(
        "t,accel_x,accel_y,accel_z,gyro_x,gyro_y,gyro_z\n" + "\n".join(lines) + "\n"
    )
    header = HEADER.replace("video,", "") + ",start_s"
    rows = ["a,train,walk,a.csv,", *(f"{row}," for row in ALONE[1:])]
    made = layout(tmp_path, header, rows, IMU_CSV, video=None)
    (samples,) = made.read_imu(made.recordings()[0])
    np.testing.assert_array_equal(samples.accel_t, [2, 0, 1, 3, np.nan])
    rows[0] = "a,train,walk,a.csv,1"
    made = layout(tmp_path, header, rows, IMU_CSV, video=None)
    (samples,) = made.read_imu(made.recordings()[0])
    np.testing.assert_array_equal(samples.gyro_t, [1, 0, 2])
    # With a video its clock holds.
    rows = ["a,train,walk,a.mp4,a.csv", *ROWS[1:]]
    made = layout(tmp_path, rows=rows, imu_csv=IMU_CSV)
    assert made.read_imu(made.recordings()[0])[0].accel_t[1] == pytest.approx(1_568_482_903.468)


@pytest.mark.parametrize("content", [None, b"", b"no video at all" * 50])
def test_a_camera_file_without_imu_has_its_reason(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "a.mp4").write_bytes(content)
    made = layout(tmp_path)
    with pytest.raises(ImuError, match=r"a\.mp4") as error:
        made.read_imu(made.recordings()[0])
    assert error.value.reason == ("imu_missing_file" if content is None else "imu_unreadable")


def test_samples_paired_by_index_are_spread() -> None:
    clock = np.arange(1200) * 0.0025  # 3 s at 400 Hz
    # 200 Hz, first half of each payload
    paired = np.concatenate([clock[k * 400 : k * 400 + 200] for k in range(3)])
    np.testing.assert_allclose(spread_paused(paired, clock), np.arange(600) * 0.005, atol=1e-9)


def test_real_pauses_and_true_times_stay() -> None:
    clock = np.arange(4000) * 0.0025
    every_second = clock[::2]
    one_pause = np.concatenate([clock[:1000], clock[2500:]])
    for time in (every_second, one_pause, clock[:3000], clock):
        np.testing.assert_array_equal(spread_paused(time, clock), time)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "accel", "gyro", "last_s"),
    [("hero7", 2175, 2175, 11.006), ("max-heromode", 2082, 2082, 10.539), ("karma", 2397, 4795, 12.079)],
)
def test_gopro_files_run_at_a_steady_rate(
    realdata: Path, tmp_path: Path, name: str, accel: int, gyro: int, last_s: float
) -> None:
    made = layout(tmp_path, rows=[f"a,train,walk,{name}.mp4,", *ROWS[1:]], root=realdata / "gopro")
    (samples,) = made.read_imu(made.recordings()[0])
    assert (len(samples.accel_t), len(samples.gyro_t)) == (accel, gyro)
    for time in (samples.accel_t, samples.gyro_t):
        assert np.ptp(np.diff(time)) < 1e-9
        assert time[0] == 0
        assert time[-1] == pytest.approx(last_s, abs=0.005)
    assert np.median(np.linalg.norm(samples.accel, axis=0)) == pytest.approx(9.81, abs=1.0)
    assert np.abs(samples.gyro).max() < 10  # rad/s, not deg/s


LISTED = [
    f"{name},{split},{label},,{name}.csv"
    for name, split, label in zip(
        "abcd", ("train", "train", "val", "test"), ("walk", "fly", "walk", "fly"), strict=True
    )
]
TO_CLASSIFY = ["e,predict,,,e.csv", "f,predict,,f.mp4,", "g,predict,,a.mp4,"]


def test_recordings_to_classify_need_no_label_and_no_video(tmp_path: Path) -> None:
    found = layout(tmp_path, HEADER, [*ROWS, *TO_CLASSIFY], IMU_CSV).recordings()
    assert [(r.id, r.video, r.imu) for r in found[4:]] == [
        ("e", None, tmp_path / "e.csv"),
        ("f", tmp_path / "f.mp4", tmp_path / "f.mp4"),
        ("g", tmp_path / "a.mp4", tmp_path / "a.mp4"),  # footage of train may be classified
    ]
    alone = layout(tmp_path, HEADER, [*LISTED, *TO_CLASSIFY[:2]], IMU_CSV, video=None).recordings()
    assert [r.video for r in alone[4:]] == [None, tmp_path / "f.mp4"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("e,predict,,,,", "the cell 'imu' is empty"),
        (",predict,,,e.csv,", "the cell 'recording' is empty"),
        ("a,predict,,,e.csv,", "'a' is listed in train and in predict"),
        ("e,predict,,,e.csv,3", "offset_s places IMU on the clock of a video, but the row names none"),
        ("e,Predict,,,e.csv,", "split 'Predict' is none of train, val, test, predict"),
    ],
)
def test_a_bad_row_to_classify_is_refused(tmp_path: Path, row: str, message: str) -> None:
    rows = [*(f"{row}," for row in ROWS), row]
    with pytest.raises(LayoutError, match=message):
        layout(tmp_path, HEADER + ",offset_s", rows, IMU_CSV).recordings()


def test_folds_leave_the_split_of_labelled_rows_empty(tmp_path: Path) -> None:
    rows = [*(f"{n},,walk,{n}.mp4,,s{n}" for n in range(2)), "2,,fly,2.mp4,,s2", "e,predict,,,e.csv,"]
    made = layout(tmp_path, HEADER + ",group", rows, IMU_CSV, splits="loso")
    assert [r.split for r in made.recordings()] == ["train", "train", "train", "predict"]
    assert count_folds("own", made.settings) == 3
