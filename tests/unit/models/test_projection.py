"""Projection heads: published outputs, and weights that depend on seed and name only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from comodo.models.heads import ProjectionHead, new_head, project_teacher
from comodo.models.seeds import named_seed
from comodo.models.teachers import load_teacher


@pytest.mark.parametrize("family", ["videomae", "timesformer"])
def test_published_projection_of_the_pooled_embedding(golden: Path, family: str) -> None:
    numbers = np.load(golden / "models.npz")
    prefix = f"{family}_mlp_w."
    weights = {k.removeprefix(prefix): torch.from_numpy(numbers[k]) for k in numbers if k.startswith(prefix)}
    head = ProjectionHead(32, 32, 16)
    head.load_state_dict(weights)
    teacher = load_teacher(golden / "ckpt" / f"{family}-tiny")
    pooled = teacher.encode(torch.from_numpy(numbers[f"{family}_pixels"]))
    targets = project_teacher(pooled, head)
    np.testing.assert_allclose(targets, numbers[f"{family}_mlp_embedding"], atol=1e-6)
    torch.testing.assert_close(project_teacher(pooled, head, rows=2), targets)


def test_targets_are_of_unit_length_and_the_head_is_neither_trained_nor_its_statistics() -> None:
    head = new_head(8, 16, 4, seed=0, name="teacher").train()
    before = {name: value.clone() for name, value in head.state_dict().items()}
    targets = project_teacher(torch.randn(10, 8), head)
    torch.testing.assert_close(targets.norm(dim=1), torch.ones(10))
    assert not targets.requires_grad
    assert not head.training
    assert all(torch.equal(value, before[name]) for name, value in head.state_dict().items())


def test_weights_depend_on_seed_and_name_and_leave_the_global_generator_alone() -> None:
    state = torch.get_rng_state()
    first, again = (new_head(6, 8, 4, seed=1, name="teacher")[0].weight for _ in range(2))
    other_name = new_head(6, 8, 4, seed=1, name="student")[0].weight
    other_seed = new_head(6, 8, 4, seed=2, name="teacher")[0].weight
    assert torch.equal(first, again)
    assert not torch.equal(first, other_name)
    assert not torch.equal(first, other_seed)
    assert torch.equal(torch.get_rng_state(), state)


def test_named_seeds_are_stable() -> None:
    assert named_seed(42, "dropout") == 3719288840084470140  # another number would change every result
    assert len({named_seed(seed, name) for seed in range(20) for name in ("a", "b", "1/a")}) == 60
