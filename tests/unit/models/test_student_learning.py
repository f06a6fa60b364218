"""Students of every family learn: gradients reach their parts, and a toy problem is solved."""

from __future__ import annotations

import pytest
import torch

from comodo.models.students import new_student
from tests.support.students import FRESH, small_student

TRAINED = [family for family in FRESH if family != "minirocket"]


@pytest.mark.parametrize("family", TRAINED)
def test_embedder_and_encoder_learn(family: str) -> None:
    student = new_student(family, FRESH[family], seed=1).train()
    student(torch.randn(4, 6, 512)).square().sum().backward()
    parts = {
        "mantis": ("model.tokgen_unit.", "model.transf_unit."),
        "moment": ("model.patch_embedding.", "model.encoder.b"),
        "mantis-v2": ("model.tokgen_unit.", "model.transf_unit."),
        "chronos-bolt": ("model.input_patch_embedding.", "model.encoder.b"),
        "dlinear": ("model.seasonal.", "model.trend."),
        "timesnet": ("model.embedding.", "model.blocks.0.", "model.blocks.1."),
        "cnn": ("model.patches.", "model.blocks.0."),
        "informer": ("model.embedding.", "model.layers.0.query", "model.distillations.", "model.layers.1."),
    }
    for part in parts[family]:
        own = [p for name, p in student.named_parameters() if name.startswith(part)]
        assert own
        assert all(p.requires_grad for p in own)
        assert any(p.grad is not None and p.grad.abs().max() > 0 for p in own)


@pytest.mark.parametrize("family", TRAINED)
def test_a_toy_problem_is_learned(family: str) -> None:
    """Slow or fast, up and down: with a linear head, as objective `supervised` has it."""
    time, generator = torch.arange(64) / 64, torch.Generator().manual_seed(0)
    labels = torch.arange(16) % 2
    phases = torch.rand(16, 6, 1, generator=generator)
    windows = torch.sin(2 * torch.pi * ((2 + 6 * labels)[:, None, None] * time + phases))
    student = small_student(family)
    head = torch.nn.Linear(student.dim, 2)
    torch.nn.init.zeros_(head.weight)
    optimiser = torch.optim.AdamW([*student.parameters(), *head.parameters()], lr=1e-2)
    batch, mask = student.collate(list(windows.numpy()))
    torch.manual_seed(0)  # dropout
    student.train()
    losses = []
    for _ in range(12):
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(head(student(batch, mask)), labels)
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[0] == pytest.approx(0.693, abs=0.2)
    assert losses[-1] < 0.1
    with torch.no_grad():
        assert torch.equal(head(student.eval()(batch, mask)).argmax(dim=1), labels)
