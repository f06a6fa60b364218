"""TimesNet: periods, folding, and the convolutions of its paper."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from comodo.models.baselines.timesnet import Inception, TimesBlock, TimesNet, strongest_periods


@pytest.mark.parametrize("periods", [(50, 20), (25, 100)])
def test_periods_are_found_by_strength(periods: tuple[int, int]) -> None:
    time = torch.arange(200.0)
    strong, weak = ((2 * math.pi / period * time).sin() for period in periods)
    series = (3 * strong + weak + 100)[None, :, None].repeat(1, 1, 4)  # the level is no period
    found, strengths = strongest_periods(series, 2)
    assert found.tolist() == [list(periods)]
    torch.testing.assert_close(strengths, torch.tensor([[300.0, 100.0]]), rtol=1e-3, atol=1e-2)


def test_each_series_has_its_own_periods() -> None:
    time = torch.arange(200.0)
    series = torch.stack([(2 * math.pi / period * time).sin() for period in (50, 20)])[..., None]
    assert strongest_periods(series, 1)[0].tolist() == [[50], [20]]


def test_inception_is_the_mean_of_its_convolutions() -> None:
    torch.manual_seed(0)
    inception = Inception(3, 5, num_kernels=4)
    for kernel in inception.kernels:
        nn.init.normal_(kernel.bias)
    for shape in ((9, 7), (2, 30), (1, 5)):
        images = torch.randn(2, 3, *shape)
        expected = torch.stack([kernel(images) for kernel in inception.kernels]).mean(dim=0)
        torch.testing.assert_close(inception(images), expected)


@pytest.mark.parametrize("period", [1, 6, 7, 40, 64])
def test_folding_and_unfolding_keep_every_sample_in_place(period: int) -> None:
    block = TimesBlock(d_model=3, d_ff=4, top_k=2, num_kernels=2)
    images: list[torch.Tensor] = []

    def unchanged(image: torch.Tensor) -> torch.Tensor:
        images.append(image)
        return image

    block.convolve.forward = unchanged  # type: ignore[method-assign, assignment]
    tokens = torch.randn(2, 40, 3)
    torch.testing.assert_close(block._through_image(tokens, period), tokens)
    rows = -(-40 // period)
    assert images[0].shape == (2, 3, rows, period)
    padded = images[0].flatten(2)
    torch.testing.assert_close(padded[..., :40], tokens.transpose(1, 2))
    assert not padded[..., 40:].any()


def test_weights_of_the_periods_sum_to_one() -> None:
    block = TimesBlock(d_model=3, d_ff=4, top_k=3, num_kernels=2)
    block.convolve.forward = lambda image: image  # type: ignore[method-assign, assignment]
    tokens = torch.randn(5, 40, 3)
    torch.testing.assert_close(block(tokens), 2 * tokens)  # the mean of three copies, and the residual


def test_a_window_s_features_do_not_depend_on_its_batch() -> None:
    torch.manual_seed(0)
    network = TimesNet(seq_len=60, d_model=4, d_ff=4, num_kernels=2).eval()
    windows = torch.randn(8, 6, 60)
    with torch.no_grad():
        alone = torch.cat([network(window[None]) for window in windows])
        torch.testing.assert_close(network(windows), alone)


def test_more_periods_than_frequencies_are_refused() -> None:
    with pytest.raises(ValueError, match="top_k is 11, but a window of 20 samples has 10 frequencies"):
        TimesNet(seq_len=20, top_k=11)
