"""Image models as teachers: each frame is seen by itself, and the mean over the frames counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from comodo.models.teachers import load_teacher
from tests.support import checkpoints


def dinov2(model: Any, frame: NDArray[np.uint8]) -> Tensor:
    tokens = model(checkpoints.by_hand(frame[None], checkpoints.IMAGENET)).last_hidden_state
    return tokens[0, 0]  # class token, normalised


def attention_head(model: Any, frame: NDArray[np.uint8]) -> Tensor:
    tower = model.vision_model
    tokens = tower(checkpoints.by_hand(frame[None], checkpoints.HALF)).last_hidden_state
    return tower.head(tokens)[0]


def naflex(model: Any, frame: NDArray[np.uint8]) -> Tensor:
    from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil

    processor = Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16)
    return model.vision_model(**processor(images=[frame], return_tensors="pt")).pooler_output[0]


def clip(model: Any, frame: NDArray[np.uint8]) -> Tensor:
    tokens = model.vision_model(checkpoints.by_hand(frame[None], checkpoints.HALF)).last_hidden_state
    return model.vision_model.post_layernorm(tokens[0, 0])


IMAGE_MODELS = {
    "dinov2": (checkpoints.write_dinov2, dinov2),
    "siglip": (checkpoints.write_siglip, attention_head),
    "siglip2": (checkpoints.write_siglip2, naflex),
    "clip": (checkpoints.write_clip, clip),
}


@pytest.mark.parametrize("kind", IMAGE_MODELS)
@pytest.mark.parametrize("n_frames", [None, 3])
def test_an_image_model_sees_each_frame_and_the_mean_counts(
    tmp_path: Path, kind: str, n_frames: int | None
) -> None:
    write, embed = IMAGE_MODELS[kind]
    model = write(tmp_path)
    teacher = load_teacher(tmp_path, n_frames=n_frames)
    assert (teacher.n_frames, teacher.dim, teacher.image_size) == (n_frames or 8, 24, 32)
    assert teacher.identity["family"] == kind
    assert teacher.identity["n_frames"] == teacher.n_frames
    frames = checkpoints.some_frames(3, teacher.n_frames)
    with torch.no_grad():
        expected = torch.stack(
            [torch.stack([embed(model, frame) for frame in frames_of]).mean(0) for frames_of in frames]
        )
    assert (
        expected[0] - expected[1]
    ).abs().max() > 0.01  # a test that no frame matters to would tell nothing
    embedding = teacher.encode(teacher.normalise(frames))
    torch.testing.assert_close(embedding, expected, rtol=1e-4, atol=1e-4)


def test_an_image_classifier_s_checkpoint_without_a_pooler_gives_its_class_token(tmp_path: Path) -> None:
    from transformers import ViTConfig, ViTForImageClassification

    processor = {**checkpoints.HALF, "size": 32}  # a plain number, as in old files
    model = checkpoints.write_checkpoint(
        tmp_path, ViTForImageClassification(ViTConfig(**checkpoints.TOWER)), processor
    )
    pixels = torch.randn(2, 8, 3, 32, 32)
    with torch.no_grad():
        tokens = model.vit(pixels.flatten(0, 1)).last_hidden_state
    expected = tokens[:, 0].reshape(2, 8, 24).mean(dim=1)
    torch.testing.assert_close(load_teacher(tmp_path).encode(pixels), expected)


def test_an_image_model_without_class_token_gives_the_mean_of_its_tokens(tmp_path: Path) -> None:
    from transformers import IJepaConfig, IJepaModel, SegformerConfig, SegformerModel

    pixels = torch.randn(1, 2, 3, 32, 32)
    processor = {**checkpoints.HALF, "size": checkpoints.SIZE}
    jepa = checkpoints.write_checkpoint(
        tmp_path / "ijepa", IJepaModel(IJepaConfig(**checkpoints.TOWER)), processor
    )
    small = {"depths": [1] * 4, "hidden_sizes": [8, 8, 8, 16], "num_attention_heads": [1] * 4}
    segformer = checkpoints.write_checkpoint(
        tmp_path / "map", SegformerModel(SegformerConfig(**small)), processor
    )
    with torch.no_grad():
        tokens = jepa(pixels[0]).last_hidden_state.mean(dim=(0, 1))
        pixel_map = segformer(pixels[0]).last_hidden_state.mean(dim=(0, 2, 3))
    embedding = load_teacher(tmp_path / "ijepa", n_frames=2).encode(pixels)
    torch.testing.assert_close(embedding[0], tokens)
    torch.testing.assert_close(load_teacher(tmp_path / "map", n_frames=2).encode(pixels)[0], pixel_map)


def test_a_convolutional_model_s_pooled_map_is_its_embedding(tmp_path: Path) -> None:
    from transformers import ResNetConfig, ResNetModel

    small = {"depths": [1] * 2, "hidden_sizes": [8, 16], "embedding_size": 8, "layer_type": "basic"}
    model = checkpoints.write_checkpoint(
        tmp_path, ResNetModel(ResNetConfig(**small)), {**checkpoints.HALF, "size": {"shortest_edge": 32}}
    )
    pixels = torch.randn(1, 8, 3, 32, 32)
    with torch.no_grad():
        expected = model(pixels[0]).pooler_output.mean(dim=(0, 2, 3))
    teacher = load_teacher(tmp_path)
    assert teacher.dim == 16
    torch.testing.assert_close(teacher.encode(pixels)[0], expected)


def test_a_model_that_hides_patches_by_chance_is_refused(tmp_path: Path) -> None:
    from transformers import ViTMAEConfig, ViTMAEModel

    config = ViTMAEConfig(**checkpoints.TOWER)
    checkpoints.write_checkpoint(
        tmp_path, ViTMAEModel(config), {**checkpoints.HALF, "size": checkpoints.SIZE}
    )
    with pytest.raises(ValueError, match=r"a 'vit_mae' model embeds the same frame differently each time"):
        load_teacher(tmp_path)
