from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import comodo
from comodo.commands.workflow import (
    RESULTS,
    add_result,
    dataset_settings,
    repository,
    run_to_the_end,
    short_name,
)
from comodo.config import DatasetSettings
from tests.support.writers import write_splits

SPLITS = {"train": ["a\twalk", "b\trun"], "val": ["c\trun"], "test": ["d\twalk"]}
FIGURES = {
    "decision": {"top1": 0.5, "top3": 0.75, "top5": 1.0},
    "platt": {"top1": 0.25, "top3": 0.5, "top5": 0.75},
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("folder", "given", "layout"),
    [
        ("ego4d_data", None, "ego4d"),
        ("egoexo4d", None, "egoexo4d"),
        ("UESTC-MMEA-CL", None, "uestc"),
        ("mine", "uestc", "uestc"),
        ("ego4d_data", "egoexo4d", "egoexo4d"),
    ],
)
def test_the_folder_tells_which_dataset_it_is(folder: str, given: str | None, layout: str) -> None:
    write_splits(Path(folder), SPLITS)
    settings = dataset_settings(folder, given)
    assert settings["layout"] == layout
    assert (settings["root"], settings["splits"], settings["shards"]) == (folder, folder, 1)
    DatasetSettings.model_validate(settings)
    assert (settings.get("clip_s", 5.0) is None) == (layout == "uestc")  # the rest is that of its config file


def test_a_folder_that_does_not_tell_is_asked_about() -> None:
    write_splits(Path("mine"), SPLITS)
    with pytest.raises(ValueError, match=r"--dataset_path mine: .* --dataset ego4d | egoexo4d | uestc"):
        dataset_settings("mine", None)


def test_the_downloaders_folder_and_the_place_of_the_splits() -> None:
    write_splits(Path("ego4d/splits"), SPLITS)
    Path("ego4d/v2").mkdir()
    settings = dataset_settings("ego4d", None)
    assert (settings["root"], settings["splits"]) == ("ego4d/v2", "ego4d/splits")


def test_published_splits_that_were_fetched_are_found_and_missing_ones_named() -> None:
    Path("data/Ego4D").mkdir(parents=True)
    with pytest.raises(ValueError, match="comodo splits fetch ego4d"):
        dataset_settings("data/Ego4D", None)
    write_splits(Path("dataset/Ego4D"), {**SPLITS, "train": [f"r{i}\twalk" for i in range(98)]})
    settings = dataset_settings("data/Ego4D", None)
    assert settings["splits"] == "dataset/Ego4D"
    assert settings["shards"] == 4  # of 100 recordings


def test_a_missing_folder_is_named() -> None:
    with pytest.raises(ValueError, match="--dataset_path data/ego4d is not a folder"):
        dataset_settings("data/ego4d", None)


def test_names_differ_where_folders_do() -> None:
    for folder in ("a/student", "b/student", "c/ä b"):
        Path(folder).mkdir(parents=True)
    names = [short_name(folder, "--x") for folder in ("a/student", "b/student", "c/ä b")]
    assert len(set(names)) == 3
    assert names[0] == short_name("./a/student/", "--x")
    assert names[0].startswith("student-")
    assert names[2].startswith("b-")
    assert short_name("paris-noah/Mantis-8M", "--x") == "paris-noah_Mantis-8M"


@pytest.mark.parametrize("given", ["", "/no/such", "./no", "../no/where", "~/no", "a/b/c", "no such"])
def test_what_is_neither_folder_nor_hub_id_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match=r"--imu_ckpt .*is neither a folder nor the id"):
        short_name(given, "--imu_ckpt")


def test_a_package_without_its_workflow_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (repository() / "Snakefile").is_file()
    monkeypatch.setattr(comodo, "__file__", str(tmp_path / "site-packages/comodo/__init__.py"))
    with pytest.raises(ValueError, match="pip install -e"):
        repository()


def test_results_are_added_in_the_published_fields_and_never_twice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    add_result("org/imu", "data/ego4d_data", "", "COMODO", FIGURES, "decision")
    add_result("org/imu", "data/ego4d_data/", "", "COMODO", FIGURES, "decision")
    add_result("org/imu", "data/ego4d_data", "student", "IMU2CLIP&L2", FIGURES, "platt")
    entry = {"imu": "org/imu", "dataset": "ego4d_data", "model": "", "acc1": 0.5, "acc3": 0.75, "acc5": 1.0}
    other = entry | {"model": "student", "acc1": 0.25, "acc3": 0.5, "acc5": 0.75}
    assert json.loads(RESULTS.read_text()) == {"COMODO": [entry], "IMU2CLIP&L2": [other]}
    assert "platt    acc1 0.2500" in capsys.readouterr().out


def test_results_of_commands_that_end_at_once_are_all_kept() -> None:
    code = """
import sys
from comodo.commands.workflow import add_result
sys.stdin.read()
row = {"top1": 0.5, "top3": 0.75, "top5": 1.0}
for k in range(20):
    add_result(f"org/{sys.argv[1]}-{k}", "ego4d_data", "", "COMODO", {"decision": row}, "decision")
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(k)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        for k in range(4)
    ]
    for process in processes:  # all have started: now all go on
        assert process.stdin
        process.stdin.close()
    assert [process.wait() for process in processes] == [0] * 4
    written = {entry["imu"] for entry in json.loads(RESULTS.read_text())["COMODO"]}
    assert written == {f"org/{process}-{k}" for process in range(4) for k in range(20)}


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"COMODO": {}}', '{"mine": 1}', '{"COMODO": [NaN]}', "\0\x80", "[" * 99999],
    ids=range(7),
)
def test_a_file_of_another_kind_is_kept(content: str) -> None:
    RESULTS.parent.mkdir(parents=True)
    RESULTS.write_text(content, encoding="latin-1")
    with pytest.raises(ValueError, match=r"results.json is not a result file"):
        add_result("org/imu", "ego4d_data", "", "COMODO", FIGURES, "decision")
    assert RESULTS.read_text(encoding="latin-1") == content


def test_an_interrupted_run_ends_in_order() -> None:
    """Ctrl-C goes to every process of the terminal: the command waits until what it started has ended."""
    code = "import os, signal, sys, time; os.kill(os.getppid(), signal.SIGINT); time.sleep(0.5); sys.exit(3)"
    assert run_to_the_end([sys.executable, "-c", code]) == 3
