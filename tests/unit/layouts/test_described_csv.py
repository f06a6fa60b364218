"""IMU csv files by their description: a file for each sensor, times of day, labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comodo.config import ImuCsvColumns
from comodo.errors import ConfigError, ImuError, LayoutError
from comodo.layouts.described_csv import read_described, read_labels
from comodo.layouts.table import check_imu_described
from comodo.recordings.one_file import read_imu
from comodo.recordings.raw_files import imu_state
from tests.unit.layouts.test_table import HEADER, ROWS, layout

XYZ = {"accel": ("x", "y", "z"), "gyro": ("x", "y", "z")}


def columns(**more: Any) -> ImuCsvColumns:
    return ImuCsvColumns.model_validate({"time": "t", **XYZ, **more})


def write(path: Path, times: list[Any], factor: float = 1.0, extra: list[str] | None = None) -> Path:
    """A csv of one sensor: x, y, z are 1, 2 and 3 times the row's number and a factor."""
    lines = ["t,x,y,z" + (",activity" if extra else "")]
    for n, time in enumerate(times):
        cells = [str(time), *(str(k * n * factor) for k in (1, 2, 3)), *([extra[n]] if extra else [])]
        lines.append(",".join(cells))
    path.write_text("\n".join(lines) + "\n")
    return path


def test_each_sensor_keeps_its_own_times(tmp_path: Path) -> None:
    accel = write(tmp_path / "a.csv", [1000, 1020, 1040])
    gyro = write(tmp_path / "g.csv", [990, 1000, 1010, 1020], factor=10)
    samples = read_described(accel, gyro, columns(time_unit="ms", accel_unit="g", gyro_unit="deg/s"))
    np.testing.assert_allclose(samples.accel_t, [1.0, 1.02, 1.04])
    np.testing.assert_allclose(samples.gyro_t, [0.99, 1.0, 1.01, 1.02])
    np.testing.assert_allclose(samples.accel[:, 2], 9.80665 * np.array([2, 4, 6]))
    np.testing.assert_allclose(samples.gyro[:, 3], np.radians([30, 60, 90]))
    first = read_described(accel, gyro, columns(time_unit="ms"), from_first=True)
    np.testing.assert_allclose(first.accel_t, [0.01, 0.03, 0.05])
    np.testing.assert_allclose(first.gyro_t, [0, 0.01, 0.02, 0.03])
    assert first.origin_s == pytest.approx(0.99)


def test_rows_of_the_table_name_both_files(tmp_path: Path) -> None:
    rows = [row.rsplit(",", 1)[0] + f",{row[0]}a.csv,{row[0]}g.csv" for row in ROWS]
    header = "recording,split,label,video,accel,gyro"
    found = layout(tmp_path, header, rows, {"time": "t", **XYZ})
    recordings = found.recordings()
    assert (recordings[0].imu, recordings[0].gyro) == (tmp_path / "aa.csv", tmp_path / "ag.csv")
    check_imu_described("own", found.settings, recordings)
    write(tmp_path / "aa.csv", [0, 1])
    write(tmp_path / "ag.csv", [0, 1, 2])
    (samples,) = found.read_imu(recordings[0])
    assert (samples.accel.shape, samples.gyro.shape) == ((3, 2), (3, 3))
    before = imu_state("own", found.settings, None, None)
    write(tmp_path / "ag.csv", [0, 1, 2, 3])
    assert imu_state("own", found.settings, None, None) != before


@pytest.mark.parametrize("cells", [",a.csv,", ",,g.csv", "i.csv,a.csv,g.csv"])
def test_half_a_pair_of_files_is_refused(tmp_path: Path, cells: str) -> None:
    rows = [row.rsplit(",", 1)[0] + "," + cells for row in ROWS]
    with pytest.raises(LayoutError, match="one file for each sensor in 'accel' and 'gyro'"):
        layout(tmp_path, HEADER + ",accel,gyro", rows, {"time": "t", **XYZ}).recordings()


def test_one_file_for_two_sensors_of_the_same_columns(tmp_path: Path) -> None:
    rows = [row + "i.csv" for row in ROWS]
    found = layout(tmp_path, HEADER, rows, {"time": "t", **XYZ})
    with pytest.raises(LayoutError, match=r"imu\.csv: column x, y, z is named for accel and for gyro"):
        check_imu_described("own", found.settings, found.recordings())
    path = write(tmp_path / "i.csv", [0, 1])
    with pytest.raises(ConfigError, match="column x, y, z is named for accel and for gyro"):
        read_imu(path, {"time": "t", **XYZ})


def test_two_files_outside_a_dataset(tmp_path: Path) -> None:
    time = [n / 100 for n in range(300)]
    write(tmp_path / "a.csv", time)
    write(tmp_path / "g.csv", time, factor=0.001)
    signal = read_imu(tmp_path / "a.csv", {"time": "t", **XYZ}, gyro=tmp_path / "g.csv", rate_hz=100)
    assert signal.data.shape == (6, 300)
    np.testing.assert_allclose(signal.data[3:, 200], [0.2, 0.4, 0.6], atol=1e-3)
    with pytest.raises(ConfigError, match="describe the columns"):
        read_imu(tmp_path / "a.csv", gyro=tmp_path / "g.csv")


ISO = columns(time_unit="iso8601")


def test_times_of_day(tmp_path: Path) -> None:
    stamps = [
        "2026-03-01T09:30:00.25+01:00",
        "2026-03-01T08:30:00.5Z",
        "",
        "2026-03-01 08:30:01.000001+00:00",
    ]
    path = write(tmp_path / "a.csv", stamps)
    samples = read_described(path, path, ISO)
    epoch = 1772353800.0
    np.testing.assert_allclose(samples.accel_t - epoch, [0.25, 0.5, np.nan, 1.000001], atol=1e-6)
    first = read_described(path, path, ISO, from_first=True)
    np.testing.assert_allclose(first.accel_t, [0, 0.25, np.nan, 0.750001], atol=1e-9)
    assert first.origin_s == pytest.approx(epoch + 0.25)


def test_times_of_day_without_a_zone(tmp_path: Path) -> None:
    """Enough where only their differences count."""
    path = write(tmp_path / "a.csv", ["2026-03-01 09:30:00.0", "2026-03-01 09:30:00.5"])
    np.testing.assert_allclose(read_described(path, path, ISO, from_first=True).gyro_t, [0, 0.5])
    with pytest.raises(ImuError, match="has no time zone: append Z") as caught:
        read_described(path, path, ISO)
    assert caught.value.reason == "imu_clock"
    write(path, ["2026-03-01 09:30:00.0", "2026-03-01 09:30:00.5Z"])
    with pytest.raises(ImuError, match="has no time zone"):
        read_described(path, path, ISO, from_first=True)


@pytest.mark.parametrize(("cell", "reason"), [("yesterday Z", "imu_bad_number"), ("", "imu_empty_column")])
def test_what_is_no_time_of_day(tmp_path: Path, cell: str, reason: str) -> None:
    path = write(tmp_path / "a.csv", [cell, cell])
    with pytest.raises(ImuError) as caught:
        read_described(path, path, ISO)
    assert caught.value.reason == reason


def test_labels_are_read_as_they_are_written(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [10, 11, 12], extra=["01", " NA ", ""])
    time, labels = read_labels(path, columns(label="activity"))
    np.testing.assert_allclose(time, [0, 1, 2])
    assert labels == ["01", "NA", ""]
    with pytest.raises(ImuError, match=r"imu\.csv\.label"):
        read_labels(path, columns())
