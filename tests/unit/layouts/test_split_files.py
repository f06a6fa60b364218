"""Split files, and what is refused in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from comodo.errors import LayoutError
from comodo.layouts.split_files import check_splits, read_split_files


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


ONE_CLASS = [
    ("walk", "Walk"),
    ("STRASSE", "straße"),
    ("wash dishes", "wash  dishes"),
    ("wash dishes", "wash\xa0dishes"),
    ("wash dishes", "Wash\u3000Dishes"),
    ("walk", "wa\u200blk"),
    ("walk", "\ufeffwalk"),
    ("caf\xe9", "cafe\u0301"),
    ("CAFE\u0301", "caf\xe9"),
    ("\u1fb3", "\u1fbc"),  # casefolding takes it apart
    ("\uac00", "\u1100\u1161"),
]


@pytest.mark.parametrize("pair", ONE_CLASS, ids=ascii)
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_two_spellings_of_a_label_are_refused(tmp_path: Path, split: str, pair: tuple[str, str]) -> None:
    lines = {"train": f"a\t{pair[0]}\nb\ty\n", "val": "c\ty\n", "test": "d\ty\n"}
    lines[split] += f"\ne\t{pair[1]}\n"
    number = len(lines[split].splitlines())
    with pytest.raises(LayoutError) as error:
        read_split_files(write_splits(tmp_path, **lines), "datasets.x.splits")
    told = str(error.value)
    assert "(train.txt:1) and " in told
    assert f" ({split}.txt:{number}) differ only in case, blanks or Unicode form: relabel" in told
    assert f"{tmp_path} (config key datasets.x.splits): labels " in told
    shown = told.split("labels ")[1].split(" differ")[0].split(" and ")
    assert len({text.split(" (")[0] for text in shown}) == 2
    assert told.isprintable()


def test_labels_that_differ_by_more_are_different_classes(tmp_path: Path) -> None:
    labels = [
        "NA",
        "nan",
        "1",
        "01",
        "1.0",
        "a b",
        "ab",
        "a_b",
        "a-b",
        "cafe",
        "caf\xe9",
        "x1",
        "x2",
        "0",
        "None",
        "",
    ]
    train = "".join(f"r{i}\t{label}\n" for i, label in enumerate(labels) if label)
    rows = read_split_files(write_splits(tmp_path, train=train, val="c\tNA\n", test="d\t01\n"))
    assert [label for _, label, _ in rows] == [*labels[:-1], "NA", "01"]


def test_a_table_names_the_recordings() -> None:
    rows = [("r1", "Walk", "train"), ("r2", "run", "train"), ("r3", "run", "val"), ("r4", "walk", "test")]
    with pytest.raises(
        LayoutError, match=r"a\.csv .*'Walk' \(recording 'r1'\) and 'walk' \(recording 'r4'\) differ"
    ):
        check_splits(rows, Path("a.csv"), "datasets.x.table")


def test_a_missing_or_unreadable_split_file_is_named(tmp_path: Path) -> None:
    folder = write_splits(tmp_path)
    (folder / "test.txt").write_bytes(b"\xff\xfe\x00d")
    with pytest.raises(LayoutError, match=r"test\.txt cannot be read"):
        read_split_files(folder)
    (folder / "test.txt").unlink()
    with pytest.raises(LayoutError, match=r"test\.txt does not exist.*datasets\.x\.splits"):
        read_split_files(folder, "datasets.x.splits")


def test_recordings_to_classify_need_no_label(tmp_path: Path) -> None:
    folder = write_splits(tmp_path)
    (folder / "predict.txt").write_text("e\nf\tnever seen\ndance/g 1 2 3\n")
    assert read_split_files(folder)[4:] == [
        ("e", "", "predict"),
        ("f", "never seen", "predict"),
        ("dance/g", "dance", "predict"),
    ]
    (folder / "predict.txt").write_text("e\na\n")
    with pytest.raises(LayoutError, match="'a' is listed in train and in predict"):
        read_split_files(folder)
