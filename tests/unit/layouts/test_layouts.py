from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comodo.config import DatasetSettings, VideoSettings
from comodo.layouts.ids import safe_name, shard_of
from comodo.layouts.imu_csv import read_imu_csv
from comodo.layouts.opening import open_layout
from comodo.layouts.split_files import read_split_files
from comodo.layouts.types import ImuError, LayoutError, Recording
from comodo.recordings.raw import fingerprint

HOSTILE = [
    "../../etc/passwd",
    "a/b",
    "..",
    ".",
    "",
    " ",
    "é😀",
    "e\u0301",
    "\x00\n",
    "a" * 300,
    "a" * 301,
    "%2E",
    "~",
    "\udcff",
]


def write_splits(
    folder: Path, train: str = "a\tx\nb\ty\n", val: str = "c\tx\n", test: str = "d\ty\n"
) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in (("train", train), ("val", val), ("test", test)):
        (folder / f"{name}.txt").write_bytes(text.encode())
    return folder


def test_importing_layouts_stays_light() -> None:
    heavy = "{'torch', 'transformers', 'pandas', 'av', 'sklearn', 'numpy', 'h5py', 'scipy', 'pyarrow'}"
    modules = ", ".join(
        f"comodo.layouts.{name}" for name in ("ego4d", "egoexo4d", "uestc", "table", "processed")
    )
    code = f"import sys, {modules}; print({heavy} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


def test_split_files_are_read_in_order(tmp_path: Path) -> None:
    folder = write_splits(
        tmp_path, train="\ufeffa\tclean / wash\r\n\r\nb \t y\r\n", val="c\ty", test="d\tclean / wash\n"
    )
    assert read_split_files(folder) == [
        ("a", "clean / wash", "train"),
        ("b", "y", "train"),
        ("c", "y", "val"),
        ("d", "clean / wash", "test"),
    ]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"train": "a\tx\nb\ty\na\tx\n"}, "'a' is listed twice in train"),
        ({"val": "a\tx\n"}, "'a' is listed in train and in val"),
        ({"val": "\n"}, "no recording in split 'val'"),
        ({"train": ""}, "no recording in split 'train'"),
        ({"train": "a\tx\nb\tx\n", "test": "d\tx\n"}, "single class, 'x'"),
        ({"test": "d\tz\n"}, "test holds labels that train does not: 'z'"),
        ({"val": "c\tq\n"}, "val holds labels that train does not: 'q'"),
        ({"test": "d y\n"}, r"test\.txt:1: 'd y' is not `id<TAB>label`"),
        ({"test": "\ty\n"}, r"test\.txt:1"),
    ],
)
def test_unsound_splits_are_refused_in_one_line(tmp_path: Path, files: dict[str, str], message: str) -> None:
    with pytest.raises(LayoutError, match=message) as error:
        read_split_files(write_splits(tmp_path, **files), "datasets.x.splits")
    assert "datasets.x.splits" in str(error.value)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_or_unreadable_split_file_is_named(tmp_path: Path) -> None:
    folder = write_splits(tmp_path)
    (folder / "test.txt").write_bytes(b"\xff\xfe\x00d")
    with pytest.raises(LayoutError, match=r"test\.txt cannot be read"):
        read_split_files(folder)
    (folder / "test.txt").unlink()
    with pytest.raises(LayoutError, match=r"test\.txt does not exist.*datasets\.x\.splits"):
        read_split_files(folder, "datasets.x.splits")


def test_shards_are_stable_and_even() -> None:
    assert [shard_of(name, 64) for name in ("a", "hero7", "é")] == [10, 23, 19]
    counts = [0] * 8
    for i in range(4000):
        counts[shard_of(f"recording-{i}", 8)] += 1
    assert 420 < min(counts) <= max(counts) < 580


def test_hostile_ids_become_harmless_names(tmp_path: Path) -> None:
    names = [safe_name(recording) for recording in HOSTILE]
    assert len(set(names)) == len(HOSTILE)
    for name in names:
        (tmp_path / name).write_text("x")
        assert len(name) <= 200
        assert name.isascii()
        assert "/" not in name
        assert not name.startswith(".")
    assert len(list(tmp_path.iterdir())) == len(HOSTILE)


def test_no_id_is_taken_for_a_shortened_one() -> None:
    shortened = safe_name("a" * 300)
    assert safe_name(shortened) != shortened


def test_ordinary_ids_stay_readable() -> None:
    assert safe_name("27_open_close_door_2022_05_05") == "27_open_close_door_2022_05_05"


@given(st.text(), st.text())
def test_names_are_injective(a: str, b: str) -> None:
    assert (safe_name(a) == safe_name(b)) == (a == b)


def recording(folder: Path, name: str = "a") -> Recording:
    return Recording(name, "train", "x", folder / f"{name}.mp4", folder / f"{name}.csv")


@pytest.mark.parametrize("name", ["ego4d", "egoexo4d", "uestc"])
def test_an_imu_only_dataset_needs_neither_video_nor_val(tmp_path: Path, name: str) -> None:
    root = tmp_path
    write_splits(root / "splits", train="a/a\tx\nb/b\ty\n", test="d/d\ty\n")
    (root / "splits" / "val.txt").unlink()
    settings = DatasetSettings.model_validate({"layout": name, "root": str(root), "video": None})
    alone = open_layout("own", settings).recordings()
    assert [(r.id, r.split, r.video) for r in alone] == [
        ("a/a", "train", None),
        ("b/b", "train", None),
        ("d/d", "test", None),
    ]
    (root / "splits" / "val.txt").write_text("\n")
    assert open_layout("own", settings).recordings() == alone
    seen = settings.model_copy(update={"video": VideoSettings()})
    with pytest.raises(
        LayoutError, match="no recording in split 'val'; each of train, val and test needs some"
    ):
        open_layout("own", seen).recordings()
    (root / "splits" / "test.txt").write_text("\n")
    with pytest.raises(LayoutError, match="no recording in split 'test'; each of train and test needs some"):
        open_layout("own", settings).recordings()


def test_fingerprint_of_a_recording_without_video_is_that_of_its_imu(tmp_path: Path) -> None:
    one = Recording("a", "train", "x", None, tmp_path / "a.csv")
    before = fingerprint([one])
    assert before != fingerprint([recording(tmp_path)])
    one.imu.write_bytes(b"12")
    assert fingerprint([one]) != before


def test_fingerprint_notices_every_change_of_a_raw_file(tmp_path: Path) -> None:
    one = recording(tmp_path)
    seen = [fingerprint([one])]
    one.video.write_bytes(b"12")
    seen.append(fingerprint([one]))
    one.imu.write_bytes(b"12")
    seen.append(fingerprint([one]))
    one.imu.write_bytes(b"123")
    os.utime(one.imu, ns=(5, 5))
    seen.append(fingerprint([one]))
    os.utime(one.imu, ns=(5, 6))
    seen.append(fingerprint([one]))
    seen.append(fingerprint([one, recording(tmp_path, "b")]))
    seen.append(fingerprint([Recording("other", one.split, one.label, one.video, one.imu)]))
    seen.append(fingerprint([Recording(one.id, one.split, one.label, one.video, one.imu, end_s=3.0)]))
    assert len(set(seen)) == len(seen)
    assert fingerprint([one]) == seen[4]


def test_fingerprint_survives_what_cannot_be_stated(tmp_path: Path) -> None:
    loop = tmp_path / "a.mp4"
    loop.symlink_to(loop)
    assert fingerprint(
        [recording(tmp_path), recording(tmp_path, "null\x00byte"), recording(tmp_path, "x" * 999)]
    )


def test_fingerprint_stats_each_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(
        "comodo.recordings.raw.os.stat", lambda path: calls.append(path) or (_ for _ in ()).throw(OSError)
    )
    cuts = [Recording(str(i), "train", "x", tmp_path / "v", tmp_path / "v", start_s=i) for i in range(50)]
    fingerprint(cuts)
    assert calls == [tmp_path / "v"]


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

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ImuError, match=r"a\.csv cannot be read.*Permission denied") as error:
        read_imu_csv(tmp_path / "a.csv", ["a"])
    assert error.value.reason == "imu_unreadable"


def test_a_symlink_loop_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.symlink_to(path)
    with pytest.raises(ImuError) as error:
        read_imu_csv(path, ["a"])
    assert error.value.reason == "imu_unreadable"
