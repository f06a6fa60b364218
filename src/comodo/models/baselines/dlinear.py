"""DLinear (Zeng et al. 2023, "Are Transformers Effective for Time Series Forecasting?")."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class DLinear(nn.Module):
    """Trend and remainder of every channel, each through one linear map over time, added up.

    As a classifier the maps keep the length, as is customary; a linear head follows.

    Args:
        seq_len: samples per window, T.
        moving_avg: width of the moving average that is the trend, samples.
        channels: C.
    """

    def __init__(self, seq_len: int = 1000, moving_avg: int = 25, channels: int = 6) -> None:
        super().__init__()
        self.moving_avg = moving_avg
        self.standardise = nn.BatchNorm1d(channels, affine=False)
        self.seasonal = nn.Linear(seq_len, seq_len)
        self.trend = nn.Linear(seq_len, seq_len)
        self.dim = channels * seq_len

    def forward(self, windows: Tensor) -> Tensor:
        """Windows (B, C, T) → (B, C · T)."""
        seasonal, trend = decompose(self.standardise(windows), self.moving_avg)
        features: Tensor = self.seasonal(seasonal) + self.trend(trend)
        return features.flatten(1)


def decompose(series: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Divide series (B, C, T) into remainder and trend, a centred moving average; its ends repeat the edge sample."""
    padded = F.pad(series, ((width - 1) // 2, width // 2), mode="replicate")
    trend = F.avg_pool1d(padded, width, stride=1)
    return series - trend, trend
