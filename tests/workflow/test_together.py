"""Two at once: in one folder, on one store, and by several users."""

from __future__ import annotations

import shutil
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from tests.support.compare import artefacts, differences
from tests.support.project import Project, tiny_config

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

MINE = {"distill": 2, "extract_features": 2, "evaluate_anchors": 2, "evaluate_svm": 2, "report": 1}


def test_second_snakemake_in_one_folder_is_refused(copied: Project) -> None:
    shutil.rmtree(copied.folder / "results/teachers/small")
    target = "results/teachers/small"
    first = subprocess.Popen(
        copied.command(tiny_config(), target), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not list((copied.folder / ".snakemake/locks").glob("*")):
        assert first.poll() is None
    first.send_signal(signal.SIGSTOP)  # it must not be done before the second one looks
    second = copied.snakemake(tiny_config(), target)
    first.send_signal(signal.SIGCONT)
    assert second.returncode != 0
    assert "cannot be locked" in second.stderr
    assert "--unlock" in second.stderr
    assert first.wait(timeout=300) == 0  # undisturbed
    assert (copied.folder / target / "config.json").exists()


def test_two_folders_share_a_store(finished: Project, tmp_path: Path) -> None:
    """Folders of two users, with links to what a third one prepared: nothing of it is made again, or changed."""
    theirs = tmp_path / "theirs"
    shutil.copytree(finished.folder / "results/tiny", theirs)
    before = {path: path.stat().st_mtime_ns for path in theirs.rglob("*")}
    projects = [Project(tmp_path / user) for user in ("one", "two")]
    for project in projects:
        (project.folder / "results").mkdir(parents=True)
        (project.folder / "dataset").mkdir()
        (project.folder / "results/tiny").symlink_to(theirs)
        (project.folder / "results/teachers").symlink_to(finished.folder / "results/teachers")
        (project.folder / "dataset/tiny").symlink_to(finished.folder / "dataset/tiny")
        assert project.plan(tiny_config()) == MINE
    target = "results/experiments/comodo/seed42/tiny/features.h5"
    commands = [project.command(tiny_config(), target) for project in projects]
    runs = [subprocess.Popen(c, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for c in commands]
    assert [run.wait(timeout=600) for run in runs] == [0, 0]
    expected = artefacts(finished.folder)
    for project in projects:
        found = artefacts(project.folder)
        assert target in found
        assert [path for path in differences(found, expected) if path in found] == []
    assert {path: path.stat().st_mtime_ns for path in theirs.rglob("*")} == before


def test_a_group_may_go_on_with_what_another_user_began(finished: Project, tmp_path: Path) -> None:
    """With umask 002 all that the workflow writes, and Snakemake's notes, can be read and replaced by the group."""
    project = Project(tmp_path)
    shutil.copytree(finished.folder / "dataset", tmp_path / "dataset")
    command = project.command(tiny_config(), "results/teachers/small", "results/tiny/imu/0.h5")
    subprocess.run(command, check=True, umask=0o002, capture_output=True, cwd=tmp_path)
    for path in [*(tmp_path / "results").rglob("*"), *(tmp_path / ".snakemake/metadata").rglob("*")]:
        needed = stat.S_IRGRP | stat.S_IWGRP | (stat.S_IXGRP if path.is_dir() else 0)
        assert path.stat().st_mode & needed == needed, path
