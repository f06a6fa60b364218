"""Folders of students that name classes: complete ones, older ones, and those that are refused."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from comodo.commands import imu_files
from comodo.commands.cli import main
from comodo.deploy.classifier import RANKINGS
from comodo.models.distilled import save_distilled
from comodo.models.students import save_student
from comodo.storage.artefacts import write_sums
from tests.support.saved import COLUMNS, FORM, save_trained, write_csv
from tests.support.students import small_student


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(student: Path, *arguments: str | Path) -> int:
    return main(["predict", "--student", str(student), *map(str, arguments)])


def no_anchors(folder: Path) -> None:
    save_student(small_student("mantis"), folder)


def damaged(folder: Path) -> None:
    save_trained(folder)
    rows = load_file(folder / "anchors.safetensors")
    save_file({name: values + 1 for name, values in rows.items()}, folder / "anchors.safetensors")


def other_teacher(folder: Path) -> None:
    """Anchors of another width, with checksums that fit."""
    save_trained(folder)
    rows = load_file(folder / "anchors.safetensors")
    save_file(
        {name: values[:, :5].contiguous() for name, values in rows.items()}, folder / "anchors.safetensors"
    )
    (folder / "SHA256SUMS").unlink()
    write_sums(folder)


def other_description(folder: Path) -> None:
    save_trained(folder)
    about = json.loads((folder / "about.json").read_text())
    (folder / "about.json").write_text(json.dumps({**about, "input": {"rate_hz": "fast"}}))
    (folder / "SHA256SUMS").unlink()
    write_sums(folder)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            no_anchors,
            "it has no anchors and no classifier. Distil it from a teacher, or add a classifier from a few",
        ),
        (damaged, "anchors.safetensors is damaged or not whole"),
        (other_teacher, r"the anchors \w+ have the shape \(3, 5\), but there are 3 classes and 8 dimensions"),
        (other_description, "about.json is not the description of a student: input.rate_hz"),
    ],
)
def test_folders_that_cannot_name_classes_are_refused(
    make: Callable[[Path], None], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    make(tmp_path / "s")
    assert run(tmp_path / "s", "--imu", write_csv("a.csv"), *COLUMNS) == 1
    told = capsys.readouterr().err
    assert re.search(message, told), told
    assert "Traceback" not in told
    assert not Path("predictions.csv").exists()


def test_an_old_folder_predicts_by_its_classifier_and_says_what_it_lacks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    student = small_student("mantis")
    save_distilled(tmp_path / "old", student, {"classifier": torch.nn.Linear(student.dim, 2)}, ["a", "b"])
    assert run(tmp_path / "old", "--imu", write_csv("a.csv"), *COLUMNS) == 0
    assert "lacks a description (about.json)" in caplog.text
    assert "no calibration" in capsys.readouterr().err
    table = pd.read_csv("predictions.csv")
    assert len(table) == 12
    assert table["unknown"].isna().all()


def test_a_student_of_whole_recordings_takes_files_whole(tmp_path: Path) -> None:
    save_trained(tmp_path / "s", form=FORM.model_copy(update={"clip_s": 2.0}))
    shutil.copytree(tmp_path / "s", tmp_path / "w")
    about = json.loads((tmp_path / "w/about.json").read_text())
    about["input"]["clip_s"] = None
    (tmp_path / "w/about.json").write_text(json.dumps(about))
    (tmp_path / "w/SHA256SUMS").unlink()
    write_sums(tmp_path / "w")
    assert run(tmp_path / "w", "--imu", write_csv("a.csv"), *COLUMNS) == 0
    assert pd.read_csv("predictions.csv")[["start_s", "end_s"]].to_numpy().tolist() == [[0, 60]]


def test_the_commands_offer_every_ranking() -> None:
    assert imu_files.BY == RANKINGS
