"""Baselines as students: windows of any length, what is saved, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from comodo.models.students import new_student, save_student
from tests.support.students import BASELINES, FRESH, small_student


@pytest.mark.parametrize("family", BASELINES)
def test_baselines_stretch_windows_of_any_length(family: str) -> None:
    student = small_student(family)
    assert student.dim == BASELINES[family]
    windows = [np.random.default_rng(i).normal(size=(6, 50 + 30 * i)).astype(np.float32) for i in range(3)]
    batch, mask = student.collate(windows)
    assert batch.shape == (3, 6, 64)
    assert mask is None
    with torch.no_grad():
        embeddings = student(batch)
        assert embeddings.shape == (3, student.dim)
        for row, window in enumerate(windows):
            alone = student(torch.from_numpy(window)[None], torch.ones(1, window.shape[1]))
            torch.testing.assert_close(alone, embeddings[row : row + 1])


def test_a_saved_baseline_names_itself_and_every_argument(tmp_path: Path) -> None:
    save_student(new_student("dlinear", {"seq_len": 64}, 0), tmp_path / "student")
    config = json.loads((tmp_path / "student" / "config.json").read_text())
    assert config == {"family": "dlinear", "seq_len": 64, "moving_avg": 25, "channels": 6}


@pytest.mark.parametrize("family", BASELINES)
def test_baselines_refuse_padding_and_reduction(family: str) -> None:
    with pytest.raises(ValueError, match=f"{family} cannot mask padding"):
        small_student(family)(torch.randn(2, 6, 64), torch.zeros(2, 64))
    with pytest.raises(ValueError, match=f"{family} embeds all channels jointly.*leave `reduction` out"):
        new_student(family, FRESH[family], 0, reduction="mean")
