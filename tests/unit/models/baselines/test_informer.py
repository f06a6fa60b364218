"""Informer: ProbSparse attention, distilling, positions."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from comodo.models.baselines.embedding import sinusoids
from comodo.models.baselines.informer import Distillation, Informer, prob_sparse_attention


@pytest.fixture
def parts() -> tuple[torch.Tensor, ...]:
    return tuple(torch.randn(3, 2, 4, 50, 8, generator=torch.Generator().manual_seed(0)))


def test_prob_sparse_attention_of_all_queries_is_full_attention(parts: tuple[torch.Tensor, ...]) -> None:
    full = F.scaled_dot_product_attention(*parts)
    torch.testing.assert_close(prob_sparse_attention(*parts, torch.arange(7), 50), full)


def test_the_least_uniform_queries_attend_and_the_others_get_the_mean(
    parts: tuple[torch.Tensor, ...],
) -> None:
    query, key, value = parts
    query = query * 0.01
    peaked = torch.tensor([3, 31, 40])
    query[:, :, peaked] = 5 * key[:, :, peaked]  # these look at one key
    attended = prob_sparse_attention(query, key, value, torch.arange(50), 3)
    full = F.scaled_dot_product_attention(query, key, value)
    others = [t for t in range(50) if t not in peaked]
    torch.testing.assert_close(attended[:, :, peaked], full[:, :, peaked])
    mean = value.mean(dim=2, keepdim=True).expand(-1, -1, len(others), -1)
    torch.testing.assert_close(attended[:, :, others], mean)
    assert not torch.allclose(attended[:, :, peaked], mean[:, :, :3], atol=0.1)


def test_gradients_flow_to_queries_keys_and_values(parts: tuple[torch.Tensor, ...]) -> None:
    leaves = [part.clone().requires_grad_() for part in parts]
    prob_sparse_attention(*leaves, torch.arange(10), 5).square().sum().backward()
    assert all(leaf.grad is not None and leaf.grad.abs().max() > 0 for leaf in leaves)
    assert (leaves[0].grad.abs().sum(dim=-1) > 0).sum(dim=-1).eq(5).all()  # type: ignore[union-attr]


@pytest.mark.parametrize("length", [40, 41])
def test_distilling_halves_the_length(length: int) -> None:
    assert Distillation(8)(torch.randn(2, length, 8)).shape == (2, (length + 1) // 2, 8)


@pytest.mark.parametrize(("layers", "length"), [(1, 50), (2, 25), (3, 13)])
def test_width_of_the_features(layers: int, length: int) -> None:
    network = Informer(seq_len=50, d_model=8, n_heads=2, d_ff=8, e_layers=layers).eval()
    assert network(torch.randn(2, 6, 50)).shape == (2, network.dim) == (2, length * 8)


def test_a_window_has_one_embedding_and_training_draws_anew() -> None:
    torch.manual_seed(0)
    network = Informer(seq_len=200, d_model=8, n_heads=2, d_ff=8, factor=1, dropout=0.0).eval()
    windows = torch.randn(6, 6, 200)
    with torch.no_grad():
        first = network(windows)
        assert torch.equal(network(windows), first)
        torch.testing.assert_close(torch.cat([network(window[None]) for window in windows]), first)
    layer, tokens = network.layers[0].train(), torch.randn(2, 200, 8)
    assert not torch.equal(layer(tokens), layer(tokens))


def test_positions_are_sines_and_cosines() -> None:
    for width in (6, 7):
        positions = sinusoids(30, width)
        assert positions.shape == (30, width)
        for t, i in ((0, 0), (5, 2), (29, 5)):
            angle = t / 10_000 ** (i // 2 * 2 / width)
            expected = math.cos(angle) if i % 2 else math.sin(angle)
            assert float(positions[t, i]) == pytest.approx(expected, abs=1e-5)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="d_model is 10, which n_heads = 4"):
        Informer(d_model=10, n_heads=4)
