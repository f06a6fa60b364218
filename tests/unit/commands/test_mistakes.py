"""What a user may name by mistake ends in one line, never in a traceback: a folder, no text, broken JSON or YAML, …"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from comodo.commands import workflow
from comodo.commands.cli import main
from comodo.storage.files import write_json
from tests.support.writers import write_processed_imu, write_splits

SPLITS = {"train": ["a_1\twalk", "b_1\trun"], "val": ["c_1\trun"], "test": ["d_1\twalk"]}
CONFIG = {
    "datasets": {"d": {"layout": "ego4d", "root": "x", "simulate": {}}},
    "students": {"s": {"architecture": "dlinear"}},
    "experiments": {"e": {"dataset": "d", "student": "s", "objective": "none"}},
}
LONG = "a" * 300
Make = Callable[[Path], object]
MADE: dict[str, Make] = {
    "folder": Path.mkdir,
    "missing": lambda path: None,
    "binary": lambda path: path.write_bytes(b"\xff\xfe\x00\x80abc" * 50),
    "empty": Path.touch,
    "loop": lambda path: path.symlink_to(path.name),
}
JSON: dict[str, Make] = {
    "broken": lambda path: path.write_text("{"),
    "list": lambda path: path.write_text("[1]"),
    "deep": lambda path: path.write_text("[" * 100_000),
}
YAML: dict[str, Make] = {
    "broken": lambda path: path.write_text("a: ["),
    "list": lambda path: path.write_text("- a"),
    "date": lambda path: path.write_text("a: 2024-13-45"),
    "number": lambda path: path.write_text(f"a: {'9' * 5000}"),
    "object": lambda path: path.write_text("a: !!python/object:os.x {}"),
    "deep": lambda path: path.write_text("[" * 5000),
    "key": lambda path: path.write_text("{a: b}: 3"),
    "control": lambda path: path.write_text("a: \x01"),
    "utf-16": lambda path: path.write_text("a: 1", encoding="utf-16"),
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(workflow, "run_to_the_end", lambda command: 0)
    Path("config.yaml").write_text(yaml.safe_dump(CONFIG))
    write_json({"device": "x", "seconds": {}, "widths": {}, "failed": {}}, Path("rates.json"))
    write_splits(Path("ego4d"), SPLITS)
    table = "".join(f"r{i},{'xy'[i % 2]},{i}.mp4\n" for i in range(12))
    Path("table.csv").write_text(f"recording,label,video\n{table}")


@pytest.fixture
def student(golden: Path) -> Path:
    return Path(shutil.copytree(golden / "ckpt/paris-noah-Mantis-tiny-nodropout", "student"))


@pytest.fixture
def imu() -> Path:
    return write_processed_imu(Path(), "a", np.arange(1200) / 200, 1e-3)


def one_line(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """Run a command that must fail in one line; returns it."""
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert told.count("\n") == 1
    return told


def cases(*kinds: dict[str, Make]) -> list[object]:
    return [pytest.param(make, id=name) for kind in kinds for name, make in kind.items()]


@pytest.mark.parametrize("make", cases(MADE, YAML))
def test_plan_names_a_config_that_is_none(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    make(Path("there.yaml"))
    assert "there.yaml " in one_line(capsys, "plan", "there.yaml", "--rates", "rates.json")


@pytest.mark.parametrize("make", cases(MADE, JSON))
def test_plan_names_rates_that_are_none(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    make(Path("there.json"))
    assert "there.json " in one_line(capsys, "plan", "config.yaml", "--rates", "there.json")


@pytest.mark.parametrize("results", ["table.csv", LONG, "damaged", "folder"])
def test_plan_names_results_that_cannot_be_read(results: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("damaged/d").mkdir(parents=True)
    Path("damaged/d/clips.parquet").write_text("no table")
    Path("folder/d/clips.parquet").mkdir(parents=True)
    told = one_line(capsys, "plan", "config.yaml", "--rates", "rates.json", "--results", results)
    assert f"--results {results} " in told or f"{results}/d/clips.parquet is damaged or not whole" in told


@pytest.mark.parametrize("make", cases(MADE))
@pytest.mark.parametrize("command", [["train", "--video_ckpt", "a/b", "--imu_ckpt", "a/c"], ["evaluate"]])
def test_train_and_evaluate_name_split_files_that_are_none(
    command: list[str], make: Make, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("ego4d/train.txt").unlink()
    make(Path("ego4d/train.txt"))
    flags = ["--dataset_path", "ego4d", "--dry_run"]
    if make is MADE["empty"]:  # for the workflow to tell
        assert main([*command, *flags]) == 0
        return
    assert "train.txt" in one_line(capsys, *command, *flags)


@pytest.mark.parametrize("path", ["table.csv", "missing", "", LONG, "table.csv/x", "a\0b"])
@pytest.mark.parametrize("flag", ["dataset_path", "video_ckpt", "imu_ckpt"])
def test_train_names_what_is_no_folder(flag: str, path: str, capsys: pytest.CaptureFixture[str]) -> None:
    given = {"dataset_path": "ego4d", "video_ckpt": "a/b", "imu_ckpt": "a/c", flag: path}
    flags = [part for name, value in given.items() for part in (f"--{name}", value)]
    if path in ("missing", "table.csv/x") and flag != "dataset_path":
        assert main(["train", *flags, "--dry_run"]) == 0  # as good as a hub id
        return
    assert f"--{flag} " in one_line(capsys, "train", *flags, "--dry_run")


BROKEN = {
    f"{file}-{kind}": (file, make)
    for file in ("config.json", "comodo.json", "SHA256SUMS")
    for kind, make in (MADE | JSON).items()
    if kind != "missing" and (file != "SHA256SUMS" or kind in ("folder", "binary", "loop"))
} | {"comodo.json-keys": ("comodo.json", lambda path: path.write_text('{"family": "mantis"}'))}


@pytest.mark.parametrize(("file", "make"), BROKEN.values(), ids=BROKEN)
def test_a_broken_model_is_named_before_anything_runs(
    file: str, make: Make, student: Path, imu: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (student / file).unlink(missing_ok=True)
    make(student / file)
    assert f"student/{file}" in one_line(capsys, "embed", "--student", student, "--imu", imu)
    told = one_line(capsys, "evaluate", "--dataset_path", "ego4d", "--model_path", student, "--dry_run")
    assert f"student/{file}" in told or f"--model_path {student} is no trained student" in told
    told = one_line(
        capsys, "train", "--dataset_path", "ego4d", "--video_ckpt", student, "--imu_ckpt", "a/b", "--dry_run"
    )
    assert f"student/{file}" in told


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"results": 1}', '{"results": [1]}', '{"results": [{}]}']
)
def test_scores_that_are_none_are_named(
    content: str, student: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--dataset_path", "ego4d", "--model_path", str(student)]
    assert "svm.json cannot be read" in one_line(capsys, "evaluate", *flags)
    ((experiment,),) = [
        yaml.safe_load(p.read_text())["experiments"] for p in Path("results/commands").iterdir()
    ]
    dataset = experiment.rpartition("_student")[0]
    scores = Path("results/experiments", experiment, "seed42", dataset, "svm.json")
    scores.parent.mkdir(parents=True)
    scores.write_text(content)
    assert str(scores) in one_line(capsys, "evaluate", *flags)


@pytest.mark.parametrize("suffix", [".csv", ".npy", ".vrs", ".mp4", ""])
@pytest.mark.parametrize("make", cases(MADE))
def test_embed_names_a_recording_that_is_none(
    make: Make, suffix: str, student: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(f"there{suffix}")
    make(path)
    assert "there" in one_line(capsys, "embed", "--student", student, "--imu", path)
    assert not Path("features.h5").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--clip_s", "1e-9"], "--clip_s 1e-09 at --rate_hz 200 is less than a sample"),
        (["--rate_hz", "1e-9"], "--clip_s 5 at --rate_hz 1e-09 is less than a sample"),
        (["--csv", "time=t"], "--csv describes csv files, and --imu names none"),
        (["--csv", "time=t", "time=s"], "--csv time=s: the key time is given twice"),
        (["--clip_s", "nan"], "clip_s: "),
        (["--rate_hz", "inf"], "imu.rate_hz: "),
        (["--out", "a" * 300], "File name too long"),
    ],
)
def test_embed_names_a_flag_that_does_not_fit(
    flags: list[str], message: str, student: Path, imu: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in one_line(capsys, "embed", "--student", student, "--imu", imu, *flags)


@pytest.mark.parametrize("make", cases(MADE, JSON))
@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_splits_name_groups_and_tables_that_are_none(
    make: Make, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make(Path(f"there{suffix}"))
    command = ["splits", "make", "--into", "into"]
    assert "there" in one_line(capsys, *command, "--split-files", "ego4d", "--group", f"there{suffix}")
    assert "there" in one_line(capsys, *command, "--table", f"there{suffix}")
    assert not Path("into").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["make", "--into", "i", "--table", "table.csv", "--fractions", "nan", "0.5", "0.5"],
            "--fractions nan 0.5",
        ),
        (["make", "--into", "table.csv", "--table", "table.csv"], "table.csv is a file, not a folder"),
        (["make", "--into", LONG, "--table", "table.csv"], "File name too long"),
        (["make", "--into", "i", "--split-files", LONG], "File name too long"),
        (["fetch", "uestc", "--into", "i", "--from", LONG], f"--from {LONG} is not a folder"),
        (["fetch", "uestc", "--into", "i", "--from", "table.csv"], "--from table.csv is not a folder"),
        (["session-disjoint", "--into", "i", "--split-files", "table.csv"], "table.csv/train.txt"),
    ],
)
def test_splits_name_a_flag_that_does_not_fit(
    flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in one_line(capsys, "splits", *flags)
    assert json.loads(Path("rates.json").read_text())["device"] == "x"
