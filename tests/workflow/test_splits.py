"""The rule that fetches the published splits, and the leak check of the index."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.project import Project, tiny_config

pytestmark = pytest.mark.workflow

TRAIN = "dataset/EgoExo4D/train.txt"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder that the workflow takes for the published one, served on loopback."""
    folder = tmp_path / "mirror"
    (folder / "EgoExo4D").mkdir(parents=True)
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("COMODO_SPLITS_URL", f"http://127.0.0.1:{httpd.server_port}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield folder
        httpd.shutdown()
        thread.join()


def config(folder: Path, splits: str) -> dict[str, Any]:
    (folder / "raw").mkdir(exist_ok=True)
    settings = tiny_config()
    settings["datasets"]["tiny"] = {"layout": "ego4d", "root": "raw", "splits": splits, "max_bad_fraction": 1}
    return settings


@pytest.mark.realdata
def test_target_splits_fetches_what_the_config_needs_and_the_index_warns(
    mirror: Path, reference_splits: Path, tmp_path: Path
) -> None:
    for path in (reference_splits / "EgoExo4D").iterdir():
        (mirror / "EgoExo4D" / path.name).write_bytes(path.read_bytes())
    project = Project(tmp_path)
    settings = config(tmp_path, "dataset/EgoExo4D")
    assert project.plan(settings, "splits") == {"fetch_splits": 1, "splits": 1}
    project.run(settings, "splits")
    assert (tmp_path / TRAIN).read_text().count("\n") == 3495
    assert project.plan(settings, "splits") == {}
    settings["datasets"]["tiny"]["layout"] = "egoexo4d"
    done = project.snakemake(settings, "results/tiny/recordings.parquet")
    assert done.returncode == 0, done.stderr
    assert (
        "of the 384 groups (sessions, subjects) in test, 336 are in train too and 156 in val" in done.stderr
    )


def test_other_bytes_are_refused_in_one_line(mirror: Path, tmp_path: Path) -> None:
    (mirror / TRAIN.removeprefix("dataset/")).write_text("a\twalking\n")
    done = Project(tmp_path).snakemake(config(tmp_path, "dataset/EgoExo4D"), "splits")
    assert done.returncode != 0
    assert "error: http://127.0.0.1" in done.stderr
    assert "is not the published EgoExo4D/train.txt: expected SHA-256" in done.stderr
    assert not (tmp_path / TRAIN).exists()


def test_own_files_of_that_name_survive(mirror: Path, tmp_path: Path) -> None:
    (tmp_path / TRAIN).parent.mkdir(parents=True)
    (tmp_path / TRAIN).write_text("mine\twalking\n")
    done = Project(tmp_path).snakemake(config(tmp_path, "dataset/EgoExo4D"), "splits")
    assert done.returncode != 0
    assert "train.txt exists and is not the published file" in done.stderr
    assert (tmp_path / TRAIN).read_text() == "mine\twalking\n"


def test_index_warns_of_leaks_with_counts(tmp_path: Path) -> None:
    """Participant 1 is in train and test; recordings d and f are of participants of their own."""
    settings = config(tmp_path, "mine")
    (tmp_path / "mine").mkdir()
    rows = {"train": "a\tx\nb\ty\n", "val": "c\tx\nd\ty\n", "test": "e\tx\nf\ty\n"}
    for split, text in rows.items():
        (tmp_path / "mine" / f"{split}.txt").write_text(text)
    people = {"a": 1, "b": 2, "c": 3, "d": 4, "e": 1, "f": 5}
    videos = ", ".join(f'{{"video_uid": "{i}", "fb_participant_id": {p}}}' for i, p in people.items())
    (tmp_path / "raw/ego4d.json").write_text(f'{{"videos": [{videos}]}}')
    project = Project(tmp_path)
    done = project.snakemake(settings, "results/tiny/recordings.parquet")
    assert done.returncode == 0, done.stderr
    told = "tiny: leaks between splits: of the 2 groups (sessions, subjects) in test, 1 are in train too and 0 in val"
    assert told in done.stderr
    assert told in (tmp_path / "results/logs/index_recordings/tiny.log").read_text()
