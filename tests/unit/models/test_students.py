"""Students: published embeddings and collation, saving, fresh weights, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from comodo.models import load_student, new_student, save_student

MANTIS, MOMENT = "paris-noah-Mantis-tiny", "AutonLab-MOMENT-tiny"
T5 = {"d_model": 16, "d_ff": 32, "d_kv": 8, "num_heads": 2, "num_layers": 1, "vocab_size": 8}
FRESH: dict[str, dict[str, Any]] = {
    "mantis": {
        "seq_len": 64, "hidden_dim": 16, "num_patches": 8, "hidden_dim_scalar_enc": 4,
        "transf_depth": 1, "transf_num_heads": 2, "transf_mlp_dim": 16, "transf_dim_head": 8,
    },
    "moment": {"t5_config": {**T5, "feed_forward_proj": "gated-gelu"}},
}  # fmt: skip


@pytest.fixture(scope="module")
def numbers(golden: Path) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(value) for name, value in np.load(golden / "models.npz").items()}


@pytest.mark.parametrize("length", [512, 1000])
def test_published_mantis(golden: Path, numbers: dict[str, torch.Tensor], length: int) -> None:
    student = load_student(golden / "ckpt" / MANTIS)
    assert student.dim == 192
    with torch.no_grad():
        features = student(numbers[f"imu_{length}"])
    np.testing.assert_allclose(features, numbers[f"mantis_{length}"], atol=1e-5)


@pytest.mark.parametrize("reduction", ["concat", "mean"])
def test_published_moment(golden: Path, numbers: dict[str, torch.Tensor], reduction: str) -> None:
    student = load_student(golden / "ckpt" / MOMENT, reduction)
    assert student.dim == (192 if reduction == "concat" else 32)
    with torch.no_grad():
        whole = student(numbers["imu_1000"])
        masked = student(numbers["imu_512"], numbers["mask_512"])
        unmasked = student(numbers["imu_512"])
    np.testing.assert_allclose(whole, numbers[f"moment_{reduction}_1000"], atol=1e-5)
    np.testing.assert_allclose(masked, numbers[f"moment_{reduction}_512_masked"], atol=1e-5)
    assert not torch.allclose(masked, unmasked, atol=1e-2)


def test_mantis_channels_at_once_are_the_bits_of_one_by_one(
    golden: Path, numbers: dict[str, torch.Tensor]
) -> None:
    student = load_student(golden / "ckpt" / MANTIS)
    windows = numbers["imu_512"]
    with torch.no_grad():
        loop = torch.cat([student.model(windows[:, [channel]]) for channel in range(6)], dim=1)
        assert torch.equal(student(windows), loop)


def test_mantis_mean_is_over_channels(golden: Path, numbers: dict[str, torch.Tensor]) -> None:
    folder, windows = golden / "ckpt" / MANTIS, numbers["imu_512"]
    with torch.no_grad():
        mean, concat = load_student(folder, "mean")(windows), load_student(folder)(windows)
    torch.testing.assert_close(mean, concat.unflatten(1, (6, 32)).mean(dim=1))


def test_published_collation(golden: Path) -> None:
    collate = np.load(golden / "mmea_collate.npz")
    windows = [collate[f"imu{i}"] for i in range(4)]
    moment, mantis = load_student(golden / "ckpt" / MOMENT), load_student(golden / "ckpt" / MANTIS)
    for own, prefix in ((windows[:3], "moment"), (windows, "moment4")):
        batch, mask = moment.collate(own)
        assert mask is not None
        np.testing.assert_array_equal(batch, collate[f"{prefix}_imu"])
        np.testing.assert_array_equal(mask, collate[f"{prefix}_mask"])
    batch, mask = mantis.collate(windows)
    assert mask is None
    np.testing.assert_allclose(batch, collate["mantis_imu"], atol=1e-5)


@pytest.mark.parametrize("folder", [MANTIS, MOMENT])
def test_collated_windows_embed_as_published(
    golden: Path, numbers: dict[str, torch.Tensor], folder: str
) -> None:
    student = load_student(golden / "ckpt" / folder)
    batch, mask = student.collate(list(numbers["imu_1000"].numpy()))
    assert mask is None
    expected = numbers["mantis_1000" if folder == MANTIS else "moment_concat_1000"]
    with torch.no_grad():
        np.testing.assert_allclose(student(batch, mask), expected, atol=1e-5)


@pytest.mark.parametrize("reduction", ["concat", "mean"])
@pytest.mark.parametrize("family", FRESH)
def test_saved_and_loaded_to_the_bit(tmp_path: Path, family: str, reduction: str) -> None:
    student = new_student(family, FRESH[family], seed=3, reduction=reduction)
    save_student(student, tmp_path / "student")
    assert {"config.json", "model.safetensors", "comodo.json"} <= {
        f.name for f in (tmp_path / "student").iterdir()
    }
    loaded = load_student(tmp_path / "student")  # the reduction is the saved one, not the default
    assert (loaded.family, loaded.reduction, loaded.dim) == (family, reduction, student.dim)
    windows = torch.randn(3, 6, 512)
    with torch.no_grad():
        assert torch.equal(loaded(windows), student(windows))


@pytest.mark.parametrize("family", FRESH)
def test_a_saved_student_is_the_family_s_own_checkpoint(tmp_path: Path, family: str) -> None:
    from mantis.architecture import Mantis8M
    from momentfm import MOMENTPipeline

    student = new_student(family, FRESH[family], seed=3)
    save_student(student, tmp_path / "student")
    library = {"mantis": Mantis8M, "moment": MOMENTPipeline}[family]
    theirs = library.from_pretrained(tmp_path / "student", strict=True).state_dict()
    mine = student.model.state_dict()
    assert theirs.keys() == mine.keys()
    assert all(torch.equal(theirs[name], mine[name]) for name in mine)


@pytest.mark.parametrize("family", FRESH)
def test_fresh_weights_depend_on_the_seed_only(family: str) -> None:
    state = torch.get_rng_state()
    first = new_student(family, FRESH[family], seed=1).state_dict()
    torch.manual_seed(7)
    again = new_student(family, FRESH[family], seed=1).state_dict()
    other = new_student(family, FRESH[family], seed=2).state_dict()
    torch.set_rng_state(state)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)
    new_student(family, FRESH[family], seed=1)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("family", FRESH)
def test_embedder_and_encoder_learn(family: str) -> None:
    student = new_student(family, FRESH[family], seed=1).train()
    student(torch.randn(4, 6, 512)).square().sum().backward()
    parts = {
        "mantis": ("model.tokgen_unit.", "model.vit_unit."),
        "moment": ("model.patch_embedding.", "model.encoder.b"),
    }
    for part in parts[family]:
        own = [p for name, p in student.named_parameters() if name.startswith(part)]
        assert own
        assert all(p.requires_grad for p in own)
        assert any(p.grad is not None and p.grad.abs().max() > 0 for p in own)


def test_gradient_checkpointing_is_off_by_default_and_changes_no_gradient() -> None:
    windows, gradients = torch.randn(2, 6, 512), []
    for checkpointing in (False, True):
        student = new_student("moment", FRESH["moment"], 1, gradient_checkpointing=checkpointing).train()
        assert student.model.encoder.is_gradient_checkpointing is checkpointing
        torch.manual_seed(0)  # dropout
        student(windows).square().sum().backward()
        gradients.append(student.model.patch_embedding.value_embedding.weight.grad)
    torch.testing.assert_close(*gradients)


def test_mantis_refuses_padding(golden: Path) -> None:
    student = load_student(golden / "ckpt" / MANTIS)
    mask = torch.ones(2, 512)
    with torch.no_grad():
        student(torch.randn(2, 6, 512), mask)
        mask[1, :100] = 0
        with pytest.raises(ValueError, match="cannot mask padding"):
            student(torch.randn(2, 6, 512), mask)


def test_windows_of_another_shape_are_refused(golden: Path) -> None:
    with pytest.raises(ValueError, match=r"shape \(6, T\), not \(1000, 6\)"):
        load_student(golden / "ckpt" / MANTIS).collate([np.zeros((1000, 6), np.float32)])


def test_missing_weights_are_not_left_random(golden: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(golden / "ckpt" / MANTIS, tmp_path / "student"))
    weights = load_file(folder / "model.safetensors")
    renamed = {name.replace("vit_unit.", "transf_unit."): value for name, value in weights.items()}
    save_file(renamed, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"model.safetensors lacks \d+ weights, first 'vit_unit"):
        load_student(folder)


def test_broken_weights(golden: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(golden / "ckpt" / MANTIS, tmp_path / "student"))
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"model.safetensors is broken"):
        load_student(folder)


def test_what_is_no_student(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere.*neither a folder nor to be had from the hub"):
        load_student(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"has no config\.json"):
        load_student(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ValueError, match="no known family; known are moment, mantis"):
        load_student(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json is no JSON"):
        load_student(tmp_path)


def test_bad_architectures() -> None:
    with pytest.raises(ValueError, match="architecture 'chronos' is unknown; known are moment, mantis"):
        new_student("chronos", {}, 0)
    with pytest.raises(ValueError, match="unknown key 'hiden_dim'"):
        new_student("mantis", {"hiden_dim": 8}, 0)
    with pytest.raises(ValueError, match="needs t5_config"):
        new_student("moment", {}, 0)
    with pytest.raises(ValueError, match="reduction 'sum' is unknown; known are concat, mean"):
        new_student("mantis", FRESH["mantis"], 0, reduction="sum")
