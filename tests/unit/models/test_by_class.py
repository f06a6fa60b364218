"""Saved students of users' classes: they load where the class is installed, and run nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from comodo.errors import ClassPathError, ModelError
from comodo.models.by_class import new_class_student
from comodo.models.class_teacher import ClassTeacher
from comodo.models.students import load_student, save_student
from comodo.storage.artefacts import write_sums
from tests.support import classes

PATH = "tests.support.classes:"


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_student(new_class_student(f"{PATH}WithBuffer", {"width": 5}, seed=3), tmp_path / "student")
    return tmp_path / "student"


def rewrite(folder: Path, **changes: Any) -> None:
    """Edit config.json as a stranger would, with new checksums."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    write_sums(folder)


def test_saved_and_loaded(saved: Path) -> None:
    windows = torch.from_numpy(np.random.default_rng(0).standard_normal((3, 6, 50)).astype(np.float32))
    made = new_class_student(f"{PATH}WithBuffer", {"width": 5}, seed=3)
    with torch.inference_mode():
        assert torch.equal(load_student(saved)(windows), made(windows))


def test_weights_depend_on_the_seed_alone() -> None:
    state = torch.get_rng_state()
    one, same, other = (new_class_student(f"{PATH}Good", {}, seed) for seed in (1, 1, 2))
    assert torch.equal(one.model.linear.weight, same.model.linear.weight)
    assert not torch.equal(one.model.linear.weight, other.model.linear.weight)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("subprocess:Popen", "it is not a torch.nn.Module"),
        ("tests.support.classes:Teacher", "it is not a torch.nn.Module"),
        ("os:system", "it is not a torch.nn.Module"),
        ("builtins:eval", "it is not a torch.nn.Module"),
        ("torch:load", "torch has no class 'load'"),
        ("nowhere:Net", "no module 'nowhere' among the installed packages"),
        ("../evil:Net", "write it as package.module:Name"),
        ("", "write it as package.module:Name"),
        (5, "config.json: class must be a string and kwargs a mapping"),
        (None, "config.json: class must be a string and kwargs a mapping"),
    ],
)
def test_hostile_class_paths_run_nothing(saved: Path, path: Any, message: str) -> None:
    target = saved.parent / "ran"
    rewrite(saved, **{"class": path, "kwargs": {"args": ["touch", str(target)]}})
    with pytest.raises((ModelError, ClassPathError), match=message) as caught:
        load_student(saved)
    assert "\n" not in str(caught.value)
    assert not target.exists()


@pytest.mark.parametrize(
    "kwargs",
    [
        {"depth": 5},
        {"width": -3},
        {"width": "x"},
        {"width": 1 << 40},
        {"width": None},
        [1],
        "x",
        {"width": [[[]]]},
    ],
)
def test_hostile_arguments(saved: Path, kwargs: Any) -> None:
    rewrite(saved, kwargs=kwargs)
    with pytest.raises((ModelError, ClassPathError), match="student"):
        load_student(saved)


@pytest.mark.parametrize("change", ["missing", "surplus", "shape", "nan", "kind"])
def test_weights_that_do_not_fit(saved: Path, change: str) -> None:
    file = saved / "model.safetensors"
    weights = load_file(file)
    if change == "missing":
        del weights["linear.bias"]
    if change == "surplus":
        weights["more"] = torch.zeros(3)
    if change == "shape":
        weights["linear.bias"] = torch.zeros(9)
    if change == "nan":
        weights["linear.bias"][0] = torch.nan
    if change == "kind":
        weights["linear.bias"] = weights["linear.bias"].to(torch.int32)
    save_file(weights, file, metadata={"format": "pt"})
    write_sums(saved)
    with pytest.raises((ModelError, ClassPathError)) as caught:
        load_student(saved)
    assert "\n" not in str(caught.value)


def test_code_in_the_folder_of_a_student_is_never_run(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not as the working folder, and not on PYTHONPATH either."""
    (saved / "evil.py").write_text(f"open({str(saved.parent / 'ran')!r}, 'w')\n")
    rewrite(saved, **{"class": "evil:Net"})
    monkeypatch.chdir(saved)
    with pytest.raises(ClassPathError, match="no module 'evil' among the installed packages"):
        load_student(saved)
    monkeypatch.syspath_prepend(saved)
    with pytest.raises(ClassPathError, match=r"code in .*student is never executed; install its package"):
        load_student(saved)
    assert not (saved.parent / "ran").exists()


def test_another_process_needs_the_package(tmp_path: Path) -> None:
    """It loads where the package is installed (here: on PYTHONPATH), and names it where it is not."""
    code = Path(classes.__file__).read_text()
    (tmp_path / "site").mkdir()
    (tmp_path / "site/theirlab.py").write_text(code)
    folder = tmp_path / "student"
    save_student(new_class_student(f"{PATH}Good", {}, seed=3), folder)
    rewrite(folder, **{"class": "theirlab:Good"})
    source = str(Path(sys.modules["comodo"].__file__ or "").parents[1])

    def load(*path: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", f"import comodo; print(comodo.load_student({str(folder)!r}).dim)"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([source, *path])}
        return subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    assert load(str(tmp_path / "site")).stdout == "4\n"
    assert "no module 'theirlab' among the installed packages: install it" in load().stderr


def test_a_student_of_other_channels(tmp_path: Path) -> None:
    save_student(new_class_student(f"{PATH}Good", {"channels": 3}, 0, channels=3), tmp_path / "s")
    student = load_student(tmp_path / "s")
    assert student(torch.zeros(2, 3, 40)).shape == (2, 4)
    with pytest.raises(ModelError, match="windows of 3 channels"):
        student(torch.zeros(2, 6, 40))


def test_windows_of_several_lengths_get_a_mask() -> None:
    student = new_class_student(f"{PATH}Good", {}, 0)
    windows = [np.ones((6, length), dtype=np.float32) for length in (40, 25)]
    batch, mask = student.collate(windows)
    assert batch.shape == (2, 6, 40)
    assert mask is not None
    assert mask.sum(dim=1).tolist() == [40, 25]
    assert mask[1, :15].sum() == 0
    assert student.collate(windows[:1])[1] is None


def test_the_identity_of_a_teacher_holds_its_code() -> None:
    teacher = ClassTeacher(f"{PATH}Teacher", {}, "cpu")
    assert teacher.identity["model"] == f"{PATH}Teacher"
    assert len(teacher.identity["code"]) == 16
    assert teacher.encode(torch.ones(2, 2, 3, 8, 8)).tolist() == [[1, 1, 1]] * 2
    with pytest.raises(ModelError, match=r"requires \(B, 2, 3, H, W\)"):
        teacher.encode(torch.ones(2, 5, 3, 8, 8))
