from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from comodo.objectives.infonce import InfoNCELoss
from comodo.objectives.l2 import L2Loss


@pytest.mark.parametrize("temperature", [0.1, 0.07])
@pytest.mark.parametrize("symmetric", [False, True])
def test_published_infonce(golden: Path, temperature: float, symmetric: bool) -> None:
    figures = np.load(golden / "contrastive_l2_loss.npz")
    student = torch.from_numpy(figures["query"]).requires_grad_()
    loss = InfoNCELoss(temperature, symmetric)(student, torch.from_numpy(figures["key"]))
    loss.backward()
    name = f"T{temperature}_sym{int(symmetric)}"
    assert loss.item() == pytest.approx(float(figures[f"{name}_loss"]), abs=1e-5)
    np.testing.assert_allclose(student.grad, figures[f"{name}_grad"], atol=1e-6)


def test_published_l2(golden: Path) -> None:
    figures = np.load(golden / "contrastive_l2_loss.npz")
    student = torch.from_numpy(figures["query"]).requires_grad_()
    loss = L2Loss()(student, torch.from_numpy(figures["key"]))
    loss.backward()
    assert loss.item() == pytest.approx(float(figures["l2_loss"]), abs=1e-6)
    np.testing.assert_allclose(student.grad, figures["l2_grad"], atol=1e-6)
