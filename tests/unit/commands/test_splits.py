from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import pytest

from comodo.commands.cli import main
from comodo.layouts.split_files import read_split_files
from comodo.recordings.published_splits import PUBLISHED

TAKES = [
    (f"{label}_{session:02}_{take}", label, split)
    for label in ("bike", "music")
    for session in range(6)
    for take, split in enumerate(("train", "train", "val", "test"))
]


@pytest.fixture
def official(tmp_path: Path) -> Path:
    """Split files in which every session is in every split."""
    folder = tmp_path / "official"
    folder.mkdir()
    for split in ("train", "val", "test"):
        lines = [f"{i}\t{label}\n" for i, label, s in TAKES if s == split]
        (folder / f"{split}.txt").write_text("".join(lines))
    return folder


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "mine.csv"
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(["recording", " label", "video", "imu", "group", "person", "note"])
        for i in range(24):
            # Two recordings of each file, of which only the first six files have a group.
            group = f"day{i // 4}" if i < 12 else ""
            writer.writerow([f"r{i}", "xy"[i // 2 % 2], f"{i // 2}.mp4", "", group, f"p{i % 6}", "a, b"])
    return path


def groups(path: Path, column: str) -> dict[str, set[str]]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {s: {row[column] for row in rows if row["split"] == s} - {""} for s in ("train", "val", "test")}


def disjoint(groups: dict[str, set[str]]) -> bool:
    return all(groups[s] for s in groups) and sum(map(len, groups.values())) == len(
        set.union(*groups.values())
    )


def test_fetch_into_the_default_folder(
    official: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in official.iterdir()}
    monkeypatch.setitem(PUBLISHED, "uestc", ("UESTC-MMEA-CL", digests))
    monkeypatch.chdir(tmp_path)
    assert main(["splits", "fetch", "uestc", "--from", "official"]) == 0
    assert read_split_files(Path("dataset/UESTC-MMEA-CL")) == read_split_files(official)
    assert "dataset/UESTC-MMEA-CL/train.txt\n" in capsys.readouterr().out


def test_a_fault_is_one_line_and_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["splits", "fetch", "ego4d", "--from", str(tmp_path), "--into", str(tmp_path / "x")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: neither ")
    assert error.count("\n") == 1


def test_a_missing_table_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["splits", "make", "--table", str(tmp_path / "no.csv"), "--into", str(tmp_path)]) == 1
    assert "no.csv" in capsys.readouterr().err


def test_session_disjoint(official: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    into = tmp_path / "into"
    assert main(["splits", "session-disjoint", "--split-files", str(official), "--into", str(into)]) == 0
    rows = read_split_files(into)
    assert len(rows) == len(TAKES)
    assert disjoint(
        {s: {i.rpartition("_")[0] for i, _, t in rows if t == s} for s in ("train", "val", "test")}
    )
    assert "recordings in" in capsys.readouterr().out


def test_make_says_when_the_option_is_wrong(official: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (official / "val.txt").unlink()
    assert main(["splits", "make", "--split-files", str(official), "--into", "nowhere"]) == 1
    assert "option --split-files" in capsys.readouterr().err


@pytest.mark.parametrize("group", ["session", "csv", "json"])
def test_make_by_group(official: Path, tmp_path: Path, group: str) -> None:
    session = {i: i.rpartition("_")[0] for i, *_ in TAKES}
    if group == "csv":
        group = str(tmp_path / "groups.csv")
        lines = [f"{i},{name}\n" for i, name in session.items()]
        Path(group).write_text("recording,group\n" + "".join(lines))
    elif group == "json":
        group = str(tmp_path / "ego4d.json")
        number = {name: n for n, name in enumerate(sorted(set(session.values())))}
        videos = [
            f'{{"video_uid": "{i}", "fb_participant_id": {number[name]}}}' for i, name in session.items()
        ]
        Path(group).write_text(f'{{"version": "v2", "videos": [{", ".join(videos)}]}}')
    into = tmp_path / "into"
    command = ["splits", "make", "--split-files", str(official), "--into", str(into), "--group", group]
    assert main(command) == 0
    rows = read_split_files(into)
    assert disjoint({s: {session[i] for i, _, t in rows if t == s} for s in ("train", "val", "test")})


def test_make_with_fractions_and_seed(official: Path, tmp_path: Path) -> None:
    made = []
    for seed in ("1", "2"):
        into = tmp_path / seed
        command = ["splits", "make", "--split-files", str(official), "--into", str(into), "--seed", seed]
        assert main([*command, "--fractions", "0.5", "0.25", "0.25"]) == 0
        made.append(read_split_files(into))
        assert [sum(s == split for *_, s in made[-1]) for split in ("train", "val", "test")] == [24, 12, 12]
    assert made[0] != made[1]


@pytest.mark.parametrize("name", ["unknown", "nobody.csv"])
def test_make_refuses_groups_it_cannot_read(
    official: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "nobody.csv").write_text("recording,group\nsomebody,else\n")
    group = str(tmp_path / name) if name.endswith("csv") else name
    command = ["splits", "make", "--split-files", str(official), "--into", str(tmp_path / "into")]
    assert main([*command, "--group", group]) == 1
    assert "--group" in capsys.readouterr().err
    assert not (tmp_path / "into").exists()


def test_make_fills_the_column_of_a_table(table: Path, tmp_path: Path) -> None:
    assert main(["splits", "make", "--table", str(table), "--into", str(tmp_path / "into")]) == 0
    made = tmp_path / "into" / "mine.csv"
    with made.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["recording", "split", "label", "video", "imu", "group", "person", "note"]
    assert [row["recording"] for row in rows] == [f"r{i}" for i in range(24)]
    assert {row["note"] for row in rows} == {"a, b"}
    assert disjoint(groups(made, "video"))
    days = groups(made, "group")
    assert sum(map(len, days.values())) == len(set.union(*days.values())) == 3


def test_make_groups_a_table_by_another_column(table: Path, tmp_path: Path) -> None:
    command = ["splits", "make", "--table", str(table), "--into", str(tmp_path / "into"), "--group", "person"]
    assert main(command) == 0
    assert disjoint(groups(tmp_path / "into" / "mine.csv", "person"))


def test_make_never_overwrites_the_table(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = table.read_bytes()
    assert main(["splits", "make", "--table", str(table), "--into", str(table.parent)]) == 1
    assert f"--into {table} is the input {table}: name another file" in capsys.readouterr().err
    assert table.read_bytes() == before


def test_make_refuses_two_spellings_of_a_label(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table.write_text(table.read_text(encoding="utf-8-sig").replace("r4,x", "r4,X"))
    assert main(["splits", "make", "--table", str(table), "--into", str(tmp_path / "into")]) == 1
    told = capsys.readouterr().err
    assert (
        "mine.csv (option --table): labels 'x' (recording 'r0') and 'X' (recording 'r4') differ only" in told
    )
    assert not (tmp_path / "into").exists()


def test_make_names_a_missing_column(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["splits", "make", "--table", str(table), "--into", str(tmp_path / "into"), "--group", "who"]
    assert main(command) == 1
    assert "mine.csv has no column who" in capsys.readouterr().err
