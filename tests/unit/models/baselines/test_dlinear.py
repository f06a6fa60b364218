"""DLinear: the decomposition of its paper."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from comodo.models.baselines.dlinear import DLinear, decompose


@pytest.mark.parametrize("width", [1, 4, 25])
def test_the_trend_is_a_moving_average_whose_ends_repeat(width: int) -> None:
    series = torch.randn(2, 6, 40, dtype=torch.float64)
    seasonal, trend = decompose(series, width)
    torch.testing.assert_close(seasonal + trend, series)
    before, after = (width - 1) // 2, width // 2
    for t in range(40):
        window = [min(max(i, 0), 39) for i in range(t - before, t + after + 1)]
        torch.testing.assert_close(trend[..., t], series[..., window].mean(dim=-1))


def test_a_line_has_no_remainder_inside() -> None:
    seasonal, _ = decompose(torch.arange(100.0).expand(1, 6, 100), 25)
    assert seasonal[..., 12:-12].abs().max() < 1e-4
    assert seasonal[..., 0].abs().min() > 1


def test_channels_share_the_maps_and_do_not_mix() -> None:
    torch.manual_seed(0)
    network = DLinear(seq_len=50, moving_avg=5).eval()
    windows = torch.randn(3, 6, 50)
    with torch.no_grad():
        features = network(windows).unflatten(1, (6, 50))
        swapped = network(windows[:, [1, 0, 2, 3, 4, 5]]).unflatten(1, (6, 50))
    torch.testing.assert_close(swapped, features[:, [1, 0, 2, 3, 4, 5]])
    assert not torch.allclose(features[:, 0], features[:, 1])


def test_standardised_by_the_windows_seen_in_training_not_one_by_one() -> None:
    network = DLinear(seq_len=50, moving_avg=5).train()
    generator = np.random.default_rng(0)
    for _ in range(100):
        batch = generator.normal(size=(16, 6, 50)) * 3 + np.arange(6)[:, None] * 10
        network(torch.from_numpy(batch).float())
    assert network.standardise.running_mean is not None
    np.testing.assert_allclose(network.standardise.running_mean, np.arange(6) * 10, atol=0.5)
    network.eval()
    resting = [torch.full((1, 6, 50), level) for level in (0.0, 9.81)]
    with torch.no_grad():
        assert not torch.allclose(*(network(window) for window in resting), atol=0.1)  # gravity is seen
