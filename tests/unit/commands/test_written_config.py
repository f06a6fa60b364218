"""The config that `comodo train` and `comodo evaluate` write holds what the flags say, whatever they say."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from comodo.commands import evaluate, train, workflow
from comodo.commands.cli import main
from tests.support.writers import write_splits

SPLITS = {"train": ["a\twalk", "b\trun"], "val": ["c\trun"], "test": ["d\twalk"]}
BREAKS = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"]
OTHERS = [
    "\t",
    "\x1b[2J",
    "\x7f",
    "\xa0",
    "\u200b",
    "\u202e",
    "\ufeff",
    "\ufffe",
    "\udcff",
    "\U0001f600",
    "\"'#: {",
]
INJECTED = "seeds: [666]"
Written = list[list[str]]


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Written:
    """Every command that would have run."""
    started: Written = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(workflow, "run_to_the_end", lambda command: started.append(list(command)) or 0)
    return started


def check(config: dict[str, Any]) -> None:
    (path,) = Path("results/commands").iterdir()
    assert yaml.safe_load(path.read_bytes()) == config
    first, *lines = path.read_bytes().decode().splitlines()
    assert first.startswith("# Written by: comodo ")
    assert INJECTED not in lines
    assert first.isprintable()


@pytest.mark.parametrize("text", [*BREAKS, *OTHERS], ids=ascii)
@pytest.mark.parametrize(
    "flag", ["dataset_path", "video_ckpt", "imu_ckpt", "cores", "is_raw", "anchor_video_path"]
)
def test_no_flag_of_train_ends_a_comment(
    flag: str, text: str, commands: Written, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"dataset_path": "ego4d", "video_ckpt": "org/video", "imu_ckpt": "org/imu"}
    given[flag] = f"a{text}{INJECTED}{text}#b"
    if flag in ("dataset_path", "video_ckpt", "imu_ckpt"):
        Path(given[flag]).mkdir()
    write_splits(Path(given["dataset_path"]), SPLITS)
    flags = [
        "--dataset",
        "ego4d",
        "--dry_run",
        *(part for name in given for part in (f"--{name}", given[name])),
    ]
    config = train.experiment_config(train.parser().parse_args(flags))
    assert main(["train", *flags]) == 0
    check(config)
    assert len(commands) == 1
    assert INJECTED not in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("text", BREAKS, ids=ascii)
def test_no_flag_of_evaluate_ends_a_comment(text: str, commands: Written) -> None:
    folder, model = (f"{name}{text}{INJECTED}{text}#b" for name in ("a", "student"))
    write_splits(Path(folder), SPLITS)
    Path(model).mkdir()
    Path(model, "config.json").write_text("{}")
    flags = ["--dataset", "ego4d", "--dry_run", "--dataset_path", folder, "--model_path", model]
    config = evaluate.experiment_config(evaluate.parser().parse_args(flags))
    assert main(["evaluate", *flags]) == 0
    check(config)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_folder_that_must_not_be_written_is_one_line(
    number: int, commands: Written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where only making the folder tells so."""

    def refuse(path: str, *mode: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    write_splits(Path("ego4d"), SPLITS)
    monkeypatch.setattr(os, "mkdir", refuse)
    flags = ["--dataset_path", "ego4d", "--video_ckpt", "org/video", "--imu_ckpt", "org/imu", "--dry_run"]
    assert main(["train", *flags]) == 1
    told = capsys.readouterr().err
    assert f"cannot be written ({os.strerror(number)}): make its folder writable" in told
    assert told.count("\n") == 1
    assert commands == []
