"""Our forward pass of Mantis is the package's own: same values, same gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from comodo.models.students import new_student

SMALL: dict[str, dict[str, Any]] = {
    "mantis": {
        "seq_len": 64, "hidden_dim": 16, "num_patches": 8, "hidden_dim_scalar_enc": 4,
        "transf_depth": 2, "transf_num_heads": 2, "transf_mlp_dim": 16, "transf_dim_head": 8, "transf_dropout": 0.0,
    },
    "mantis-v2": {
        "hidden_dim": 16, "num_patches": 8, "kernel_size": 5, "hidden_dim_scalar_enc": 4, "transf_depth": 2,
        "transf_num_heads": 2, "transf_mlp_dim": 16, "transf_dim_head": 8, "transf_dropout": 0.0,
    },
}  # fmt: skip
KINDS = [
    ("mantis", {}),
    ("mantis", {"pre_training": True}),
    ("mantis", {"output_token": "combined", "return_transf_layer": 0}),
    ("mantis", {"seq_len": 40, "num_patches": 5, "transf_num_heads": 1, "transf_dim_head": 16}),
    ("mantis-v2", {}),
    ("mantis-v2", {"output_token": "combined", "return_transf_layer": 0}),
]


@pytest.mark.parametrize(("family", "changes"), KINDS)
def test_values_and_gradients(family: str, changes: dict[str, Any]) -> None:
    student = new_student(family, SMALL[family] | changes, seed=0).double().train()
    for norm in student.model.tokgen_unit.layer_norms:  # fresh ones are 1 and 0, which would hide a mistake
        torch.nn.init.normal_(norm.weight)
        torch.nn.init.normal_(norm.bias)
    length: int = student.length  # type: ignore[attr-defined]
    series = torch.randn(12, length, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weights, found = list(student.model.parameters()), []
    for embed in (student.encode, lambda s: student.model(s[:, None])):  # type: ignore[attr-defined]
        output = embed(series)
        found.append((output, *torch.autograd.grad(output.sin().sum(), weights, allow_unused=True)))
    for mine, theirs in zip(*found, strict=True):
        if theirs is None:  # a head or a layer that has no part in it
            assert mine is None or not mine.any()
        else:
            torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("value", [0.0, -9.81, 1e4])
def test_a_channel_that_stands_still(value: float) -> None:
    student = new_student("mantis", SMALL["mantis"], seed=0).eval()
    series = torch.full((2, 64), value)
    with torch.no_grad():
        embeddings = student.encode(series)  # type: ignore[attr-defined]
        torch.testing.assert_close(embeddings, student.model(series[:, None]), atol=1e-4, rtol=1e-4)
    assert embeddings.isfinite().all()


def test_dropout_is_in_every_layer() -> None:
    student = new_student("mantis", SMALL["mantis"] | {"transf_dropout": 0.5}, seed=0)
    series = torch.randn(4, 64)
    for part in ("pos_encoder", "transformer.layers.0", "transformer.layers.1"):
        student.eval()
        student.model.transf_unit.get_submodule(part).train()
        first, second = student.encode(series), student.encode(series)  # type: ignore[attr-defined]
        assert not torch.equal(first, second)
    student.eval()
    assert torch.equal(student.encode(series), student.encode(series))  # type: ignore[attr-defined]


def test_autocast_keeps_the_token_generator_exact() -> None:
    student = new_student("mantis", SMALL["mantis"], seed=0).eval()
    series = torch.randn(8, 64)
    with torch.no_grad():
        exact = student.encode(series)  # type: ignore[attr-defined]
        with torch.autocast("cpu", torch.bfloat16):
            fast = student.encode(series)  # type: ignore[attr-defined]
    assert torch.nn.functional.cosine_similarity(exact, fast.float()).min() > 0.999
