"""Families of teachers: how a clip becomes one embedding.

A video model is of one of the `FAMILIES`; a new one is one entry: its class, and how a clip becomes one embedding.
Any other model that takes images embeds each frame separately, and the embedding is the mean over the frames.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor


def _videomae(model: Any, pixels: Tensor) -> Tensor:
    tokens: Tensor = model(pixel_values=pixels).last_hidden_state
    return tokens.mean(dim=1) if model.config.use_mean_pooling else tokens[:, 0]


def _timesformer(model: Any, pixels: Tensor) -> Tensor:
    tokens: Tensor = model(pixel_values=pixels).last_hidden_state
    return tokens.mean(dim=1)  # class token included


def _vjepa2(model: Any, pixels: Tensor) -> Tensor:
    tokens: Tensor = model(pixel_values_videos=pixels, skip_predictor=True).last_hidden_state
    return tokens.mean(dim=1)


def _images(model: Any, pixels: Tensor) -> Tensor:
    return _frame_mean(model, pixels, model(pixel_values=pixels.flatten(0, 1)))


def _siglip2(model: Any, pixels: Tensor) -> Tensor:
    """SigLIP 2 of any resolution ("naflex") wants the patches themselves, (y, x, channel) inside each."""
    side = model.config.patch_size
    # (B·T, 3, rows, y, columns, x)
    grid = pixels.flatten(0, 1).unflatten(3, (-1, side)).unflatten(2, (-1, side))
    patches = grid.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)
    shapes = torch.tensor([[grid.shape[2], grid.shape[4]]] * len(patches), device=pixels.device)
    mask = torch.ones(patches.shape[:2], dtype=torch.int32, device=pixels.device)
    output = model(pixel_values=patches, pixel_attention_mask=mask, spatial_shapes=shapes)
    return _frame_mean(model, pixels, output)


def _frame_mean(model: Any, pixels: Tensor, output: Any) -> Tensor:
    """Mean over frames of the model's pooled output, else of its class token, else of the mean over tokens."""
    pooled = output.get("pooler_output")
    if pooled is None:
        tokens = output.last_hidden_state
        if tokens.ndim == 4:  # a convolutional map (·, D, rows, columns)
            tokens = tokens.flatten(2).mT
        names = (name for name, _ in model.named_parameters())
        has_class = any(name.endswith(("cls_token", "class_embedding")) for name in names)
        pooled = tokens[:, 0] if has_class else tokens.mean(dim=1)
    frames: Tensor = pooled.flatten(1).unflatten(0, pixels.shape[:2])
    return frames.mean(dim=1)


class Family(NamedTuple):
    """A kind of model.

    Attributes:
        model: its class in `transformers`.
        embed: (model, pixels (B, T, 3, S, S)) → embeddings (B, D).
        frames: key of its config that says T; None: each frame is embedded separately, so T is free.
        step: key of its config that other T must be multiples of; None: T is fixed.
        size: key of its config that says S; None: the preprocessor file says it.
    """

    model: str
    embed: Callable[[Any, Tensor], Tensor]
    frames: str | None = None
    step: str | None = None
    size: str | None = None


FAMILIES = {
    "videomae": Family("VideoMAEModel", _videomae, "num_frames", None, "image_size"),
    "timesformer": Family("TimesformerModel", _timesformer, "num_frames", None, "image_size"),
    "vjepa2": Family("VJEPA2Model", _vjepa2, "frames_per_clip", "tubelet_size", "crop_size"),
    "siglip2_vision_model": Family("Siglip2VisionModel", _siglip2),
}
"""Known families by the `model_type` of their config; VideoMAE and TimeSformer pool as published."""


IMAGE_MODEL = Family("AutoModel", _images)
