"""Teacher families: how a clip is embedded.

Each supported video model has an entry in `FAMILIES` with its class and its pooling. To add one, add an entry. Any
other model for images embeds each frame separately, and the clip embedding is the mean over the frames.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor


def _videomae(model: Any, pixels: Tensor) -> Tensor:
    tokens: Tensor = model(pixel_values=pixels).last_hidden_state
    # `use_mean_pooling` also says whether the model has a final norm, so that another pooling must not change it.
    pooling = getattr(model.config, "comodo_pooling", None)
    mean = model.config.use_mean_pooling if pooling is None else pooling == "mean"
    return tokens.mean(dim=1) if mean else tokens[:, 0]


def _timesformer(model: Any, pixels: Tensor) -> Tensor:
    tokens: Tensor = model(pixel_values=pixels).last_hidden_state
    return tokens.mean(dim=1)  # class token included


def _vjepa2(model: Any, pixels: Tensor) -> Tensor:
    tokens: Tensor = model(pixel_values_videos=pixels, skip_predictor=True).last_hidden_state
    return tokens.mean(dim=1)


def _images(model: Any, pixels: Tensor) -> Tensor:
    return _frame_mean(model, pixels, model(pixel_values=pixels.flatten(0, 1)))


def _siglip2(model: Any, pixels: Tensor) -> Tensor:
    """Embed with SigLIP 2 "naflex", for any resolution. Its input is patches in the order (y, x, channel)."""
    side = model.config.patch_size
    # (B·T, 3, rows, y, columns, x)
    grid = pixels.flatten(0, 1).unflatten(3, (-1, side)).unflatten(2, (-1, side))
    patches = grid.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)
    shapes = torch.tensor([[grid.shape[2], grid.shape[4]]] * len(patches), device=pixels.device)
    mask = torch.ones(patches.shape[:2], dtype=torch.int32, device=pixels.device)
    output = model(pixel_values=patches, pixel_attention_mask=mask, spatial_shapes=shapes)
    return _frame_mean(model, pixels, output)


def _frame_mean(model: Any, pixels: Tensor, output: Any) -> Tensor:
    """Average over frames the pooled output, else the class token, else the mean over tokens."""
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
    """Kind of teacher model.

    Attributes:
        model: name of its class in `transformers`.
        embed: (model, pixels (B, T, 3, S, S)) → embeddings (B, D).
        frames: config key of T. None: each frame is embedded separately, and T is arbitrary.
        step: config key of the number that T must be a multiple of. None: T is fixed.
        size: config key of S. None: S is in the preprocessor file.
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
"""Video model families by the `model_type` of their config. VideoMAE and TimeSformer are pooled as published."""


IMAGE_MODEL = Family("AutoModel", _images)
