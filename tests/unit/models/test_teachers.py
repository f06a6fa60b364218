"""Teachers: published embeddings, preprocessing, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from comodo.models import load_teacher

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
        expected = model.videomae(pixels).last_hidden_state.mean(
            dim=1
        )  # the classifier's own norm takes no part
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


def test_wrong_number_of_frames(golden: Path) -> None:
    with pytest.raises(ValueError, match=r"takes \(B, 8, 3, H, W\)"):
        load_teacher(golden / "ckpt" / "timesformer-tiny").encode(torch.zeros(1, 16, 3, 32, 32))


def test_unknown_family(golden: Path, tmp_path: Path) -> None:
    folder = copy_of(golden, tmp_path)
    edit(folder / "config.json", model_type="bert")
    with pytest.raises(ValueError, match="'bert' model; known are timesformer, videomae"):
        load_teacher(folder)


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere.*no config could be read"):
        load_teacher(tmp_path / "nowhere")


def test_no_preprocessor_config(golden: Path, tmp_path: Path) -> None:
    folder = copy_of(golden, tmp_path)
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(ValueError, match=r"preprocessor_config.json with image_mean and image_std is needed"):
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
