"""MOMENT as a student: published embeddings, and gradient checkpointing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from comodo.models.students import load_student, new_student
from tests.support.students import FRESH, MOMENT


@pytest.mark.parametrize("reduction", ["concat", "mean"])
def test_published_moment(golden: Path, numbers: dict[str, torch.Tensor], reduction: str) -> None:
    student = load_student(golden / "ckpt" / MOMENT, reduction)
    assert student.dim == (192 if reduction == "concat" else 32)
    with torch.no_grad():
        whole = student(numbers["imu_1000"])
        masked = student(numbers["imu_512"], numbers["mask_512"])
        unmasked = student(numbers["imu_512"])
    np.testing.assert_allclose(whole, numbers[f"moment_{reduction}_1000"], atol=1e-5)
    np.testing.assert_allclose(masked, numbers[f"moment_{reduction}_512_masked"], atol=1e-5)
    assert not torch.allclose(masked, unmasked, atol=1e-2)


def test_gradient_checkpointing_is_off_by_default_and_changes_no_gradient() -> None:
    windows, gradients = torch.randn(2, 6, 512), []
    for checkpointing in (False, True):
        student = new_student("moment", FRESH["moment"], 1, gradient_checkpointing=checkpointing).train()
        assert student.model.encoder.is_gradient_checkpointing is checkpointing
        torch.manual_seed(0)  # dropout
        student(windows).square().sum().backward()
        gradients.append(student.model.patch_embedding.value_embedding.weight.grad)
    torch.testing.assert_close(*gradients)
