"""Every student learns by every objective, and resumes to the bit."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comodo.config import ExperimentSettings, StudentSettings
from comodo.distill import experiment
from comodo.distill.loop import Run, train_distillation
from comodo.embeddings.anchors import select_anchors
from comodo.embeddings.store import write_store
from comodo.models.distilled import load_distilled
from comodo.objectives import OBJECTIVES
from tests.support.students import FRESH
from tests.support.tables import window_table, write_windows

pytestmark = pytest.mark.slow

N = 24
CLIPS = window_table(
    {f"r{n}": 1 for n in range(N)},
    label=[f"class {n % 2}" for n in range(N)],
    split=["train"] * 12 + ["val"] * 6 + ["test"] * 6,
    last_sample=200,
)
WIDTH = 8
SIZES = {"queue_size": 4, "batch_size": 4, "epochs": 1, "projection_hidden": 8, "projection_dim": 4}
PAIRS = [
    (family, objective)
    for family in FRESH
    for objective in OBJECTIVES
    if family != "minirocket" or objective in ("supervised", "none")  # others are refused by the config
]
OWN = "tests.support.odd_classes:Normalised"  # batch statistics and dropout
LOSSES = ["tests.support.odd_classes:LossWithWeights", "tests.support.classes:Lessons"]
PAIRS += [(OWN, objective) for objective in [*OBJECTIVES, *LOSSES]] + [("mantis", loss) for loss in LOSSES]


class Stop(Exception):
    """Ends a run from within, as a crash would."""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    embeddings = np.random.default_rng(0).standard_normal((N, WIDTH)).astype(np.float32)
    write_store(folder / "store.h5", CLIPS, WIDTH, [embeddings], {"teacher": "t"})
    select_anchors(folder / "store.h5", folder / "anchors.h5")
    write_windows(folder / "imu.h5", CLIPS)
    return folder


def distil(inputs: Path, folder: Path, family: str, objective: str) -> None:
    named = {"class": objective} if ":" in objective else {"objective": objective}
    settings = ExperimentSettings.model_validate(
        {"dataset": "d", "teacher": "t", "student": "s", **named, **SIZES}
    )
    taught = settings.sees_video
    experiment.distill(
        settings=settings,
        student_settings=StudentSettings.model_validate(
            {"class": family}
            if ":" in family
            else {"architecture": family, "architecture_config": FRESH[family]}
        ),
        seed=0,
        windows=CLIPS,
        imu=[inputs / "imu.h5"],
        store=inputs / "store.h5" if taught else None,
        anchors=inputs / "anchors.h5" if taught else None,
        state=folder / "state",
        folder=folder / "student",
        history=folder / "history.json",
        threads=1,
    )


def made(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "student").iterdir()}


@pytest.mark.parametrize(("family", "objective"), PAIRS)
def test_two_steps_and_a_resumed_run(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str, objective: str
) -> None:
    distil(inputs, tmp_path / "whole", family, objective)
    history = json.loads((tmp_path / "whole/history.json").read_text())
    trained = history[0]["loss"] is not None
    assert trained == (objective != "none" and family != "minirocket")

    steps: list[int] = []

    def stopped(*given: Any) -> Any:
        def on_step(step: int, loss: float, rate: float) -> None:
            steps.append(step)
            if len(steps) == 2:
                raise Stop

        run: Run = dataclasses.replace(given[-1], on_step=on_step, state_every_steps=1, progress=False)
        return train_distillation(*given[:-1], run)

    monkeypatch.setattr(experiment, "train_distillation", stopped)
    if trained:
        with pytest.raises(Stop):
            distil(inputs, tmp_path / "resumed", family, objective)
    distil(inputs, tmp_path / "resumed", family, objective)
    if trained:
        assert steps[:3] == [0, 1, 1]  # the second step was not kept, the first one was
    assert made(tmp_path / "resumed") == made(tmp_path / "whole")
    load_distilled(tmp_path / "whole/student", "cpu")
