"""Columns of an IMU csv as numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from comodo.errors import ImuError
from comodo.layouts.imu_csv import read_imu_csv


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a,b,c\n1,2,3\n4,5,6\n", [[1, 2, 3], [4, 5, 6]]),
        (b"c,junk,b,a\n3,x,2,1\n", [[1, 2, 3]]),
        (b"\xef\xbb\xbfa,b\r\n1,2\r\n3,4\r\n", [[1, 2], [3, 4]]),
        (b"a,b\n1,NULL\n,4\n", [[1, None], [None, 4]]),
        (b"a,b\n1,2\n3\n", [[1, 2], [3, None]]),  # cut short
        (b"a,b\n1,2,\n3,4,\n", [[1, 2], [3, 4]]),
        (b"a,b\n1,2147483648999999999999\n", [[1, 2147483648999999999999.0]]),
    ],
)
def test_imu_csv_is_read(tmp_path: Path, content: bytes, expected: list[list[float | None]]) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    table = read_imu_csv(path, ["a", "b"], ["c"])
    assert (
        table[sorted(table.columns)].astype(object).where(table.notna(), None).to_numpy().tolist() == expected
    )
    assert set(table.dtypes) == {table["a"].dtype}
    assert table["a"].dtype == "float64"


@pytest.mark.parametrize(
    ("content", "reason", "message"),
    [
        (None, "imu_missing_file", "does not exist"),
        (b"", "imu_empty", "is empty"),
        (b"a,b\n", "imu_empty", "no samples"),
        (b"a,c\n1,2\n", "imu_missing_column", "no column b"),
        (b"a;b\n1;2\n", "imu_missing_column", "separated by ';'"),
        (b"a,b\n1,x\n", "imu_bad_number", "'x'"),
        (b"a,b\n1,\n2,NULL\n", "imu_empty_column", "column b holds no number"),
        (b"\xff\xfe", "imu_unreadable", "cannot be read"),
        (b"a\tb\n1\t2\n", "imu_missing_column", "separated by tabs"),
        (b"A,B\n1,2\n", "imu_missing_column", "found: A, B; upper and lower case differ: 'A', 'B'"),
        (b"a,bee\n1,2\n", "imu_missing_column", "no column b; found: a, bee"),
        (
            b"# IMU\n# 100 Hz\na,b\n1,2\n",
            "imu_missing_column",
            "the header is line 3: delete the lines above",
        ),
        (b"a,b,c,b\n1,2,3,4\n", "imu_repeated_column", "b is in the header more than once"),
        (b"a,b\n0,1,2\n1,3,4\n", "imu_extra_cells", "2 of 2 rows have more cells .* first in line 2"),
        (b"a,b\n1,2\n3,4,5\n", "imu_extra_cells", "1 of 2 rows have more cells .* first in line 3"),
    ],
)
def test_a_bad_imu_csv_has_its_reason(
    tmp_path: Path, content: bytes | None, reason: str, message: str
) -> None:
    path = tmp_path / "a.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImuError, match=message) as error:
        read_imu_csv(path, ["a", "b"])
    assert error.value.reason == reason
    assert str(path) in str(error.value)


def test_no_permission_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("comodo.layouts.imu_csv.open_text", refuse)
    with pytest.raises(ImuError, match=r"a\.csv cannot be read.*Permission denied") as error:
        read_imu_csv(tmp_path / "a.csv", ["a"])
    assert error.value.reason == "imu_unreadable"


def test_a_symlink_loop_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.symlink_to(path)
    with pytest.raises(ImuError) as error:
        read_imu_csv(path, ["a"])
    assert error.value.reason == "imu_unreadable"
