"""Informer (Zhou et al. 2021, "Informer: Beyond Efficient Transformer for Long Sequence Time-Series Forecasting")."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from comodo.errors import ModelError
from comodo.models.baselines.embedding import SampleEmbedding


class Informer(nn.Module):
    """Informer's encoder: ProbSparse attention, with a convolution between layers that halves the length.

    Args:
        seq_len: T, samples per window.
        d_model: width of a token; there is one token per sample.
        n_heads: attention heads; must divide d_model.
        d_ff: hidden width of the feed-forward layers.
        e_layers: number of layers; the length is halved between two layers.
        factor: c in the paper. c · ln T queries attend; they are selected with c · ln T sampled keys.
        dropout: dropout rate.
        channels: C, of a window.
    """

    def __init__(
        self,
        seq_len: int = 1000,
        d_model: int = 128,
        n_heads: int = 8,
        d_ff: int = 256,
        e_layers: int = 3,
        factor: int = 5,
        dropout: float = 0.1,
        channels: int = 6,
    ) -> None:
        super().__init__()
        if d_model % n_heads:
            raise ModelError(f"d_model is {d_model}, which n_heads = {n_heads} does not divide")
        self.embedding = SampleEmbedding(d_model, seq_len, dropout, channels)
        self.layers = nn.ModuleList(
            EncoderLayer(d_model, n_heads, d_ff, factor, dropout) for _ in range(e_layers)
        )
        self.distillations = nn.ModuleList(Distillation(d_model) for _ in range(e_layers - 1))
        self.norm = nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)
        length = seq_len
        for _ in self.distillations:
            length = (length + 1) // 2
        self.dim = length * d_model

    def forward(self, windows: Tensor) -> Tensor:
        """Map windows (B, C, T) → (B, T / 2^(e_layers - 1) · d_model)."""
        tokens: Tensor = self.embedding(windows)
        for i, layer in enumerate(self.layers):
            tokens = layer(self.distillations[i - 1](tokens) if i else tokens)
        features: Tensor = self.dropout(F.gelu(self.norm(tokens)))
        return features.flatten(1)


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward layer, each with a residual connection and layer norm."""

    def __init__(self, d_model: int, n_heads: int, d_ff: int, factor: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.factor = n_heads, factor
        self._kept: dict[int, Tensor] = {}
        self.query_key_value = nn.Linear(d_model, 3 * d_model)
        self.output = nn.Linear(d_model, d_model)
        self.feed_forward = nn.Sequential(
            nn.Linear(d_model, d_ff),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(d_ff, d_model),
            nn.Dropout(dropout),
        )
        self.norms = nn.ModuleList(nn.LayerNorm(d_model) for _ in range(2))
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (B, T, D) → (B, T, D)."""
        tokens = self.norms[0](tokens + self.dropout(self._attention(tokens)))
        normed: Tensor = self.norms[1](tokens + self.feed_forward(tokens))
        return normed

    def _attention(self, tokens: Tensor) -> Tensor:
        length = tokens.shape[1]
        count = min(length, self.factor * math.ceil(math.log(length)))
        query, key, value = (
            self.query_key_value(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        )
        # Random in training, like dropout. Fixed in evaluation, so that embeddings are deterministic.
        sample = torch.randperm(length) if self.training else self._fixed(length)
        sample = sample[:count].to(tokens.device)
        attended = prob_sparse_attention(
            query, key, value, sample, count, self.dropout.p if self.training else 0.0
        )
        mixed: Tensor = self.output(attended.transpose(1, 2).flatten(2))
        return mixed

    def _fixed(self, length: int) -> Tensor:
        """Return the permutation of evaluation; kept, because a graph cannot hold a random generator."""
        if length not in self._kept:
            self._kept[length] = torch.randperm(length, generator=torch.Generator().manual_seed(0))
        return self._kept[length]


class Distillation(nn.Module):
    """Convolution, batch norm, ELU and max-pooling, which halves the length (rounded up)."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(d_model, d_model, 3, padding=1, padding_mode="circular")
        self.norm = nn.BatchNorm1d(d_model)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (B, T, D) → (B, ceil(T / 2), D)."""
        convolved = F.elu(self.norm(self.convolution(tokens.transpose(1, 2))))
        return F.max_pool1d(convolved, 3, stride=2, padding=1).transpose(1, 2)


def prob_sparse_attention(
    query: Tensor, key: Tensor, value: Tensor, sample: Tensor, count: int, dropout: float = 0.0
) -> Tensor:
    """Compute attention for the `count` queries with the least uniform attention, and the mean value for the others.

    A sample of the keys measures how uniform the attention of a query is (algorithm 1 of the paper).

    Args:
        query: (B, heads, T, E).
        key: (B, heads, T, E).
        value: (B, heads, T, E).
        sample: (s,) indices of the sampled keys.
        count: number of queries that attend, at most T.
        dropout: dropout rate of attention weights.

    Returns:
        (B, heads, T, E).
    """
    with torch.no_grad():  # the selection has no gradient
        scores = query @ key[:, :, sample].transpose(-1, -2)
        uneven = scores.amax(dim=-1) - scores.mean(dim=-1)
        chosen = uneven.topk(count, dim=-1).indices[..., None].expand(-1, -1, -1, query.shape[-1])
    attended = F.scaled_dot_product_attention(query.gather(2, chosen), key, value, dropout_p=dropout)
    return value.mean(dim=2, keepdim=True).expand_as(value).scatter(2, chosen, attended)
