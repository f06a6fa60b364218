"""The sdist and the wheel: what they hold, and that the wheel works in an empty environment, away from the checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml

import comodo
from comodo.models.students import save_student
from tests.support.docs import code_blocks
from tests.support.project import ROOT, tiny_config
from tests.support.students import small_student
from tests.support.writers import write_splits

COPY = "comodo/_repository/"  # of the workflow, in the wheel
pytestmark = [pytest.mark.workflow, pytest.mark.slow]


@dataclass
class Release:
    """An environment of its own in which the wheel is installed, and a folder to work in."""

    dist: Path
    environment: Path
    folder: Path

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment in the folder."""
        program = [str(self.environment / "bin" / command[0]), *command[1:]]
        return subprocess.run(
            program,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            env={"HOME": "/", "PATH": os.defpath},
        )


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    folder = tmp_path_factory.mktemp("release")
    made = Release(folder / "dist", folder / "environment", folder / "work")
    made.folder.mkdir()
    subprocess.run([sys.executable, "-m", "venv", made.environment], check=True)
    python = [str(made.environment / "bin/python"), "-I", "-m"]  # -I: not by PYTHONPATH, where comodo may be
    pip = [*python, "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "build"], check=True)
    build = [*python, "build", "--outdir", str(made.dist), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    subprocess.run([*pip, "install", "--quiet", "--no-deps", *made.dist.glob("*.whl")], check=True)
    (own,) = made.environment.glob("lib/python*/site-packages")
    (own / "dependencies.pth").write_text(
        sysconfig.get_paths()["purelib"] + "\n"
    )  # torch and the rest, not comodo
    time = np.arange(2400) / 200
    motion = np.sin(np.arange(1, 7)[:, None] * time)
    table = np.column_stack([1e3 * time, motion.T])
    header = "t,accel_x,accel_y,accel_z,gyro_x,gyro_y,gyro_z"
    np.savetxt(made.folder / "walk.csv", table, delimiter=",", header=header, comments="")
    save_student(small_student("mantis"), made.folder / "results/experiments/comodo/seed42/student")
    return made


def workflow_files() -> set[str]:
    """What `comodo.commands.workflow.repository` must find in an installed package."""
    folders = [ROOT / name for name in ("workflow", "config", "profiles", "results/published")]
    files = [
        path for folder in folders for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"
    ]
    return {"Snakefile", *(str(path.relative_to(ROOT)) for path in files)}


def test_what_they_hold(release: Release) -> None:
    (wheel,), (sdist,) = release.dist.glob("*.whl"), release.dist.glob("*.tar.gz")
    assert wheel.name == f"comodo-{comodo.__version__}-py3-none-any.whl"
    names = set(zipfile.ZipFile(wheel).namelist())
    info = f"comodo-{comodo.__version__}.dist-info"
    assert {"comodo/py.typed", f"{info}/METADATA", f"{info}/licenses/LICENSE"} <= names
    assert {name.split("/")[0] for name in names} == {"comodo", info}
    modules = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src/comodo").rglob("*.py")}
    shipped = {name.removeprefix(COPY) for name in names if name.startswith(COPY)}
    assert {name for name in names if name.endswith(".py") and not name.startswith(COPY)} == modules
    assert shipped == workflow_files()
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "setup.py", "README.md", "LICENSE", "src/comodo/py.typed"} | shipped <= inside
    assert not {name for name in inside if name.startswith(("tests", "dataset", "docs", "build"))}
    assert {name for name in inside if name.startswith("results/")} <= {"results/published", *shipped}


def test_it_is_the_installed_one(release: Release) -> None:
    done = release.run("python", "-c", "import comodo; print(comodo.__version__, comodo.__file__)")
    version, place = done.stdout.split()
    assert version == comodo.__version__
    assert Path(place).is_relative_to(release.environment)


def test_commands(release: Release) -> None:
    assert "usage: comodo" in release.run("comodo", "--help").stdout
    student = "results/experiments/comodo/seed42/student"
    columns = ["--csv", "time=t", "time_unit=ms", "accel_unit=g"]
    done = release.run("comodo", "embed", "--student", student, "--imu", "walk.csv", *columns)
    assert (done.returncode, done.stderr) == (0, "")
    assert "features.h5: 2 features of" in done.stdout


def test_the_api(release: Release) -> None:
    block = code_blocks("docs/api.md", "python")[0]
    done = release.run("python", "-c", f"{block}\nprint(features.shape[0])")
    assert (done.stdout, done.returncode) == ("2\n", 0), done.stderr


def test_the_workflow_runs_without_a_checkout(release: Release) -> None:
    (release.folder / "tiny.yaml").write_text(yaml.safe_dump(tiny_config()))
    done = release.run("python", "-c", "import comodo; comodo.run('tiny.yaml', 'prepared', cores=2)")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (release.folder / "results/tiny/clips.parquet").is_file()
    done = release.run("python", "-c", "import comodo; comodo.run('tiny.yaml', dry_run=True)")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^distill +2$", done.stdout, re.MULTILINE)
    assert not re.search(r"^(extract_clips|pair_clips) ", done.stdout, re.MULTILINE)


def test_training_plans_without_a_checkout(release: Release, golden: Path) -> None:
    splits = {split: [f"{split}1\twalk", f"{split}2\trun"] for split in ("train", "val", "test")}
    write_splits(release.folder / "ego4d", splits)
    flags = ["--video_ckpt", str(golden / "ckpt/videomae-tiny"), "--dataset_path", "ego4d", "--dry_run"]
    done = release.run("comodo", "train", *flags, "--imu_ckpt", str(golden / "ckpt/paris-noah-Mantis-tiny"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^evaluate_svm +1$", done.stdout + done.stderr, re.MULTILINE)
    assert str(release.environment) in done.stdout  # the Snakefile to go on with
