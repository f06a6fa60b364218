"""DLinear (Zeng et al. 2023, "Are Transformers Effective for Time Series Forecasting?")."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class DLinear(nn.Module):
    """Sum of two linear maps over time, one of the trend and one of the remainder of each channel.

    The maps keep the length, as is customary for classification with a linear head.

    Args:
        seq_len: T, samples per window.
        moving_avg: width of the moving average that defines the trend, samples.
        channels: C, of a window.
    """

    def __init__(self, seq_len: int = 1000, moving_avg: int = 25, channels: int = 6) -> None:
        super().__init__()
        self.moving_avg = moving_avg
        self.standardise = nn.BatchNorm1d(channels, affine=False)
        self.seasonal = nn.Linear(seq_len, seq_len)
        self.trend = nn.Linear(seq_len, seq_len)
        self.dim = channels * seq_len

    def forward(self, windows: Tensor) -> Tensor:
        """Map windows (B, C, T) → (B, C · T)."""
        seasonal, trend = decompose(self.standardise(windows), self.moving_avg)
        features: Tensor = self.seasonal(seasonal) + self.trend(trend)
        return features.flatten(1)


def decompose(series: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Split series (B, C, T) into remainder and trend, a centred moving average with edge samples repeated."""
    padded = F.pad(series, ((width - 1) // 2, width // 2), mode="replicate")
    trend = F.avg_pool1d(padded, width, stride=1)
    return series - trend, trend
