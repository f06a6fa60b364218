"""Students on the hub, by the real client against a stand-in on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from comodo.models.students import save_student
from tests.support.hub import hub
from tests.support.saved import COLUMNS, save_trained, write_csv
from tests.support.students import small_student

RUN = "from comodo.commands.cli import main; raise SystemExit(main())"


def run(folder: Path, address: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own: the client reads its address once."""
    environment = os.environ | {
        "HF_ENDPOINT": address,
        "HF_HOME": str(folder / "cache"),
        "HF_HUB_DISABLE_XET": "1",
    }
    environment |= {"HF_HUB_DOWNLOAD_TIMEOUT": "2", "HF_HUB_ETAG_TIMEOUT": "2"}
    environment.pop("HF_HUB_OFFLINE", None)
    return subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def served(tmp_path: Path) -> Path:
    save_trained(tmp_path / "student", family="cnn")
    save_student(small_student("mantis"), tmp_path / "plain")
    (tmp_path / "plain/comodo.json").unlink()
    (tmp_path / "plain/SHA256SUMS").unlink()
    write_csv(str(tmp_path / "a.csv"))
    return tmp_path


def test_a_student_comes_whole_with_anchors_and_description(served: Path) -> None:
    predict = ["predict", "--imu", "a.csv", *COLUMNS]
    with hub({"user/name": served / "student", "user/plain": served / "plain"}) as address:
        done = run(served, address, *predict, "--student", "user/name", "--out", "hub.csv")
        assert done.returncode == 0, done.stderr
        done = run(served, address, "embed", "--student", "user/plain", "--imu", "a.csv", *COLUMNS)
        assert done.returncode == 0, done.stderr
        assert "12 windows" in done.stdout  # of a foreign checkpoint: 5 s
        done = run(
            served, address, "embed", "--student", "user/name", "--imu", "a.csv", *COLUMNS, "--out", "g.h5"
        )
        assert "30 windows" in done.stdout, done.stderr
        done = run(served, address, *predict, "--student", "user/gone")
        assert done.returncode == 1
        assert "student 'user/gone' is neither a folder nor a model on the hub" in done.stderr
        assert "Traceback" not in done.stderr
    done = run(served, "http://127.0.0.1:9", *predict, "--student", "student", "--out", "local.csv")
    assert done.returncode == 0, done.stderr
    pd.testing.assert_frame_equal(pd.read_csv(served / "hub.csv"), pd.read_csv(served / "local.csv"))
    done = run(served, "http://127.0.0.1:9", *predict, "--student", "other/name", "--out", "none.csv")
    assert done.returncode == 1
    assert "other/name" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_download_is_refused(served: Path) -> None:
    (served / "student/about.json").write_text((served / "student/about.json").read_text() + " ")
    with hub({"user/name": served / "student"}) as address:
        done = run(served, address, "predict", "--student", "user/name", "--imu", "a.csv", *COLUMNS)
    assert done.returncode == 1
    assert "about.json is damaged or not whole" in done.stderr


def test_a_folder_names_no_data(tmp_path: Path) -> None:
    """No path and no recording id; the folder of the export is tested in tests/workflow/test_export.py."""
    save_trained(tmp_path / "secret/student")
    for file in (tmp_path / "secret/student").iterdir():
        assert b"secret" not in file.read_bytes()
        assert str(tmp_path).encode() not in file.read_bytes()


def test_a_student_on_the_hub_is_exported(served: Path) -> None:
    pytest.importorskip("onnxscript", reason="the extra `onnx` is not installed")
    with hub({"user/name": served / "student"}) as address:
        done = run(served, address, "export", "--student", "user/name", "--out", "s.onnx")
    assert done.returncode == 0, done.stderr
    assert (served / "s.onnx").exists()
