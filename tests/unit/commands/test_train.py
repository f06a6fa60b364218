from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from comodo.commands.train import SETTINGS, experiment_config, main, parser
from comodo.config import ExperimentSettings, load
from tests.support.writers import write_splits

SPLITS = {"train": ["a\twalk", "b\trun"], "val": ["c\trun"], "test": ["d\twalk"]}
REQUIRED = "--video_ckpt facebook/timesformer-base-finetuned-k400 --imu_ckpt paris-noah/Mantis-8M"
# What the published README shows, its optional flags included.
PUBLISHED = (
    REQUIRED
    + " --dataset_path egoexo4d --encoded_video_path data/encoded.pkl --anchor_video_path data/anchor.pkl "
    "--queue_size 1024 --student_temp 0.07 --teacher_temp 0.2 --learning_rate 1e-4 --num_epochs 5 --batch_size 48 "
    "--num_clips 3 --seed 1 --mlp_hidden_dim 512 --mlp_output_dim 64 --reduction mean --is_raw true"
)


@pytest.fixture(autouse=True)
def datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("dataset/ego4d_data", "egoexo4d"):
        write_splits(Path(folder), SPLITS)


def config_of(line: str) -> dict[str, Any]:
    return experiment_config(parser().parse_args(shlex.split(line)))


def test_the_published_line_becomes_a_config() -> None:
    config = load(config_of(PUBLISHED))
    ((name, experiment),) = config.experiments.items()
    assert config.teachers[experiment.teacher or ""].checkpoint == "facebook/timesformer-base-finetuned-k400"
    assert config.students[experiment.student].checkpoint == "paris-noah/Mantis-8M"
    assert config.students[experiment.student].reduction == "mean"
    assert config.datasets[experiment.dataset].layout == "egoexo4d"
    assert config.seeds == (1,)
    expected = {
        "objective": "comodo",
        "queue_size": 1024,
        "student_temperature": 0.07,
        "teacher_temperature": 0.2,
        "learning_rate": 1e-4,
        "epochs": 5,
        "batch_size": 48,
        "clips_per_recording": 3,
        "projection_hidden": 512,
        "projection_dim": 64,
    }
    assert expected.items() <= experiment.model_dump().items()
    assert re.fullmatch(r"Mantis-8M-[0-9a-f]{6}", name)
    assert config.evaluation.score_windows == "imu"  # as published


def test_defaults_are_the_published_ones_and_ours() -> None:
    config = load(config_of(REQUIRED))
    ((name, experiment),) = config.experiments.items()
    assert config.datasets[experiment.dataset].root == "dataset/ego4d_data"
    assert re.fullmatch(r"Mantis-8M-[0-9a-f]{6}", name)
    assert config.seeds == (42,)
    for setting in SETTINGS.values():
        assert getattr(experiment, setting.key) == ExperimentSettings.model_fields[setting.key].default


@pytest.mark.parametrize("flag", [*SETTINGS, "reduction", "dataset_path", "imu_ckpt", "video_ckpt"])
def test_what_differs_has_another_name(flag: str) -> None:
    other = {"reduction": "mean", "dataset_path": "egoexo4d", "imu_ckpt": "a/b", "video_ckpt": "a/b"}
    names = [
        *config_of(REQUIRED)["experiments"],
        *config_of(f"{REQUIRED} --{flag} {other.get(flag, 7)}")["experiments"],
    ]
    assert len(set(names)) == 2


def test_a_setting_that_cannot_be_is_refused_before_anything_runs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=r"queue_size: .* greater than or equal to 1"):
        main(shlex.split(f"{REQUIRED} --queue_size 0 --is_raw --anchor_video_path a.pkl"))
    assert not Path("results").exists()
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in told] == ["--is_raw", "--anchor_video_path"]
    assert all("has no meaning here" in line for line in told)
