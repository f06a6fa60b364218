"""Students: collation as published, saving and loading, fresh weights, and what is refused."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from comodo.models.students import load_student, new_student, save_student
from comodo.storage.artefacts import write_sums
from tests.support.students import BY_CHANNEL, FRESH, MANTIS, MOMENT, small_student


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
    student = small_student(family, reduction=reduction)
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
    from mantis.architecture import MantisV1, MantisV2
    from momentfm import MOMENTPipeline

    student = new_student(family, FRESH[family], seed=3)
    save_student(student, tmp_path / "student")
    read = {
        "mantis": partial(MantisV1(**FRESH["mantis"], device="cpu").from_pretrained, strict=True),
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


def test_windows_of_another_shape_are_refused(golden: Path) -> None:
    with pytest.raises(ValueError, match=r"shape \(6, T\), not \(1000, 6\)"):
        load_student(golden / "ckpt" / MANTIS).collate([np.zeros((1000, 6), np.float32)])


def test_what_is_no_student(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere.*neither a folder nor a model on the hub"):
        load_student(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"has no config\.json"):
        load_student(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(
        ValueError, match="no known family; expected one of moment, mantis, mantis-v2, chronos-bolt, "
    ):
        load_student(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json is not valid JSON"):
        load_student(tmp_path)


def test_bad_architectures() -> None:
    with pytest.raises(
        ValueError,
        match="architecture 'chronos' is unknown; expected one of moment, mantis, mantis-v2, chronos-bolt, ",
    ):
        new_student("chronos", {}, 0)
    with pytest.raises(ValueError, match="unknown key 'hiden_dim'"):
        new_student("mantis", {"hiden_dim": 8}, 0)
    with pytest.raises(
        ValueError, match="dlinear student has the unknown key 'seqlen'; expected one of moving_avg, seq_len"
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
    with pytest.raises(ValueError, match="reduction 'sum' is unknown; expected one of concat, mean"):
        new_student("mantis", FRESH["mantis"], 0, reduction="sum")


@pytest.mark.parametrize("family", FRESH)
@pytest.mark.parametrize("channels", [3, 12])
def test_a_student_has_the_channels_of_its_data(family: str, channels: int, tmp_path: Path) -> None:
    student = new_student(family, FRESH[family], seed=1, channels=channels)
    generator = np.random.default_rng(0)
    windows = [generator.normal(size=(channels, 200)).astype(np.float32) for _ in range(3)]
    batch, mask = student.collate(windows)
    student.fit(batch.numpy())
    with torch.no_grad():
        embeddings = student(batch, mask)
    assert embeddings.shape == (3, student.dim)
    save_student(student, tmp_path / "student")
    loaded = load_student(tmp_path / "student")
    assert loaded.channels == channels
    with torch.no_grad():
        assert torch.equal(loaded(batch, mask), embeddings)


@pytest.mark.parametrize("family", FRESH)
@pytest.mark.parametrize("shape", [(2, 3, 200), (2, 12, 200), (6, 200)])
def test_windows_of_other_channels_are_refused(family: str, shape: tuple[int, ...]) -> None:
    student = new_student(family, FRESH[family], seed=1)
    with pytest.raises(ValueError, match=rf"{family} student embeds windows of 6 channels, \(B, 6, T\), not"):
        student(torch.randn(shape))


def test_a_student_saved_before_channels_were_stored_has_six(tmp_path: Path) -> None:
    save_student(new_student("dlinear", FRESH["dlinear"], seed=1), tmp_path / "student")
    own = json.loads((tmp_path / "student/comodo.json").read_text())
    del own["channels"]
    (tmp_path / "student/comodo.json").write_text(json.dumps(own))
    write_sums(tmp_path / "student")
    assert load_student(tmp_path / "student").channels == 6
