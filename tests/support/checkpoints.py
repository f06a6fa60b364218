"""Tiny checkpoints of random weights, as `transformers` saves and the hub ships them, and frames for tests."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import (
    CLIPConfig,
    CLIPModel,
    Dinov2Config,
    Dinov2Model,
    PreTrainedModel,
    Siglip2Config,
    Siglip2Model,
    SiglipConfig,
    SiglipModel,
    VJEPA2Config,
    VJEPA2Model,
)

SIDE, PATCH = 32, 8
VIT = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "patch_size": PATCH,
}
TOWER = {**VIT, "image_size": SIDE}
TEXT = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "vocab_size": 16,
    "max_position_embeddings": 4,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 2,
}
SIZE = {"height": SIDE, "width": SIDE}
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
HALF = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
RESCALE = {"do_resize": True, "do_rescale": True, "do_normalize": True, "rescale_factor": 0.00392156862745098}


def copy_of(golden: Path, name: str, folder: Path) -> Path:
    """Copy a tiny checkpoint of the published figures to `folder`, to be changed there; return `folder`."""
    return Path(shutil.copytree(golden / "ckpt" / name, folder))


def write_checkpoint(
    folder: Path, model: PreTrainedModel, processor: dict[str, Any], file: str = "preprocessor_config.json"
) -> Any:
    """Save a model, its weights drawn anew (wide, so that every input tells), with a preprocessor file; the model."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            width = 0.3 if parameter.ndim > 1 else 1.0
            parameter.copy_(width * torch.randn(parameter.shape, generator=generator))
    model.save_pretrained(folder)
    (folder / file).write_text(json.dumps({**RESCALE, **processor}))
    return model.eval()


def write_vjepa2(folder: Path, file: str = "video_preprocessor_config.json") -> Any:
    """V-JEPA 2 of 8 frames in pairs."""
    predictor = {
        "pred_hidden_size": 24,
        "pred_num_attention_heads": 2,
        "pred_num_hidden_layers": 1,
    }
    config = VJEPA2Config(**VIT, **predictor, crop_size=SIDE, frames_per_clip=8)
    resize = {"size": {"shortest_edge": SIDE * 256 // 224}, "do_center_crop": True, "crop_size": SIZE}
    return write_checkpoint(folder, VJEPA2Model(config), {**IMAGENET, **resize}, file)


def write_dinov2(folder: Path) -> Any:
    """DINOv2, trained on larger images than its preprocessor makes, as published."""
    config = Dinov2Config(**VIT, image_size=7 * PATCH, mlp_ratio=2)
    resize = {"size": {"shortest_edge": SIDE * 256 // 224}, "do_center_crop": True, "crop_size": SIZE}
    return write_checkpoint(folder, Dinov2Model(config), {**IMAGENET, **resize})


def write_siglip(folder: Path) -> Any:
    """SigLIP of images and text (SigLIP 2 of a fixed resolution is the same)."""
    config = SiglipConfig(vision_config=TOWER, text_config=TEXT)
    return write_checkpoint(folder, SiglipModel(config), {**HALF, "size": SIZE})


def write_siglip2(folder: Path) -> Any:
    """SigLIP 2 of any resolution."""
    patches = (SIDE // PATCH) ** 2
    config = Siglip2Config(vision_config={**VIT, "num_patches": patches}, text_config=TEXT)
    processor = {**HALF, "max_num_patches": patches, "patch_size": PATCH}
    return write_checkpoint(folder, Siglip2Model(config), processor)


def write_clip(folder: Path) -> Any:
    """CLIP of images and text."""
    config = CLIPConfig(vision_config=TOWER, text_config=TEXT, projection_dim=8)
    resize = {"size": {"shortest_edge": SIDE}, "do_center_crop": True, "crop_size": SIZE}
    return write_checkpoint(folder, CLIPModel(config), {**HALF, **resize})


def some_frames(n_clips: int, n_frames: int) -> NDArray[np.uint8]:
    """Draw clips of random frames of the models' own size."""
    return np.random.default_rng(0).integers(0, 256, (n_clips, n_frames, SIDE, SIDE, 3), dtype=np.uint8)


def by_hand(frames: NDArray[np.uint8], processor: dict[str, Any]) -> Tensor:
    """Normalise frames (…, S, S, 3) of the model's own size as a preprocessor file says: pixels (…, 3, S, S)."""
    pixels = (frames / 255 - processor["image_mean"]) / processor["image_std"]
    return torch.from_numpy(np.moveaxis(pixels, -1, -3)).float()
