"""A small convolutional network for devices: depthwise-separable convolutions (Howard et al. 2017) over time."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SmallCnn(nn.Module):
    """One encoder for all channels: residual depthwise-separable convolutions, then the mean over time.

    The input of the encoder is the standardised samples of a channel and their standardised differences. The mean and
    the logarithm of the deviation of each channel are additional features. Group norm and a high dropout rate prevent
    overfitting to the train recordings (docs/performance.md). With the default sizes it has 10,000 weights.

    Args:
        seq_len: T, samples per window.
        width: channels of the convolutions.
        blocks: number of residual blocks.
        patch_len: stride of the first convolution, samples.
        kernel_size: samples under a depthwise kernel; odd.
        dropout: dropout rate of the pooled features.
        channels: C, of a window.
    """

    def __init__(
        self,
        seq_len: int = 128,
        width: int = 32,
        blocks: int = 2,
        patch_len: int = 8,
        kernel_size: int = 7,
        dropout: float = 0.5,
        channels: int = 6,
    ) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError("kernel_size must be odd")
        if seq_len < 2 or patch_len < 1:
            raise ValueError("seq_len must be at least 2 and patch_len at least 1")
        self.standardise = nn.BatchNorm1d(2 * channels, affine=False)
        self.patches = nn.Conv1d(2, width, 2 * patch_len + 1, stride=patch_len, padding=patch_len, bias=False)
        self.norm = nn.GroupNorm(1, width)
        self.blocks = nn.Sequential(
            *(Block(width, kernel_size) for _ in range(blocks)), nn.GroupNorm(1, width)
        )
        self.dropout = nn.Dropout(dropout)
        self.dim = channels * (width + 2)

    def forward(self, windows: Tensor) -> Tensor:
        """Map windows (B, C, T) → (B, dim)."""
        level, deviation = windows.mean(dim=2), windows.std(dim=2)
        levels = self.standardise(torch.cat([level, (deviation + 1e-3).log()], dim=1))
        steps = F.pad(windows.diff(dim=2), (0, 1))
        series = torch.stack([_scaled(windows), _scaled(steps)], dim=2).flatten(0, 1)  # (B · C, 2, T)
        maps = self.blocks(F.gelu(self.norm(self.patches(series))))
        pooled = self.dropout(maps.mean(dim=2)).unflatten(0, (-1, windows.shape[1])).flatten(1)
        return torch.cat([pooled, levels], dim=1)


class Block(nn.Module):
    """Depthwise convolution over time and two pointwise ones, with a residual connection."""

    def __init__(self, width: int, kernel_size: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(1, width),
            nn.Conv1d(width, width, kernel_size, padding=kernel_size // 2, groups=width),
            nn.Conv1d(width, 2 * width, 1),
            nn.GELU(),
            nn.Conv1d(2 * width, width, 1),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Map (B, width, T) → (B, width, T)."""
        changed: Tensor = maps + self.layers(maps)
        return changed


def _scaled(values: Tensor) -> Tensor:
    return (values - values.mean(dim=2, keepdim=True)) / (values.std(dim=2, keepdim=True) + 1e-5)
