"""Mantis, both versions, as students: published embeddings, layers and tokens, windows of any length."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from comodo.errors import ModelError
from comodo.models.students import load_student, new_student, save_student
from tests.support.students import FRESH, MANTIS


@pytest.mark.parametrize("length", [512, 1000])
def test_published_mantis(golden: Path, numbers: dict[str, torch.Tensor], length: int) -> None:
    student = load_student(golden / "ckpt" / MANTIS)
    assert student.dim == 192
    with torch.no_grad():
        features = student(numbers[f"imu_{length}"])
    np.testing.assert_allclose(features, numbers[f"mantis_{length}"], atol=1e-5)


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


@pytest.mark.parametrize("family", ["mantis", "mantis-v2"])
@pytest.mark.parametrize(("key", "value"), [("output_token", "best"), ("return_transf_layer", 9)])
def test_a_layer_or_token_that_is_not_there_is_refused(family: str, key: str, value: object) -> None:
    with pytest.raises(ModelError, match=key):
        new_student(family, FRESH[family] | {key: value}, seed=0)
