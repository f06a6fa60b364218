"""A report over artefacts that were exchanged or edited behind Snakemake's back is right, or refused by name."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comodo.config import Config, load
from comodo.errors import ComodoError
from comodo.report.runs import evaluated_runs
from comodo.report.write import write_report
from tests.support.project import Project, tiny_config

pytestmark = [pytest.mark.workflow, pytest.mark.slow]
A, B = "experiments/frozen/seed42", "experiments/comodo/seed42"
TEACHER = "tiny/teachers/small"


def swap(one: Path, other: Path) -> None:
    """Exchange two files or folders; times stay as they were."""
    spare = one.with_name("spare")
    os.rename(one, spare)
    os.rename(other, one)
    os.rename(spare, other)


def flip(path: Path) -> None:
    """Flip a bit in the middle of a file; its time stays as it was."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def improve(path: Path, key: str) -> None:
    """Write a better figure into a score file."""
    content = json.loads(path.read_text())
    content["results"][0][key] = 0.99
    path.write_text(json.dumps(content))


def lower(path: Path) -> None:
    """Write a better loss into a history."""
    content = json.loads(path.read_text())
    content[-1]["loss"] /= 2
    path.write_text(json.dumps(content))


WAYS: dict[str, Callable[[Path], None]] = {
    "students": lambda r: swap(r / A / "student", r / B / "student"),
    "features": lambda r: swap(r / A / "tiny/features.h5", r / B / "tiny/features.h5"),
    "svm scores": lambda r: swap(r / A / "tiny/svm.json", r / B / "tiny/svm.json"),
    "anchor scores": lambda r: swap(r / A / "tiny/anchors.json", r / B / "tiny/anchors.json"),
    "evaluations": lambda r: swap(r / A / "tiny", r / B / "tiny"),
    "experiments": lambda r: swap(r / "experiments/frozen", r / "experiments/comodo"),
    "scores of a teacher": lambda r: swap(r / TEACHER / "svm.json", r / A / "tiny/svm.json"),
    "protocols": lambda r: swap(r / A / "tiny/anchors.json", r / A / "tiny/svm.json"),
    "histories": lambda r: swap(r / A / "history.json", r / B / "history.json"),
    "a loss": lambda r: lower(r / B / "history.json"),
    "top1": lambda r: improve(r / B / "tiny/svm.json", "top1"),
    "top5": lambda r: improve(r / B / "tiny/svm.json", "top5"),
    "a bit of a student": lambda r: flip(r / B / "student/SHA256SUMS"),
    "a bit of scores": lambda r: flip(r / B / "tiny/anchors.json"),
}


@pytest.fixture(scope="module")
def config() -> Config:
    return load(tiny_config())


def reported(results: Path, config: Config, folder: Path) -> str:
    """Write a report as the rule does; return its table."""
    histories = {
        str(results / f"experiments/{name}/seed42/history.json"): name for name in config.experiments
    }
    write_report(results, evaluated_runs(config), histories, folder, {"comodo": "frozen"})
    return (folder / "accuracy.csv").read_text()


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(ways=st.lists(st.sampled_from(sorted(WAYS)), min_size=1, max_size=3, unique=True))
def test_the_report_is_right_or_refused(finished: Project, config: Config, ways: list[str]) -> None:
    with tempfile.TemporaryDirectory() as work:
        results = Path(work, "results")
        shutil.copytree(finished.folder / "results", results)
        right = reported(results, config, Path(work, "right"))
        for way in ways:
            WAYS[way](results)
        try:
            found = reported(results, config, Path(work, "found"))
        except ComodoError as error:
            found = str(error)
        assert found == right or "results/" in found  # it names the file


@pytest.mark.parametrize("way", WAYS)
def test_each_way_alone_is_refused(finished: Project, config: Config, way: str, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(finished.folder / "results", results)
    WAYS[way](results)
    with pytest.raises(ComodoError, match="results/"):
        reported(results, config, tmp_path / "report")


def test_a_student_of_another_experiment_is_not_measured(finished: Project, tmp_path: Path) -> None:
    """By the rule itself: the swapped student is newer than nothing, only its features are made again."""
    shutil.copytree(finished.folder, tmp_path / "copy", symlinks=True)
    project = Project(tmp_path / "copy")
    swap(project.folder / "results" / A / "student", project.folder / "results" / B / "student")
    done = project.snakemake(tiny_config(), f"results/{A}/tiny/features.h5", "--forcerun", "extract_features")
    assert done.returncode != 0
    assert "its student is of another experiment or seed" in done.stdout + done.stderr
