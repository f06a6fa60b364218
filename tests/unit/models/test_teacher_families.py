"""Families of teachers: how each video model pools its clip, and how many frames it takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from comodo.models.teachers import load_teacher
from tests.support import checkpoints

FAMILIES = {"videomae": 16, "timesformer": 8}


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

    folder = checkpoints.copy_of(golden, "videomae-tiny", tmp_path / "teacher")
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

    folder = checkpoints.copy_of(golden, "videomae-tiny", tmp_path / "teacher")
    torch.manual_seed(0)
    model = VideoMAEForVideoClassification(VideoMAEConfig.from_pretrained(folder)).eval()
    model.save_pretrained(folder)
    pixels = torch.randn(2, 16, 3, 32, 32)
    with torch.no_grad():
        # the classifier's own norm takes no part
        expected = model.videomae(pixels).last_hidden_state.mean(dim=1)
    torch.testing.assert_close(load_teacher(folder).encode(pixels), expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_of_a_fixed_number_of_frames_takes_no_other(golden: Path, family: str) -> None:
    folder, own = golden / "ckpt" / f"{family}-tiny", FAMILIES[family]
    assert load_teacher(folder, n_frames=own).identity == load_teacher(folder).identity
    with pytest.raises(
        ValueError, match=rf"n_frames: this '{family}' model requires {own} frames, not 4: leave"
    ):
        load_teacher(folder, n_frames=4)


@pytest.mark.parametrize("file", ["video_preprocessor_config.json", "preprocessor_config.json"])
def test_vjepa2_is_the_mean_of_its_encoder_s_tokens(
    tmp_path: Path, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers.models.vjepa2.modeling_vjepa2 import VJEPA2Predictor

    model = checkpoints.write_vjepa2(tmp_path, file)
    frames = checkpoints.some_frames(2, 8)
    with torch.no_grad():
        expected = model.encoder(checkpoints.by_hand(frames, checkpoints.IMAGENET)).last_hidden_state
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
    with pytest.raises(ValueError, match=r"n_frames: 7 is not a multiple of 2"):
        load_teacher(tmp_path, n_frames=7)


@pytest.mark.parametrize(
    "write", [checkpoints.write_vjepa2, checkpoints.write_dinov2, checkpoints.write_siglip]
)
def test_attention_is_fused_where_the_family_has_it(tmp_path: Path, write: Callable[[Path], Any]) -> None:
    write(tmp_path)
    assert load_teacher(tmp_path)._model.config._attn_implementation == "sdpa"


def test_other_video_models_are_no_image_models(tmp_path: Path) -> None:
    from transformers import VivitConfig, VivitModel

    config = VivitConfig(**checkpoints.TOWER, num_frames=4, tubelet_size=[2, 8, 8])
    checkpoints.write_checkpoint(tmp_path, VivitModel(config), {**checkpoints.HALF, "size": checkpoints.SIZE})
    with pytest.raises(ValueError, match=r"a 'vivit' model does not embed frames of 32 pixels"):
        load_teacher(tmp_path)
