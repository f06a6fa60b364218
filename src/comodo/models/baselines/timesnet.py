"""TimesNet (Wu et al. 2023, "TimesNet: Temporal 2D-Variation Modeling for General Time Series Analysis")."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from comodo.errors import ModelError
from comodo.models.baselines.embedding import SampleEmbedding


class TimesNet(nn.Module):
    """TimesNet's encoder: fold series at their strongest periods into images, and apply 2-D inception convolutions.

    Default sizes are those of the authors' classification of accelerometer gestures.

    Args:
        seq_len: T, samples per window.
        d_model: width of a token; there is one token per sample.
        d_ff: width between the two convolutions of a block.
        e_layers: number of blocks.
        top_k: number of periods per block.
        num_kernels: kernels of an inception convolution: 1×1, 3×3, 5×5, …
        dropout: dropout rate.
        channels: C, of a window.
    """

    def __init__(
        self,
        seq_len: int = 1000,
        d_model: int = 32,
        d_ff: int = 64,
        e_layers: int = 2,
        top_k: int = 3,
        num_kernels: int = 6,
        dropout: float = 0.1,
        channels: int = 6,
    ) -> None:
        super().__init__()
        if not 1 <= top_k <= seq_len // 2:
            raise ModelError(
                f"top_k is {top_k}, but a window of {seq_len} samples has {seq_len // 2} frequencies"
            )
        self.embedding = SampleEmbedding(d_model, seq_len, dropout, channels)
        self.blocks = nn.ModuleList(TimesBlock(d_model, d_ff, top_k, num_kernels) for _ in range(e_layers))
        self.norm = nn.LayerNorm(d_model)  # shared by all blocks, as in the authors' code
        self.dropout = nn.Dropout(dropout)
        self.dim = seq_len * d_model

    def forward(self, windows: Tensor) -> Tensor:
        """Map windows (B, C, T) → (B, T · d_model)."""
        tokens: Tensor = self.embedding(windows)
        for block in self.blocks:
            tokens = self.norm(block(tokens))
        features: Tensor = self.dropout(F.gelu(tokens))
        return features.flatten(1)


class TimesBlock(nn.Module):
    """Fold at each of the top periods, convolve, unfold, and sum, weighted by the strengths of the periods."""

    def __init__(self, d_model: int, d_ff: int, top_k: int, num_kernels: int) -> None:
        super().__init__()
        self.top_k = top_k
        self.convolve = nn.Sequential(
            Inception(d_model, d_ff, num_kernels), nn.GELU(), Inception(d_ff, d_model, num_kernels)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (B, T, D) → (B, T, D).

        Periods are computed per series, as in equation 1 of the paper, so features do not depend on the batch. The
        authors' code uses the periods of the batch mean. Series of equal period are convolved together.
        """
        periods, strengths = strongest_periods(tokens, self.top_k)
        weights = strengths.softmax(dim=1)  # (B, k)
        output = tokens
        for period in periods.unique().tolist():
            rows, places = (periods == period).nonzero(as_tuple=True)
            unfolded = self._through_image(tokens[rows], period) * weights[rows, places, None, None]
            output = output.index_add(0, rows, unfolded)
        return output

    def _through_image(self, tokens: Tensor, period: int) -> Tensor:
        length = tokens.shape[1]
        padded = F.pad(tokens, (0, 0, 0, -length % period))  # zeros at the end, to a multiple of the period
        image = padded.unflatten(1, (-1, period)).permute(0, 3, 1, 2)  # (B, D, periods, period)
        convolved: Tensor = self.convolve(image).permute(0, 2, 3, 1).flatten(1, 2)
        return convolved[:, :length]


class Inception(nn.Module):
    """Mean of 2-D convolutions of 1×1, 3×3, 5×5, … that keep the size.

    Convolution is linear, so one convolution with the mean of the zero-padded kernels gives the same result. It needs
    less than half of the multiplications.
    """

    kernels: Any  # a ModuleList of Conv2d

    def __init__(self, width_in: int, width_out: int, num_kernels: int) -> None:
        super().__init__()
        self.kernels = nn.ModuleList(
            nn.Conv2d(width_in, width_out, 2 * i + 1, padding=i) for i in range(num_kernels)
        )
        for kernel in self.kernels:
            nn.init.kaiming_normal_(kernel.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(kernel.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, width_in, H, W) → (B, width_out, H, W)."""
        largest = len(self.kernels) - 1
        weights = [F.pad(kernel.weight, (largest - i,) * 4) for i, kernel in enumerate(self.kernels)]
        biases = [kernel.bias for kernel in self.kernels]
        return F.conv2d(
            images, torch.stack(weights).mean(dim=0), torch.stack(biases).mean(dim=0), padding=largest
        )


def strongest_periods(tokens: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the periods (B, k), in samples, of the strongest frequencies of series (B, T, D), and their strengths.

    A strength is the Fourier amplitude, averaged over the D features. Frequency zero is excluded.
    """
    length = tokens.shape[1]
    amplitudes = torch.fft.rfft(tokens, dim=1).abs().mean(dim=2)[:, 1:]
    strengths, places = amplitudes.topk(k, dim=1)
    return length // (places + 1), strengths
