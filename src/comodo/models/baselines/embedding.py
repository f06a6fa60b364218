"""Input layer of TimesNet and Informer: one token per sample."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class SampleEmbedding(nn.Module):
    """Token per sample: a convolution over three samples plus a sinusoidal position embedding.

    Args:
        d_model: width of a token.
        length: T, samples per window.
        dropout: dropout rate of token entries.
        channels: C, of a window.
    """

    def __init__(self, d_model: int, length: int, dropout: float, channels: int) -> None:
        super().__init__()
        self.standardise = nn.BatchNorm1d(channels, affine=False)
        self.values = nn.Conv1d(channels, d_model, 3, padding=1, padding_mode="circular", bias=False)
        nn.init.kaiming_normal_(self.values.weight, nonlinearity="leaky_relu")
        self.register_buffer("positions", sinusoids(length, d_model), persistent=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, windows: Tensor) -> Tensor:
        """Map windows (B, C, T) → tokens (B, T, d_model)."""
        tokens: Tensor = self.dropout(self.values(self.standardise(windows)).transpose(1, 2) + self.positions)
        return tokens


def sinusoids(length: int, width: int) -> Tensor:
    """Return position embeddings (length, width): alternating sines and cosines, wavelengths 2π to 10,000 · 2π."""
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000) / width))
    angles = torch.arange(length)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :width]
