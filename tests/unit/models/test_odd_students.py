"""Student folders that nobody should have: each is refused in one line, in bounded memory and time."""

from __future__ import annotations

import json
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from comodo.errors import ComodoError, ModelError
from comodo.models.distilled import has_linear_head, load_distilled, save_distilled, saved_about
from comodo.models.heads import new_head
from comodo.models.students import load_student, new_student, save_student
from comodo.storage.artefacts import write_sums
from tests.support.students import BASELINES, FRESH, small_student

DEEP = "[" * 100_000
SIZES = {
    "mantis": ["hidden_dim", "num_patches", "transf_depth", "transf_mlp_dim", "seq_len"],
    "mantis-v2": ["hidden_dim", "num_patches", "transf_depth", "transf_mlp_dim"],
    "moment": ["d_model", "patch_len", "t5_config.num_layers", "t5_config.d_ff", "t5_config.vocab_size"],
    "chronos-bolt": ["d_model", "num_layers", "d_ff", "vocab_size", "chronos_config.input_patch_size"],
    "dlinear": ["seq_len"],
    "timesnet": ["seq_len", "d_model", "e_layers", "num_kernels"],
    "informer": ["seq_len", "d_model", "e_layers", "d_ff"],
    "minirocket": ["seq_len", "n_kernels"],
}


@pytest.fixture(autouse=True, scope="module")
def compiled() -> None:
    """numba compiles MiniRocket once per environment, which takes longer than `bounded` allows a test."""
    student = small_student("minirocket")
    student(*student.collate([np.zeros((6, 64), dtype=np.float32)]))


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """2 GB more than now, and 20 s."""
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (held + (2 << 30), before[1]))
    signal.alarm(20)
    yield
    signal.alarm(0)
    resource.setrlimit(resource.RLIMIT_AS, before)


def saved(folder: Path, family: str = "dlinear") -> Path:
    save_student(small_student(family), folder / "s")
    return folder / "s"


def put(path: Path, content: object) -> None:
    """Replace a file of a folder, and list its digest anew."""
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    write_sums(path.parent)


def change(folder: Path, key: str, value: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    *outer, last = key.split(".")
    inner = config
    for name in outer:
        inner = inner[name]
    inner[last] = value
    put(folder / "config.json", config)


def refused(load: Callable[[], object], *names: object) -> str:
    with pytest.raises(ComodoError) as caught:
        load()
    said = str(caught.value)
    assert all(str(name) in said for name in names), said
    assert "\n" not in said
    assert len(said) < 600
    return said


@pytest.mark.parametrize("family", FRESH)
def test_a_student_that_is_as_it_was_saved_is_no_odd_one(family: str, tmp_path: Path) -> None:
    state = torch.get_rng_state()
    folder = saved(tmp_path, family)
    torch.set_rng_state(state)
    assert load_student(folder).family == family


@pytest.mark.parametrize(
    "content",
    ["", "null", "[]", "5", '"text"', "{", DEEP, '{"a":' * 900 + "1" + "}" * 900, '{"seq_len": NaN}', '{"a": 1e999}',
     '{"a": -Infinity}', '{"a": %s}' % ("9" * 5000), '{"family": []}', '{"family": "bert"}', '{"architectures": 5}',
     '{"model_name": "MOMENT"}', '{"t5_config": 5}', '{"t5_config": {}}', '{"family": "dlinear", "seq_len": [64]}',
     '{"hidden_dim": {}, "num_patches": 0, "transf_depth": ""}', '{"a": "\\ud800"',
     '{"x": "%s"}' % ("y" * (5 << 20)), '{"architectures": ["ChronosBoltModelForForecasting"]}'],
    ids=range(23),
)  # fmt: skip
def test_a_config_that_is_none(content: str, tmp_path: Path) -> None:
    folder = saved(tmp_path)
    put(folder / "config.json", content)
    refused(lambda: load_student(folder), folder)


@pytest.mark.parametrize(("family", "key"), [(family, key) for family, keys in SIZES.items() for key in keys])
@pytest.mark.parametrize("value", [1 << 40, 1 << 19, 0, -1, 1.5, "64", None, [], {}, True])
def test_a_size_of_any_other_value(family: str, key: str, value: object, tmp_path: Path) -> None:
    """Refused, or it makes the very same student: a vocabulary is not always used."""
    folder = saved(tmp_path, family)
    windows = torch.randn(2, 6, 64)
    expected = load_student(folder)(windows)
    change(folder, key, value)
    try:
        student = load_student(folder)
    except ComodoError as error:
        assert str(folder) in str(error)  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017
        return
    assert student(windows).shape == expected.shape
    assert key.split(".")[-1] in ("vocab_size", "d_model", "seq_len", "n_kernels")


@pytest.mark.parametrize(
    ("family", "key", "value"),
    [("mantis", "output_token", 5), ("mantis", "return_transf_layer", "x"), ("dlinear", "moving_avg", "25"),
     ("dlinear", "moving_avg", -3), ("timesnet", "dropout", 7), ("timesnet", "top_k", 0.5), ("informer", "n_heads", 3),
     ("informer", "factor", "x"), ("chronos-bolt", "chronos_config", []), ("chronos-bolt", "chronos_config", None),
     ("moment", "task_name", "none"), ("moment", "t5_config", 4), ("minirocket", "n_kernels", 1000)],
)  # fmt: skip
def test_a_key_of_another_kind(family: str, key: str, value: object, tmp_path: Path) -> None:
    folder = saved(tmp_path, family)
    change(folder, key, value)
    refused(lambda: load_student(folder), folder)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"reduction": "sum"}, "reduction is 'sum'"), ({"reduction": None}, "reduction is None"),
        ({"reduction": ["mean"]}, "reduction is"), ({"channels": 0}, "channels is 0"),
        ({"channels": "6"}, "channels is '6'"), ({"channels": True}, "channels is True"),
        ({"channels": 6.0}, "channels is 6.0"), ({"channels": -6}, "channels is"), ({"channels": 10**6}, "channels is"),
        ({"family": "moment"}, "family is 'moment'"), ({"family": 3}, "family is 3"),
    ],
)  # fmt: skip
def test_what_comodo_adds_about_a_student(change: dict[str, Any], why: str, tmp_path: Path) -> None:
    folder = saved(tmp_path)
    put(folder / "comodo.json", {**json.loads((folder / "comodo.json").read_text()), **change})
    refused(lambda: load_student(folder), folder / "comodo.json", why)


@pytest.mark.parametrize("content", ["", "[]", "5", "null", DEEP, '{"objective": 5}', '{"objective": NaN}'])
def test_an_odd_comodo_json(content: str, tmp_path: Path) -> None:
    folder = saved(tmp_path)
    put(folder / "comodo.json", content)
    refused(lambda: saved_about(folder, "objective"), "comodo.json")
    refused(lambda: load_student(folder), "comodo.json")


def reshape(values: torch.Tensor) -> torch.Tensor:
    return torch.cat([values, values])


@pytest.mark.parametrize("family", FRESH)
@pytest.mark.parametrize(
    "kind", [reshape, torch.Tensor.int, lambda v: v.to(torch.complex64)], ids=["shape", "int", "complex"]
)
def test_weights_of_another_shape_or_kind(
    family: str, kind: Callable[..., torch.Tensor], tmp_path: Path
) -> None:
    folder = saved(tmp_path, family)
    weights = load_file(folder / "model.safetensors")
    name = next(n for n in sorted(weights) if weights[n].is_floating_point() and weights[n].ndim)
    save_file({**weights, name: kind(weights[name])}, folder / "model.safetensors", {"format": "pt"})
    write_sums(folder)
    refused(lambda: load_student(folder), folder)


@pytest.mark.parametrize(
    "name", ["dilations", "channel_indices", "n_features_per_dilation", "n_channels_per_combination"]
)
@pytest.mark.parametrize("value", [1 << 30, -(1 << 30), -1, 9])
def test_minirocket_s_numbers_are_not_trusted(name: str, value: int, tmp_path: Path) -> None:
    """Compiled loops use them as indices, unchecked."""
    folder = saved(tmp_path, "minirocket")
    weights = load_file(folder / "model.safetensors")
    weights[name][-1] = value
    save_file(weights, folder / "model.safetensors")
    write_sums(folder)
    refused(lambda: load_student(folder), folder, "do not fit")


def test_a_minirocket_that_is_not_fitted_loads(tmp_path: Path) -> None:
    save_student(new_student("minirocket", FRESH["minirocket"], 0), tmp_path / "s")
    assert load_student(tmp_path / "s").family == "minirocket"


@pytest.mark.parametrize(
    "content", ["", "{}", "5", DEEP, "[1, 2]", '["a", "a"]', '["a"]', '["a", "b", "c"]', '[["a"], "b"]']
)
def test_odd_classes(content: str, tmp_path: Path) -> None:
    student = small_student("dlinear")
    save_distilled(
        tmp_path / "s", student, {"classifier": nn.Linear(student.dim, 2)}, ["a", "b"], objective="supervised"
    )
    assert load_distilled(tmp_path / "s", "cpu").classes == ["a", "b"]
    put(tmp_path / "s/classes.json", content)
    refused(lambda: load_distilled(tmp_path / "s", "cpu"), tmp_path / "s/classes.json")


W = BASELINES["dlinear"]
HEADS: dict[str, dict[str, torch.Tensor]] = {
    "none": {},
    "bias alone": {"bias": torch.ones(4)},
    "flat": {"weight": torch.ones(W), "bias": torch.ones(1)},
    "no bias": {"weight": torch.ones(4, W)},
    "other bias": {"weight": torch.ones(4, W), "bias": torch.ones(5)},
    "other input": {"weight": torch.ones(4, 7), "bias": torch.ones(4)},
    "more": {"weight": torch.ones(4, W), "bias": torch.ones(4), "more": torch.ones(4)},
    "whole numbers": {"weight": torch.ones(4, W, dtype=torch.int32), "bias": torch.ones(4)},
    "half an MLP": {"0.weight": torch.ones(4, W), "0.bias": torch.ones(4)},
    "other widths": {**new_head(W, 8, 4, seed=0, name="x").state_dict(), "3.weight": torch.ones(4, 9)},
    "other output than the teacher's": {"weight": torch.ones(3, W), "bias": torch.ones(3)},
}  # fmt: skip


@pytest.mark.parametrize("kind", HEADS)
def test_odd_heads(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    heads = {"student": new_head(W, 8, 4, seed=0, name="x"), "teacher": nn.Linear(5, 4)}
    save_distilled(folder, small_student("dlinear"), heads, [], objective="comodo")
    assert load_distilled(folder, "cpu").heads["student"](torch.ones(2, W)).shape == (2, 4)
    save_file(HEADS[kind], folder / "student_projection.safetensors")
    write_sums(folder)
    refused(lambda: load_distilled(folder, "cpu"), folder)


def test_a_broken_head_has_no_linear_projection(tmp_path: Path) -> None:
    (tmp_path / "student_projection.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(ModelError, match=r"student_projection\.safetensors is not a valid safetensors"):
        has_linear_head(tmp_path)
