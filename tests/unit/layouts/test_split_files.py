"""Split files, and what is refused in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from comodo.errors import LayoutError
from comodo.layouts.split_files import read_split_files


def write_splits(
    folder: Path, train: str = "a\tx\nb\ty\n", val: str = "c\tx\n", test: str = "d\ty\n"
) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in (("train", train), ("val", val), ("test", test)):
        (folder / f"{name}.txt").write_bytes(text.encode())
    return folder


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
