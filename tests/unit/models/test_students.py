"""Students: published embeddings and collation, saving, fresh weights, and what is refused."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from comodo.models.student import Student
from comodo.models.students import load_student, new_student, save_student

MANTIS, MOMENT = "paris-noah-Mantis-tiny", "AutonLab-MOMENT-tiny"
T5 = {"d_model": 16, "d_ff": 32, "d_kv": 8, "num_heads": 2, "num_layers": 1, "vocab_size": 8}
FRESH: dict[str, dict[str, Any]] = {
    "mantis": {
        "seq_len": 64, "hidden_dim": 16, "num_patches": 8, "hidden_dim_scalar_enc": 4,
        "transf_depth": 1, "transf_num_heads": 2, "transf_mlp_dim": 16, "transf_dim_head": 8,
    },
    "moment": {"t5_config": {**T5, "feed_forward_proj": "gated-gelu"}},
    "mantis-v2": {
        "hidden_dim": 16, "num_patches": 8, "kernel_size": 5, "hidden_dim_scalar_enc": 4, "transf_depth": 2,
        "transf_num_heads": 2, "transf_mlp_dim": 16, "transf_dim_head": 8,
    },
    "chronos-bolt": {**{k: v for k, v in T5.items() if k != "vocab_size"}, "chronos_config": {"prediction_length": 4}},
    "dlinear": {"seq_len": 64},
    "timesnet": {"seq_len": 64, "d_model": 4, "d_ff": 4, "num_kernels": 2},
    "informer": {"seq_len": 64, "d_model": 8, "n_heads": 2, "d_ff": 8, "e_layers": 2},
    "minirocket": {"seq_len": 64, "n_kernels": 84},
}  # fmt: skip
BASELINES = {"dlinear": 6 * 64, "timesnet": 64 * 4, "informer": 32 * 8, "minirocket": 84}  # and their widths
BY_CHANNEL = [family for family in FRESH if family not in BASELINES]
TRAINED = [family for family in FRESH if family != "minirocket"]


def make(family: str, seed: int = 3, **common: Any) -> Student:
    """A small student of the family, fitted where it has to be."""
    student = new_student(family, FRESH[family], seed, **common)
    student.fit(np.random.default_rng(seed).normal(size=(8, 6, 64)).astype(np.float32))
    return student


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


def test_mantis_channels_at_once_are_one_by_one(golden: Path, numbers: dict[str, torch.Tensor]) -> None:
    student = load_student(golden / "ckpt" / MANTIS)
    windows = numbers["imu_512"]
    with torch.no_grad():
        loop = torch.cat([student.model(windows[:, [channel]]) for channel in range(6)], dim=1)
        torch.testing.assert_close(student(windows), loop, atol=1e-5, rtol=0)


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


@pytest.mark.parametrize(
    ("family", "reduction"), [*((f, "concat") for f in FRESH), *((f, "mean") for f in BY_CHANNEL)]
)
def test_saved_and_loaded_to_the_bit(tmp_path: Path, family: str, reduction: str) -> None:
    student = make(family, reduction=reduction)
    save_student(student, tmp_path / "student")
    assert {"config.json", "model.safetensors", "comodo.json"} <= {
        f.name for f in (tmp_path / "student").iterdir()
    }
    loaded = load_student(tmp_path / "student")  # the reduction is the saved one, not the default
    assert (loaded.family, loaded.reduction, loaded.dim) == (family, reduction, student.dim)
    windows = torch.randn(3, 6, 512)
    with torch.no_grad():
        assert torch.equal(loaded(windows), student(windows))


@pytest.mark.parametrize("family", BY_CHANNEL)
def test_a_saved_student_is_the_family_s_own_checkpoint(tmp_path: Path, family: str) -> None:
    from chronos.chronos_bolt import ChronosBoltModelForForecasting
    from mantis.architecture import Mantis8M, MantisV2
    from momentfm import MOMENTPipeline

    student = new_student(family, FRESH[family], seed=3)
    save_student(student, tmp_path / "student")
    read = {
        "mantis": partial(Mantis8M.from_pretrained, strict=True),
        "mantis-v2": partial(MantisV2(**FRESH["mantis-v2"], device="cpu").from_pretrained, strict=True),
        "moment": partial(MOMENTPipeline.from_pretrained, strict=True),
        "chronos-bolt": ChronosBoltModelForForecasting.from_pretrained,
    }
    theirs = read[family](tmp_path / "student").state_dict()
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


@pytest.mark.parametrize("family", TRAINED)
def test_embedder_and_encoder_learn(family: str) -> None:
    student = new_student(family, FRESH[family], seed=1).train()
    student(torch.randn(4, 6, 512)).square().sum().backward()
    parts = {
        "mantis": ("model.tokgen_unit.", "model.vit_unit."),
        "moment": ("model.patch_embedding.", "model.encoder.b"),
        "mantis-v2": ("model.tokgen_unit.", "model.transf_unit."),
        "chronos-bolt": ("model.input_patch_embedding.", "model.encoder.b"),
        "dlinear": ("model.seasonal.", "model.trend."),
        "timesnet": ("model.embedding.", "model.blocks.0.", "model.blocks.1."),
        "informer": ("model.embedding.", "model.layers.0.query", "model.distillations.", "model.layers.1."),
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


@pytest.mark.parametrize("length", [100, 112])
def test_chronos_bolt_embeds_as_its_package(length: int) -> None:
    from chronos import ChronosBoltPipeline

    student = new_student("chronos-bolt", FRESH["chronos-bolt"], seed=3)
    windows = torch.randn(3, 6, length) * 5 + 9
    tokens, _ = ChronosBoltPipeline(student.model).embed(windows.flatten(0, 1))
    assert tokens.shape == (18, 8, 16)  # seven patches of 16 samples and [REG]
    expected = tokens[:, :-1].mean(dim=1).reshape(3, 6 * 16)
    with torch.no_grad():
        torch.testing.assert_close(student(windows), expected)
        mean = new_student("chronos-bolt", FRESH["chronos-bolt"], seed=3, reduction="mean")(windows)
    torch.testing.assert_close(mean, expected.unflatten(1, (6, 16)).mean(dim=1))


@pytest.mark.parametrize("reg", [True, False])
def test_chronos_bolt_does_not_see_padding(reg: bool) -> None:
    config = {**FRESH["chronos-bolt"], "chronos_config": {"use_reg_token": reg}}
    student = new_student("chronos-bolt", config, seed=3)
    generator = np.random.default_rng(0)
    windows = [generator.normal(size=(6, length)).astype(np.float32) for length in (160, 112, 37)]
    batch, mask = student.collate(windows)
    assert batch.shape == (3, 6, 160)
    assert mask is not None
    assert mask.sum(dim=1).tolist() == [160, 112, 37]
    with torch.no_grad():
        together = student(batch, mask)
        for row, window in enumerate(windows):
            alone, none = student.collate([window])
            assert none is None
            torch.testing.assert_close(student(alone), together[row : row + 1], atol=1e-5, rtol=1e-5)
        # zeros are samples, padding is not
        assert not torch.allclose(student(batch)[2], together[2], atol=1e-2)


def test_mantis_v2_takes_the_layer_and_tokens_its_config_names(tmp_path: Path) -> None:
    config = {**FRESH["mantis-v2"], "return_transf_layer": 0, "output_token": "combined"}
    student = new_student("mantis-v2", config, seed=3)
    assert student.dim == 6 * 2 * 16
    save_student(student, tmp_path / "student")
    loaded = load_student(tmp_path / "student")
    windows = torch.randn(2, 6, 512)
    with torch.no_grad():
        assert torch.equal(loaded(windows), student(windows))
        last = new_student("mantis-v2", {**config, "return_transf_layer": -1}, seed=3)(windows)
        assert not torch.allclose(last, student(windows), atol=1e-3)
        loop = torch.cat([student.model(windows[:, [channel]]) for channel in range(6)], dim=1)
        torch.testing.assert_close(student(windows), loop)


@pytest.mark.parametrize("family", ["mantis", "mantis-v2"])
def test_mantis_stretches_windows_of_any_length(family: str) -> None:
    student = new_student(family, FRESH[family], seed=3)
    window = np.random.default_rng(0).normal(size=(6, 300)).astype(np.float32)
    batch, mask = student.collate([window])
    assert batch.shape == (1, 6, 64 if family == "mantis" else 512)
    assert mask is None
    with torch.no_grad():
        torch.testing.assert_close(student(torch.from_numpy(window)[None]), student(batch))


def test_mantis_refuses_padding(golden: Path) -> None:
    student = load_student(golden / "ckpt" / MANTIS)
    mask = torch.ones(2, 512)
    with torch.no_grad():
        student(torch.randn(2, 6, 512), mask)
        mask[1, :100] = 0
        with pytest.raises(ValueError, match="cannot mask padding"):
            student(torch.randn(2, 6, 512), mask)


@pytest.mark.parametrize("family", BASELINES)
def test_baselines_stretch_windows_of_any_length(family: str) -> None:
    student = make(family)
    assert student.dim == BASELINES[family]
    windows = [np.random.default_rng(i).normal(size=(6, 50 + 30 * i)).astype(np.float32) for i in range(3)]
    batch, mask = student.collate(windows)
    assert batch.shape == (3, 6, 64)
    assert mask is None
    with torch.no_grad():
        embeddings = student(batch)
        assert embeddings.shape == (3, student.dim)
        for row, window in enumerate(windows):
            alone = student(torch.from_numpy(window)[None], torch.ones(1, window.shape[1]))
            torch.testing.assert_close(alone, embeddings[row : row + 1])


def test_a_saved_baseline_names_itself_and_every_argument(tmp_path: Path) -> None:
    save_student(new_student("dlinear", {"seq_len": 64}, 0), tmp_path / "student")
    config = json.loads((tmp_path / "student" / "config.json").read_text())
    assert config == {"family": "dlinear", "seq_len": 64, "moving_avg": 25}


@pytest.mark.parametrize("family", BASELINES)
def test_baselines_refuse_padding_and_reduction(family: str) -> None:
    with pytest.raises(ValueError, match=f"{family} cannot mask padding"):
        make(family)(torch.randn(2, 6, 64), torch.zeros(2, 64))
    with pytest.raises(ValueError, match=f"{family} sees all channels at once.*leave `reduction` out"):
        new_student(family, FRESH[family], 0, reduction="mean")


@pytest.mark.parametrize("family", TRAINED)
def test_a_toy_problem_is_learned(family: str) -> None:
    """Slow or fast, up and down: with a linear head, as objective `supervised` has it."""
    time, generator = torch.arange(64) / 64, torch.Generator().manual_seed(0)
    labels = torch.arange(16) % 2
    phases = torch.rand(16, 6, 1, generator=generator)
    windows = torch.sin(2 * torch.pi * ((2 + 6 * labels)[:, None, None] * time + phases))
    student = make(family)
    head = torch.nn.Linear(student.dim, 2)
    torch.nn.init.zeros_(head.weight)
    optimiser = torch.optim.AdamW([*student.parameters(), *head.parameters()], lr=1e-2)
    batch, mask = student.collate(list(windows.numpy()))
    torch.manual_seed(0)  # dropout
    student.train()
    losses = []
    for _ in range(12):
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(head(student(batch, mask)), labels)
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[0] == pytest.approx(0.693, abs=0.2)
    assert losses[-1] < 0.1
    with torch.no_grad():
        assert torch.equal(head(student.eval()(batch, mask)).argmax(dim=1), labels)


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


@pytest.mark.parametrize("family", FRESH)
def test_no_family_leaves_a_missing_weight_random(tmp_path: Path, family: str) -> None:
    save_student(make(family), tmp_path / "student")
    file = tmp_path / "student" / "model.safetensors"
    weights = load_file(file)
    name = next(name for name in sorted(weights) if weights[name].numel() > 1)
    del weights[name]
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=rf"model.safetensors lacks 1 weights, first '{name}'"):
        load_student(tmp_path / "student")


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
    with pytest.raises(
        ValueError, match="no known family; known are moment, mantis, mantis-v2, chronos-bolt, "
    ):
        load_student(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json is no JSON"):
        load_student(tmp_path)


def test_bad_architectures() -> None:
    with pytest.raises(
        ValueError,
        match="architecture 'chronos' is unknown; known are moment, mantis, mantis-v2, chronos-bolt, ",
    ):
        new_student("chronos", {}, 0)
    with pytest.raises(ValueError, match="unknown key 'hiden_dim'"):
        new_student("mantis", {"hiden_dim": 8}, 0)
    with pytest.raises(
        ValueError, match="dlinear student has the unknown key 'seqlen'; known are moving_avg, seq_len"
    ):
        new_student("dlinear", {"seqlen": 8}, 0)
    with pytest.raises(ValueError, match="of a timesnet student: top_k is 40"):
        new_student("timesnet", {"seq_len": 64, "top_k": 40}, 0)
    with pytest.raises(
        ValueError, match=r"chronos-bolt \(chronos_config\) student has the unknown key 'patch'"
    ):
        new_student("chronos-bolt", {"chronos_config": {"patch": 8}}, 0)
    with pytest.raises(ValueError, match="num_patches is 30, which does not divide 512"):
        new_student("mantis-v2", {**FRESH["mantis-v2"], "num_patches": 30}, 0)
    with pytest.raises(ValueError, match="needs t5_config"):
        new_student("moment", {}, 0)
    with pytest.raises(ValueError, match="reduction 'sum' is unknown; known are concat, mean"):
        new_student("mantis", FRESH["mantis"], 0, reduction="sum")
