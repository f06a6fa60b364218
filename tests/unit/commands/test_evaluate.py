from __future__ import annotations

import json
from pathlib import Path

import pytest
from torch import nn

from comodo.commands.evaluate import experiment_config, main, parser, published_category
from comodo.config import load
from comodo.models.distilled import save_distilled
from comodo.models.heads import new_head
from tests.support.students import small_student
from tests.support.writers import write_splits

SPLITS = {"train": ["a\twalk", "b\trun"], "val": ["c\trun"], "test": ["d\twalk"]}


@pytest.fixture(autouse=True)
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_splits(Path("dataset/egoexo4d"), SPLITS)


def test_without_model_it_is_the_frozen_checkpoint_on_imu_alone() -> None:
    config = load(experiment_config(parser().parse_args([])))
    ((name, experiment),) = config.experiments.items()
    assert experiment.objective == "none"
    assert experiment.teacher is None
    assert config.students[experiment.student].checkpoint == "AutonLab/MOMENT-1-small"
    assert config.datasets[experiment.dataset].root == "dataset/egoexo4d"
    assert config.datasets[experiment.dataset].video is None
    assert name.endswith("-imu_AutonLab_MOMENT-1-small")


def test_windows_of_a_training_are_taken_again() -> None:
    Path("student").mkdir()
    options = parser().parse_args(["--model_path", "student"])
    (alone,) = experiment_config(options)["datasets"]
    trained_on = alone.removesuffix("-imu")
    Path("results", trained_on).mkdir(parents=True)
    Path("results", trained_on, "clips.parquet").touch()
    config = load(experiment_config(options))
    assert config.datasets[trained_on].video is not None
    assert [s.checkpoint for s in config.students.values()] == ["student"]


def test_weights_without_a_model_are_refused() -> None:
    Path("model").mkdir()
    Path("model/x.pth").touch()
    for path in ("model/x.pth", "model", "nowhere"):
        with pytest.raises(ValueError, match=f"--model_path {path} is no trained student"):
            main(["--model_path", path])


@pytest.mark.parametrize(
    ("objective", "head", "category"),
    [
        ("comodo", "mlp", "COMODO"),
        ("comodo", "linear", "COMODO"),
        ("infonce", "linear", "IMU2CLIP&L2"),
        ("l2", "linear", "IMU2CLIP&L2"),
        ("supervised", "linear", "COMODO"),
    ],
)
def test_a_student_is_filed_by_its_objective(
    objective: str, head: str, category: str, tmp_path: Path
) -> None:
    save(tmp_path / "student", head, objective=objective)
    assert published_category(str(tmp_path / "student")) == category


@pytest.mark.parametrize(
    ("head", "teacher", "category"),
    [("mlp", "random", "COMODO"), ("linear", "random", "COMODO"), ("linear", "none", "IMU2CLIP&L2")],
)
def test_a_student_of_the_first_version_is_filed_by_its_heads(
    head: str, teacher: str, category: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "student", head, teacher)
    own = json.loads((tmp_path / "student/comodo.json").read_text())
    del own["objective"]
    (tmp_path / "student/comodo.json").write_text(json.dumps(own))
    assert published_category(str(tmp_path / "student")) == category
    assert ("does not say by which objective" in capsys.readouterr().out) == (category != "COMODO")


def test_frozen_students_are_filed_under_comodo() -> None:
    assert published_category("") == "COMODO"


def save(folder: Path, head: str, teacher: str = "none", objective: str = "comodo") -> None:
    student = small_student("dlinear")
    heads: dict[str, nn.Module] = {"student": nn.Linear(student.dim, 8), "teacher": nn.Identity()}
    if head == "mlp":
        heads["student"] = new_head(student.dim, 8, 8, seed=0, name="student")
    if teacher == "random":
        heads["teacher"] = new_head(16, 8, 8, seed=0, name="teacher")
    save_distilled(folder, student, heads, [], objective=objective)
