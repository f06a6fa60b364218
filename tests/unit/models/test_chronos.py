"""Chronos-Bolt as a student: the embeddings of its package, and padding."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from comodo.models.students import new_student
from tests.support.students import FRESH


@pytest.mark.parametrize("length", [100, 112])
def test_chronos_bolt_embeds_as_its_package(length: int) -> None:
    from chronos import ChronosBoltPipeline

    student = new_student("chronos-bolt", FRESH["chronos-bolt"], seed=3)
    windows = torch.randn(3, 6, length) * 5 + 9
    tokens, _ = ChronosBoltPipeline(student.model).embed(windows.flatten(0, 1))
    assert tokens.shape == (18, 8, 16)  # seven patches of 16 samples and [REG]
    expected = tokens[:, :-1].mean(dim=1).reshape(3, 6 * 16)
    with torch.no_grad():
        torch.testing.assert_close(student(windows), expected)
        mean = new_student("chronos-bolt", FRESH["chronos-bolt"], seed=3, reduction="mean")(windows)
    torch.testing.assert_close(mean, expected.unflatten(1, (6, 16)).mean(dim=1))


@pytest.mark.parametrize("reg", [True, False])
def test_chronos_bolt_does_not_see_padding(reg: bool) -> None:
    config = {**FRESH["chronos-bolt"], "chronos_config": {"use_reg_token": reg}}
    student = new_student("chronos-bolt", config, seed=3)
    generator = np.random.default_rng(0)
    windows = [generator.normal(size=(6, length)).astype(np.float32) for length in (160, 112, 37)]
    batch, mask = student.collate(windows)
    assert batch.shape == (3, 6, 160)
    assert mask is not None
    assert mask.sum(dim=1).tolist() == [160, 112, 37]
    with torch.no_grad():
        together = student(batch, mask)
        for row, window in enumerate(windows):
            alone, none = student.collate([window])
            assert none is None
            torch.testing.assert_close(student(alone), together[row : row + 1], atol=1e-5, rtol=1e-5)
        # zeros are samples, padding is not
        assert not torch.allclose(student(batch)[2], together[2], atol=1e-2)
