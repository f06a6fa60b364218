from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from tests.support.writers import write_splits

from comodo.commands.evaluate import experiment_config, linear_head, main, parser
from comodo.config import load

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


def test_linear_heads_are_those_of_the_baselines(tmp_path: Path) -> None:
    assert not linear_head(tmp_path)
    weights = {"weight": np.zeros((2, 3), np.float32), "bias": np.zeros(2, np.float32)}
    save_file(weights, tmp_path / "student_projection.safetensors")
    assert linear_head(tmp_path)
    save_file(
        {f"0.{name}": array for name, array in weights.items()}, tmp_path / "student_projection.safetensors"
    )
    assert not linear_head(tmp_path)
