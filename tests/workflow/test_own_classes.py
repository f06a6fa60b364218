"""A user's own student, objective, teacher, layout and embeddings, as docs/extend.md shows them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml

from tests.support.docs import code_blocks, write_files
from tests.support.project import Project
from tests.support.writers import motion, write_video

pytestmark = [pytest.mark.workflow, pytest.mark.slow]
PAGE = "docs/extend.md"
SECONDS = 16
SESSIONS = [
    (f"{split}{take}{label}", split, label)
    for split, takes in (("train", 2), ("val", 1), ("test", 1))
    for take in range(takes)
    for label in ("walk", "sit")
]
KILLER = """
import os, signal
from pathlib import Path
from mylab.losses import Cosine

class Killer(Cosine):
    steps = 0

    def forward(self, student, teacher):
        Killer.steps += 1
        if Killer.steps == 5 and Path("armed").exists():
            Path("armed").unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(student, teacher)
"""


def config() -> dict[str, Any]:
    given: dict[str, Any] = yaml.safe_load(code_blocks(PAGE, "yaml")[0])
    given["datasets"]["lab"]["video"] = {"size": 32}
    given["defaults"] |= {"batch_size": 4}
    return given


def write_sessions(root: Path) -> None:
    time = np.arange(0, SECONDS, 0.005)
    for number, (name, _, _) in enumerate(SESSIONS):
        write_video(root / f"{name}.mp4", n_frames=SECONDS * 10)
        np.save(root / f"{name}.npy", np.vstack([time, motion(time + number)]).T)
    (root / "sessions.txt").write_text("".join(f"{i} {split} {label}\n" for i, split, label in SESSIONS))


def python(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, **environment},
    )  # fmt: skip


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A finished run of the page's config and files, in a folder of its own."""
    project = Project(tmp_path_factory.mktemp("own"))
    names = {path.name for path in write_files(PAGE, project.folder)}
    assert names == {
        "models.py",
        "layers.py",
        "losses.py",
        "labvideo.py",
        "labdata.py",
        "write_embeddings.py",
        "check.py",
    }
    write_sessions(project.folder / "dataset/lab")
    project.run(config(), "prepared")
    done = python(project.folder, "write_embeddings.py")
    assert done.returncode == 0, done.stderr
    project.run(config())
    return project


def test_everything_ran_and_is_up_to_date(own: Project) -> None:
    assert own.plan(config()) == {}
    table = (own.folder / "results/report/accuracy.csv").read_text()
    assert "mylab.losses:Cosine" in table
    assert "infonce" in table
    with h5py.File(own.folder / "results/lab/teachers/colours/embeddings.h5") as file:
        assert file["embedding"].shape[1] == 48
    clips = own.folder / "dataset/clips.h5"
    with (
        h5py.File(clips) as given,
        h5py.File(own.folder / "results/lab/teachers/ready/embeddings.h5") as stored,
    ):
        np.testing.assert_array_equal(stored["embedding"][:], given["embedding"][:])


def test_the_checks_of_the_page_pass(own: Project) -> None:
    done = python(own.folder, "check.py", PYTHONPATH=str(own.folder))
    assert done.returncode == 0, done.stderr


EDITS = [
    ("mylab/layers.py", {"distill": 2, "extract_features": 2, "evaluate_anchors": 2, "evaluate_svm": 2, "report": 1}),
    ("labvideo.py", {"encode_video": 1, "merge_embeddings": 1, "select_anchors": 1, "extract_teacher_features": 1,
                     "distill": 1, "extract_features": 1, "evaluate_anchors": 2, "evaluate_svm": 2, "report": 1}),
    ("check.py", {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "expected"), EDITS, ids=[name for name, _ in EDITS])
def test_an_edited_file_reruns_what_uses_it(own: Project, name: str, expected: dict[str, int]) -> None:
    path = own.folder / name
    before = path.read_text()
    try:
        path.write_text(before + "\n# edited\n")
        assert own.plan(config()) == expected
    finally:
        path.write_text(before)


def test_an_edited_layout_prepares_anew(own: Project) -> None:
    path = own.folder / "labdata.py"
    before = path.read_text()
    try:
        path.write_text(before + "\n# edited\n")
        plan = own.plan(config())
    finally:
        path.write_text(before)
    assert {"index_recordings", "extract_clips", "preprocess_imu", "pair_clips"} <= plan.keys()


def test_changed_embeddings_are_read_again(own: Project) -> None:
    path = own.folder / "dataset/clips.h5"
    times = path.stat()
    os.utime(path, ns=(5, 5))
    try:
        plan = own.plan(config())
    finally:
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert (plan["encode_video"], plan["distill"]) == (1, 1)


def test_a_killed_training_resumes_and_ends_the_same(own: Project, tmp_path: Path) -> None:
    project = Project(Path(shutil.copytree(own.folder, tmp_path / "copy", symlinks=True)))
    (project.folder / "labkill.py").write_text(KILLER)
    given = config()
    given["experiments"]["killed"] = {"teacher": "colours", "class": "labkill:Killer"}
    (project.folder / "armed").touch()
    target = "results/experiments/killed/seed42/student"
    project.run(given, "--retries", "1", "--", target)
    assert not (project.folder / "armed").exists()
    assert "resumed from" in (project.folder / "results/logs/distill/killed-seed42.log").read_text()
    weights = [
        project.folder / f"results/experiments/{e}/seed42/student/model.safetensors"
        for e in ("own", "killed")
    ]
    assert weights[0].read_bytes() == weights[1].read_bytes()


LOAD = "from comodo.models.students import load_student; print(load_student({!r}).dim)"


def test_a_saved_student_loads_where_its_class_is_installed(own: Project, tmp_path: Path) -> None:
    student = str(own.folder / "results/experiments/own/seed42/student")
    done = python(tmp_path, "-c", LOAD.format(student), PYTHONPATH=str(own.folder))
    assert done.stdout.strip() == "24", done.stderr
    elsewhere = python(tmp_path, "-P", "-c", LOAD.format(student))
    assert "class mylab.models:TinyGru: no module 'mylab'" in elsewhere.stderr
    assert "PYTHONPATH" in elsewhere.stderr


@pytest.mark.parametrize(
    ("block", "change", "said"),
    [
        ("students", {"mine": {"class": "mylab.models:TinyGru", "architecture": "mantis"}}, "give exactly one of"),
        ("students", {"mine": {"class": "mylib.models:TinyGru"}}, "students.mine.class: class mylib.models:TinyGru"),
        ("students", {"mine": {"class": "mylab.models"}}, "package.module:Name"),
        ("students", {"mine": {"clas": "mylab.models:TinyGru"}}, "did you mean 'class'"),
        ("datasets", {"lab": {"class": "labdata:NoLayout", "root": "dataset/lab"}}, "labdata has no class 'NoLayout'"),
        ("datasets", {"lab": {"class": "labdata:Path", "root": "dataset/lab"}}, "datasets.lab"),
        ("experiments", {"own": {"class": "mylab.losses:Cosine", "objective": "l2"}}, "either `objective` or `class`"),
    ],
)  # fmt: skip
def test_mistakes_are_named_before_the_first_job(
    own: Project, block: str, change: dict[str, Any], said: str
) -> None:
    given = config()
    given[block] |= change
    done = own.snakemake(given, "--dry-run")
    assert done.returncode != 0
    assert said in done.stdout + done.stderr
