"""Teachers: published embeddings, preprocessing, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from tests.support import checkpoints
from torch import Tensor

from comodo.models.teachers import load_teacher

FAMILIES = {"videomae": 16, "timesformer": 8}


def copy_of(golden: Path, tmp_path: Path, family: str = "videomae") -> Path:
    return Path(shutil.copytree(golden / "ckpt" / f"{family}-tiny", tmp_path / "teacher"))


def edit(file: Path, **changes: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize("family", FAMILIES)
def test_published_embeddings(golden: Path, family: str) -> None:
    numbers = np.load(golden / "models.npz")
    teacher = load_teacher(golden / "ckpt" / f"{family}-tiny")
    pooled = teacher.encode(torch.from_numpy(numbers[f"{family}_pixels"]))
    assert (teacher.n_frames, teacher.dim, teacher.image_size) == (FAMILIES[family], 32, 32)
    assert pooled.shape == (3, 32)
    np.testing.assert_allclose(F.normalize(pooled, dim=1), numbers[f"{family}_embedding"], atol=1e-6)
    assert not torch.allclose(pooled.norm(dim=1), torch.ones(3), atol=1e-2)  # as it leaves the encoder


def test_videomae_without_mean_pooling_gives_token_0(tmp_path: Path, golden: Path) -> None:
    from transformers import VideoMAEConfig, VideoMAEModel

    folder = copy_of(golden, tmp_path)
    config = VideoMAEConfig.from_pretrained(folder, use_mean_pooling=False)
    torch.manual_seed(0)
    model = VideoMAEModel(config).eval()
    model.save_pretrained(folder)
    pixels = torch.randn(2, 16, 3, 32, 32)
    with torch.no_grad():
        expected = model(pixels).last_hidden_state[:, 0]
    torch.testing.assert_close(load_teacher(folder).encode(pixels), expected)


def test_a_classifier_s_checkpoint_serves_as_its_encoder(tmp_path: Path, golden: Path) -> None:
    from transformers import VideoMAEConfig, VideoMAEForVideoClassification

    folder = copy_of(golden, tmp_path)
    torch.manual_seed(0)
    model = VideoMAEForVideoClassification(VideoMAEConfig.from_pretrained(folder)).eval()
    model.save_pretrained(folder)
    pixels = torch.randn(2, 16, 3, 32, 32)
    with torch.no_grad():
        # the classifier's own norm takes no part
        expected = model.videomae(pixels).last_hidden_state.mean(dim=1)
    torch.testing.assert_close(load_teacher(folder).encode(pixels), expected)


def test_normalise_is_scale_then_mean_and_std(tmp_path: Path, golden: Path) -> None:
    folder = copy_of(golden, tmp_path)
    edit(folder / "preprocessor_config.json", image_mean=[0.1, 0.2, 0.3], image_std=[0.5, 0.25, 2.0])
    frames = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32, 3), dtype=np.uint8)
    pixels = load_teacher(folder).normalise(frames)
    expected = (frames / 255 - [0.1, 0.2, 0.3]) / [0.5, 0.25, 2.0]
    assert pixels.dtype == torch.float32
    assert pixels.shape == (2, 3, 3, 32, 32)
    np.testing.assert_allclose(pixels, expected.transpose(0, 1, 4, 2, 3), atol=1e-6)


@pytest.mark.parametrize("size", [(64, 64), (20, 48)])
def test_other_sizes_are_resized_after_normalising(golden: Path, size: tuple[int, int]) -> None:
    teacher = load_teacher(golden / "ckpt" / "videomae-tiny")
    frames = np.random.default_rng(0).integers(0, 256, (2, 3, *size, 3), dtype=np.uint8)
    pixels = teacher.normalise(frames)
    planes = torch.from_numpy((frames / 255 - 0.5) / 0.5).float().permute(0, 1, 4, 2, 3).reshape(6, 3, *size)
    expected = F.interpolate(planes, (32, 32), mode="bilinear", antialias=True)
    torch.testing.assert_close(pixels, expected.reshape(2, 3, 3, 32, 32))


def test_a_teacher_is_frozen_and_its_embeddings_are_ordinary_tensors(golden: Path) -> None:
    teacher = load_teacher(golden / "ckpt" / "timesformer-tiny")
    pixels = torch.randn(2, 8, 3, 32, 32)
    first, second = teacher.encode(pixels), teacher.encode(pixels)
    assert torch.equal(first, second)
    assert not first.requires_grad
    weight = torch.ones(32, requires_grad=True)
    (first * weight).sum().backward()  # an inference tensor would refuse
    assert weight.grad is not None


def test_encoding_a_clip_does_not_depend_on_its_batch(golden: Path) -> None:
    teacher = load_teacher(golden / "ckpt" / "videomae-tiny")
    pixels = torch.randn(3, 16, 3, 32, 32)
    torch.testing.assert_close(teacher.encode(pixels)[1:2], teacher.encode(pixels[1:2]))


def test_bfloat16_embeds_nearly_alike_and_is_told_apart(golden: Path) -> None:
    folder = golden / "ckpt" / "videomae-tiny"
    exact, fast = load_teacher(folder), load_teacher(folder, precision="bfloat16")
    pixels = torch.randn(4, 16, 3, 32, 32)
    first, second = exact.encode(pixels), fast.encode(pixels)
    assert second.dtype == torch.float32
    assert not torch.equal(first, second)
    assert F.cosine_similarity(first, second).min() > 0.999
    assert fast.identity == {**exact.identity, "precision": "bfloat16"}


def test_identity_is_plain_and_follows_the_weights(golden: Path, tmp_path: Path) -> None:
    folder = copy_of(golden, tmp_path)
    first = load_teacher(folder).identity
    assert json.loads(json.dumps(first)) == first
    assert first["family"] == "videomae"
    assert first["preprocessing"]["image_size"] == 32
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.patch_embeddings.projection.bias"] += 1
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    second = load_teacher(folder).identity
    assert second["weights"] != first["weights"]
    assert {**second, "weights": ""} == {**first, "weights": ""}
    assert set(first) == {"model", "family", "version", "weights", "preprocessing"}


def test_wrong_number_of_frames(golden: Path) -> None:
    with pytest.raises(ValueError, match=r"takes \(B, 8, 3, H, W\)"):
        load_teacher(golden / "ckpt" / "timesformer-tiny").encode(torch.zeros(1, 16, 3, 32, 32))


def test_unknown_family(golden: Path, tmp_path: Path) -> None:
    folder = copy_of(golden, tmp_path)
    edit(folder / "config.json", model_type="bert")
    with pytest.raises(
        ValueError, match=r"'bert' model; .*timesformer, videomae, vjepa2\) or an image model"
    ):
        load_teacher(folder)


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere.*no config could be read"):
        load_teacher(tmp_path / "nowhere")


def test_no_preprocessor_config(golden: Path, tmp_path: Path) -> None:
    folder = copy_of(golden, tmp_path)
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(ValueError, match=r"preprocessor_config.json with image_mean and image_std is needed"):
        load_teacher(folder)
    (folder / "preprocessor_config.json").write_text('{"image_mean": [0, 0, 0]}')
    with pytest.raises(ValueError, match=r"is needed: preprocessor_config.json lacks them"):
        load_teacher(folder)


def test_missing_weights_are_not_left_random(golden: Path, tmp_path: Path) -> None:
    folder = copy_of(golden, tmp_path, "timesformer")
    weights = load_file(folder / "model.safetensors")
    del weights["embeddings.time_embeddings"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"1 weights are missing.*time_embeddings"):
        load_teacher(folder)


def test_broken_weights(golden: Path, tmp_path: Path) -> None:
    folder = copy_of(golden, tmp_path)
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ValueError, match="the weights cannot be loaded"):
        load_teacher(folder)


def some_frames(n_clips: int, n_frames: int, size: int = 32) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (n_clips, n_frames, size, size, 3), dtype=np.uint8)


def by_hand(frames: NDArray[np.uint8], mean: list[float], std: list[float]) -> Tensor:
    """Frames (…, S, S, 3) of the model's own size as pixels (…, 3, S, S)."""
    return torch.from_numpy(np.moveaxis((frames / 255 - mean) / std, -1, -3)).float()


@pytest.mark.parametrize("file", ["video_preprocessor_config.json", "preprocessor_config.json"])
def test_vjepa2_is_the_mean_of_its_encoder_s_tokens(
    tmp_path: Path, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers.models.vjepa2.modeling_vjepa2 import VJEPA2Predictor

    model = checkpoints.write_vjepa2(tmp_path, file)
    frames = some_frames(2, 8)
    with torch.no_grad():
        expected = model.encoder(by_hand(frames, **mean_and_std(checkpoints.IMAGENET))).last_hidden_state
    assert expected.shape == (2, 4 * 16, 24)  # pairs of frames × patches
    monkeypatch.delattr(VJEPA2Predictor, "forward")  # costs time and is of no use here
    teacher = load_teacher(tmp_path)
    assert (teacher.n_frames, teacher.dim, teacher.image_size) == (8, 24, 32)
    torch.testing.assert_close(teacher.encode(teacher.normalise(frames)), expected.mean(dim=1))


def test_vjepa2_takes_any_number_of_whole_tubelets(tmp_path: Path) -> None:
    model = checkpoints.write_vjepa2(tmp_path)
    pixels = torch.randn(2, 6, 3, 32, 32)
    teacher = load_teacher(tmp_path, n_frames=6)
    with torch.no_grad():
        expected = model.get_vision_features(pixels).mean(dim=1)
    torch.testing.assert_close(teacher.encode(pixels), expected)
    assert (teacher.n_frames, teacher.identity["n_frames"]) == (6, 6)
    assert load_teacher(tmp_path).identity["n_frames"] == 8
    with pytest.raises(ValueError, match=r"n_frames: 7 is no multiple of 2"):
        load_teacher(tmp_path, n_frames=7)


def mean_and_std(processor: dict[str, Any]) -> dict[str, Any]:
    return {"mean": processor["image_mean"], "std": processor["image_std"]}


def dinov2(model: Any, frame: NDArray[np.uint8]) -> Tensor:
    tokens = model(by_hand(frame[None], **mean_and_std(checkpoints.IMAGENET))).last_hidden_state
    return tokens[0, 0]  # class token, normalised


def attention_head(model: Any, frame: NDArray[np.uint8]) -> Tensor:
    tower = model.vision_model
    tokens = tower(by_hand(frame[None], **mean_and_std(checkpoints.HALF))).last_hidden_state
    return tower.head(tokens)[0]


def naflex(model: Any, frame: NDArray[np.uint8]) -> Tensor:
    from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil

    processor = Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16)
    return model.vision_model(**processor(images=[frame], return_tensors="pt")).pooler_output[0]


def clip(model: Any, frame: NDArray[np.uint8]) -> Tensor:
    tokens = model.vision_model(by_hand(frame[None], **mean_and_std(checkpoints.HALF))).last_hidden_state
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
    frames = some_frames(3, teacher.n_frames)
    with torch.no_grad():
        expected = torch.stack(
            [torch.stack([embed(model, frame) for frame in frames_of]).mean(0) for frames_of in frames]
        )
    assert (
        expected[0] - expected[1]
    ).abs().max() > 0.01  # a test that no frame matters to would tell nothing
    embedding = teacher.encode(teacher.normalise(frames))
    torch.testing.assert_close(embedding, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "write", [checkpoints.write_vjepa2, checkpoints.write_dinov2, checkpoints.write_siglip]
)
def test_attention_is_fused_where_the_family_has_it(tmp_path: Path, write: Callable[[Path], Any]) -> None:
    write(tmp_path)
    assert load_teacher(tmp_path)._model.config._attn_implementation == "sdpa"


def test_a_checkpoint_of_half_precision_computes_in_float32(tmp_path: Path) -> None:
    model = checkpoints.write_dinov2(tmp_path)
    model.bfloat16().save_pretrained(tmp_path)
    pixels = torch.randn(1, 8, 3, 32, 32)
    with torch.no_grad():
        expected = model.float()(pixels[0]).pooler_output.mean(0)
    torch.testing.assert_close(load_teacher(tmp_path).encode(pixels)[0], expected)


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


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_of_a_fixed_number_of_frames_takes_no_other(golden: Path, family: str) -> None:
    folder, own = golden / "ckpt" / f"{family}-tiny", FAMILIES[family]
    assert load_teacher(folder, n_frames=own).identity == load_teacher(folder).identity
    with pytest.raises(
        ValueError, match=rf"n_frames: this '{family}' model takes {own} frames, not 4: leave"
    ):
        load_teacher(folder, n_frames=4)


def test_other_video_models_are_no_image_models(tmp_path: Path) -> None:
    from transformers import VivitConfig, VivitModel

    config = VivitConfig(**checkpoints.TOWER, num_frames=4, tubelet_size=[2, 8, 8])
    checkpoints.write_checkpoint(tmp_path, VivitModel(config), {**checkpoints.HALF, "size": checkpoints.SIZE})
    with pytest.raises(ValueError, match=r"a 'vivit' model does not embed frames of 32 pixels"):
        load_teacher(tmp_path)


def test_a_model_that_hides_patches_by_chance_is_refused(tmp_path: Path) -> None:
    from transformers import ViTMAEConfig, ViTMAEModel

    config = ViTMAEConfig(**checkpoints.TOWER)
    checkpoints.write_checkpoint(
        tmp_path, ViTMAEModel(config), {**checkpoints.HALF, "size": checkpoints.SIZE}
    )
    with pytest.raises(ValueError, match=r"a 'vit_mae' model embeds the same frame differently each time"):
        load_teacher(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"do_normalize": False}, "do_normalize: False is not supported, only True"),
        ({"rescale_factor": 1 / 127.5}, "rescale_factor: .* is not supported"),
        ({"do_flip_channel_order": True}, "do_flip_channel_order: True is not supported"),
        ({"do_center_crop": False, "size": {"longest_edge": 32}}, "size: says no side"),
        ({"crop_size": {"height": 4}}, "'dinov2' model does not embed frames of 4 pixels"),
    ],
)
def test_preprocessing_that_a_teacher_does_not_do_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    checkpoints.write_dinov2(tmp_path)
    edit(tmp_path / "preprocessor_config.json", **changes)
    with pytest.raises(ValueError, match=message):
        load_teacher(tmp_path)
