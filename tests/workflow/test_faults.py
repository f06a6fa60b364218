"""Faults are said in one line that names file and key, before the first job; half-written files are never used."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from tests.support.project import ROOT, SNAKEMAKE, Project, tiny_config

pytestmark = pytest.mark.workflow

SPLITS = {
    "train": "a\twalking\nb\tsitting\n",
    "val": "c\twalking\nd\tsitting\n",
    "test": "e\twalking\nf\tsitting\n",
}


def recorded(folder: Path, splits: dict[str, str]) -> dict[str, Any]:
    """A config of recorded data in the Ego4D layout, whose split files are written into `folder`."""
    root = folder / "ego4d"
    (root / "splits").mkdir(parents=True)
    for name, text in splits.items():
        (root / "splits" / f"{name}.txt").write_text(text)
    config = tiny_config()
    config["datasets"]["tiny"] = {"layout": "ego4d", "root": str(root)}
    return config


def without(split: str) -> Callable[[Path], dict[str, Any]]:
    return lambda folder: recorded(folder, {name: text for name, text in SPLITS.items() if name != split})


def replaced(**splits: str) -> Callable[[Path], dict[str, Any]]:
    return lambda folder: recorded(folder, {**SPLITS, **splits})


def changed(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], dict[str, Any]]:
    def make(folder: Path) -> dict[str, Any]:
        config = tiny_config()
        change(config)
        return config

    return make


FAULTS: dict[str, tuple[Callable[[Path], dict[str, Any]], list[str]]] = {
    "unknown key": (
        changed(lambda c: c["experiments"]["comodo"].update(student_temp=0.1)),
        ["experiments.comodo.student_temp", "student_temperature"],
    ),
    "unknown teacher": (
        changed(lambda c: c["defaults"].update(teacher="smal")),
        ["experiments.comodo.teacher", "'small'"],
    ),
    "no such folder": (
        changed(lambda c: c["datasets"].update(tiny={"layout": "ego4d", "root": "/no/such/place"})),
        ["/no/such/place", "datasets.tiny.root"],
    ),
    "missing split file": (without("val"), ["val.txt", "datasets.tiny.splits"]),
    "empty split": (replaced(val=""), ["'val'", "datasets.tiny.splits"]),
    "unknown label": (replaced(test="e\twalking\nf\tflying\n"), ["'flying'", "datasets.tiny.splits"]),
    "single class": (
        replaced(train="a\twalking\n", val="c\twalking\n", test="e\twalking\n"),
        ["single class", "datasets.tiny.splits"],
    ),
    "recording in two splits": (replaced(val="a\twalking\n"), ["'a'", "train", "val"]),
    "recording listed twice": (replaced(train="a\twalking\na\twalking\n"), ["'a'", "twice"]),
    "no tab": (replaced(test="e walking\n"), ["test.txt:1", "e walking"]),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_said_before_the_first_job(name: str, tmp_path: Path) -> None:
    make, words = FAULTS[name]
    done = Project(tmp_path).snakemake(make(tmp_path))
    output = done.stdout + done.stderr
    assert done.returncode != 0
    line = next((line for line in output.splitlines() if all(word in line for word in words)), None)
    assert line, output
    assert not (tmp_path / "results").exists()


def test_lost_data_fail_with_a_summary_and_keep_the_report(tmp_path: Path) -> None:
    """Files that the splits name but the disk lacks: the job that checks says so, and quality.csv has every row."""
    project = Project(tmp_path)
    done = project.snakemake(recorded(tmp_path, SPLITS), "--", "prepared", "results/tiny/clips.parquet")
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "100% of the recordings of tiny yield no clip" in output
    assert "datasets.tiny.max_bad_fraction" in output
    quality = pd.read_csv(tmp_path / "results/tiny/quality.csv")
    assert quality["reason"].tolist() == ["video_missing_file"] * 6


def test_queue_larger_than_the_dataset_is_refused_by_name(copied: Project) -> None:
    config = tiny_config()
    config["defaults"]["queue_size"] = 1000
    done = copied.snakemake(config)
    assert done.returncode != 0
    assert "queue_size is 1000, but there are only 27 train clips" in done.stderr


def test_truncated_store_is_not_used(copied: Project) -> None:
    """A store that lost its end but looks newer than its inputs."""
    store = copied.folder / "results/tiny/teachers/small/embeddings.h5"
    store.write_bytes(store.read_bytes()[:-1000])
    config = tiny_config()
    config["defaults"]["epochs"] = 3
    done = copied.snakemake(config, "--rerun-triggers", "params")
    assert done.returncode != 0
    assert "embeddings.h5 is damaged or not whole" in done.stderr


@pytest.mark.slow
def test_killed_run_leaves_nothing_half_written_and_goes_on(finished: Project, tmp_path: Path) -> None:
    """SIGKILL in the middle of the preparation; the rerun ends with the bytes of the undisturbed run."""
    project = Project(tmp_path)
    config = tiny_config()
    assert project.snakemake(config, "--dry-run").returncode == 0  # writes config.yaml
    command = [SNAKEMAKE, "--snakefile", str(ROOT / "Snakefile"), "--directory", str(tmp_path)]
    command += ["--configfile", str(next(tmp_path.rglob("config.yaml"))), "--cores", "2"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, cwd=tmp_path
    )
    clips = tmp_path / "results/tiny/clips"
    deadline = time.monotonic() + 120
    while not clips.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    subprocess.run(["pkill", "--signal", "KILL", "--session", str(process.pid)], check=False)
    process.wait()
    assert process.returncode == -signal.SIGKILL
    assert project.snakemake(config, "--unlock").returncode == 0
    project.run(config)
    for name in ("results/tiny/clips.parquet", "results/report/accuracy.csv"):
        assert (tmp_path / name).read_bytes() == (finished.folder / name).read_bytes()
    weights = "results/experiments/comodo/seed42/student/model.safetensors"
    assert (tmp_path / weights).read_bytes() == (finished.folder / weights).read_bytes()


def test_a_dry_run_in_a_read_only_folder_is_one_line(tmp_path: Path) -> None:
    """A real read-only disk, as permissions do not bind root."""
    mounted = ["mount", "-t", "tmpfs", "-o", "ro,size=1m", "none", str(tmp_path)]
    if subprocess.run(mounted, capture_output=True, check=False).returncode:
        pytest.skip("mounting a disk needs root")
    try:
        command = [SNAKEMAKE, "--snakefile", str(ROOT / "Snakefile"), "--cores", "1", "--dry-run"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
    assert done.returncode == 1
    told = done.stdout + done.stderr
    assert (
        f"{tmp_path}/.snakemake cannot be written (Read-only file system): make its folder writable" in told
    )
    assert "Traceback" not in told


def test_an_experiment_that_stands_twice_is_named(tmp_path: Path) -> None:
    text = yaml.safe_dump({**tiny_config(), "seeds": [1]}) + "seeds: [2]\n"
    (tmp_path / "mine.yaml").write_text(text)
    command = [SNAKEMAKE, "--snakefile", str(ROOT / "Snakefile"), "--cores", "1", "--configfile", "mine.yaml"]
    done = subprocess.run([*command, "--dry-run"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "mine.yaml: seeds stands twice, in lines" in done.stdout + done.stderr
