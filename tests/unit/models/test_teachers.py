"""Teachers: preprocessing, embeddings that depend on the clip alone, identity, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from comodo.models.teachers import load_teacher
from tests.support.checkpoints import copy_of, write_dinov2


def edit(file: Path, **changes: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_normalise_is_scale_then_mean_and_std(tmp_path: Path, golden: Path) -> None:
    folder = copy_of(golden, "videomae-tiny", tmp_path / "teacher")
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


def test_a_checkpoint_of_half_precision_computes_in_float32(tmp_path: Path) -> None:
    model = write_dinov2(tmp_path)
    model.bfloat16().save_pretrained(tmp_path)
    pixels = torch.randn(1, 8, 3, 32, 32)
    with torch.no_grad():
        expected = model.float()(pixels[0]).pooler_output.mean(0)
    torch.testing.assert_close(load_teacher(tmp_path).encode(pixels)[0], expected)


def test_identity_is_plain_and_follows_the_weights(golden: Path, tmp_path: Path) -> None:
    folder = copy_of(golden, "videomae-tiny", tmp_path / "teacher")
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
    with pytest.raises(ValueError, match=r"requires \(B, 8, 3, H, W\)"):
        load_teacher(golden / "ckpt" / "timesformer-tiny").encode(torch.zeros(1, 16, 3, 32, 32))


def test_unknown_family(golden: Path, tmp_path: Path) -> None:
    folder = copy_of(golden, "videomae-tiny", tmp_path / "teacher")
    edit(folder / "config.json", model_type="bert")
    with pytest.raises(
        ValueError, match=r"'bert' model; .*timesformer, videomae, vjepa2\) or an image model"
    ):
        load_teacher(folder)


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere.*no config could be read"):
        load_teacher(tmp_path / "nowhere")


def test_no_preprocessor_config(golden: Path, tmp_path: Path) -> None:
    folder = copy_of(golden, "videomae-tiny", tmp_path / "teacher")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(ValueError, match=r"preprocessor_config.json with image_mean and image_std is needed"):
        load_teacher(folder)
    (folder / "preprocessor_config.json").write_text('{"image_mean": [0, 0, 0]}')
    with pytest.raises(ValueError, match=r"is needed: preprocessor_config.json lacks them"):
        load_teacher(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"do_normalize": False}, "do_normalize: False is not supported, only True"),
        ({"rescale_factor": 1 / 127.5}, "rescale_factor: .* is not supported"),
        ({"do_flip_channel_order": True}, "do_flip_channel_order: True is not supported"),
        ({"do_center_crop": False, "size": {"longest_edge": 32}}, "size: no side of the frames"),
        ({"crop_size": {"height": 4}}, "'dinov2' model does not embed frames of 4 pixels"),
    ],
)
def test_preprocessing_that_a_teacher_does_not_do_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    write_dinov2(tmp_path)
    edit(tmp_path / "preprocessor_config.json", **changes)
    with pytest.raises(ValueError, match=message):
        load_teacher(tmp_path)


def test_missing_weights_are_not_left_random(golden: Path, tmp_path: Path) -> None:
    folder = copy_of(golden, "timesformer-tiny", tmp_path / "teacher")
    weights = load_file(folder / "model.safetensors")
    del weights["embeddings.time_embeddings"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"1 weights are missing.*time_embeddings"):
        load_teacher(folder)


def test_broken_weights(golden: Path, tmp_path: Path) -> None:
    folder = copy_of(golden, "videomae-tiny", tmp_path / "teacher")
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ValueError, match="the weights cannot be loaded"):
        load_teacher(folder)
