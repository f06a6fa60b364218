"""Students of users' classes that are odd: what goes, and what is refused before a training or when it is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from comodo.errors import ClassPathError, ModelError
from comodo.models.base import Student
from comodo.models.by_class import new_class_student
from comodo.models.students import load_student, save_student
from comodo.storage.artefacts import write_sums

ODD = "tests.support.odd_classes:"


def made(name: str, **kwargs: Any) -> Student:
    return new_class_student(name if ":" in name else ODD + name, kwargs, seed=3)


def window(length: int = 1000, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((6, length)).astype(np.float32)


@torch.inference_mode()
def embedded(student: Student, length: int = 1000) -> torch.Tensor:
    return student(*student.collate([window(length), window(length, 2)]))


def edited(folder: Path, **changes: Any) -> Path:
    config = {**json.loads((folder / "config.json").read_text()), **changes}
    (folder / "config.json").write_text(json.dumps(config))
    write_sums(folder)
    return folder


@pytest.mark.parametrize(
    "name", ["Normalised", "NoWeights", "Tied", "NumpyDim", "NumpyWeights", "FixedLength"]
)
def test_what_goes(tmp_path: Path, name: str) -> None:
    student = made(name)
    student.try_on(window())
    save_student(student.train(), tmp_path / "s")
    assert student.training  # as it was
    loaded = load_student(tmp_path / "s")
    assert not loaded.training
    assert torch.equal(embedded(loaded), embedded(student.eval()))
    save_student(loaded, tmp_path / "again")
    for file in ("config.json", "model.safetensors"):
        assert (tmp_path / "again" / file).read_bytes() == (tmp_path / "s" / file).read_bytes()


def test_the_seed_reaches_all_global_generators() -> None:
    states = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    one, two = made("NumpyWeights"), made("NumpyWeights")
    assert torch.equal(one.model.linear.bias, two.model.linear.bias)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.random.get_state()[1].tolist() == states[1]  # noqa: NPY002


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Lazy", r"linear.weight has no size yet: set the sizes of lazy modules"),
        (
            "WithoutMask",
            r"forward of a student must accept \(windows, mask=None\): too many positional arguments",
        ),
        ("torch.nn:Linear", r"Linear\(\) failed: TypeError"),
        ("torch.nn:Identity", r"attribute `dim`.* got a Identity with dim None"),
        ("tests.support.odd_classes:Numbers", r"got a Numbers with dim 3"),
    ],
)
def test_what_is_refused_at_once(name: str, message: str) -> None:
    with pytest.raises(ClassPathError, match=message) as caught:
        made(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "kwargs", "message"),
    [
        ("AnyFloat", {"kind": "float64"}, r"AnyFloat: forward returns torch.float64; it should be torch.float32"),
        ("AnyFloat", {"kind": "int64"}, r"forward returns torch.int64"),
        ("AnyFloat", {"kind": "complex64"}, r"forward returns torch.complex64"),
        ("AnyFloat", {"kind": "bfloat16"}, r"forward returns torch.bfloat16"),
        ("Failing", {}, r"forward fails for a window \(6, 1000\): RuntimeError: a shape is wrong \(.*classes.py, line"),
        ("tests.support.classes:Random", {}, "embeds one window differently each time"),
        ("tests.support.classes:NotFinite", {}, "the embedding of a train window is not finite"),
        ("tests.support.classes:WrongWidth", {}, r"forward returns \(1, 3\); it should be \(1, 4\)"),
        ("tests.support.classes:NoTensor", {}, r"forward returns list; it should be \(1, 4\)"),
    ],
)  # fmt: skip
def test_what_is_refused_before_the_training(name: str, kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ClassPathError, match=message) as caught:
        made(name, **kwargs).try_on(window())
    assert "\n" not in str(caught.value)


def test_half_precision_in_autocast() -> None:
    student = made("AnyFloat", kind="bfloat16")
    with torch.autocast("cpu", torch.bfloat16):
        assert embedded(student).dtype == torch.bfloat16


def test_a_student_of_one_length_that_was_never_tried(tmp_path: Path) -> None:
    """Its length is unknown; it loads, and says what it needs when it is used."""
    save_student(made("FixedLength"), tmp_path / "s")
    assert embedded(load_student(tmp_path / "s")).shape == (2, 3)


def test_state_that_is_not_saved(tmp_path: Path) -> None:
    """Loaded, it would silently be another model."""
    save_student(made("HiddenProjection"), tmp_path / "s")
    with pytest.raises(
        ModelError, match="embeds noise differently than when it was saved: its code has changed"
    ):
        load_student(tmp_path / "s")


def test_code_that_has_changed(tmp_path: Path) -> None:
    save_student(made("Tied"), tmp_path / "s")
    edited(tmp_path / "s", **{"class": f"{ODD}Normalised"})
    with pytest.raises(ModelError, match=r"lacks|leaves out"):
        load_student(tmp_path / "s")


@pytest.mark.parametrize(
    "changes",
    [
        {"length": 0},
        {"length": 1 << 40},
        {"length": "x"},
        {"length": True},
        {"length": 3.5},
        {"probe": []},
        {"probe": [1.0]},
        {"probe": [1.0] * 99},
        {"probe": "x"},
        {"probe": [[1.0]]},
        {"probe": [True] * 4},
        {"probe": {"a": 1}},
        {"class": "torch.nn:Linear", "kwargs": {"in_features": 6, "out_features": 4}},
        {"class": "torch.nn:Identity"},
        {"class": "torch.nn:Nothing"},
        {"class": "tests.support.odd_classes:Loss"},
        {"class": "tests.support.odd_classes:random"},
        {"class": "venv.__main__:Good"},
        {"class": "a" * 100_000},
        {"kwargs": {"width": float(10**300)}},
        {"kwargs": {"width": [["x" * 100] * 1000]}},
        {"kwargs": {"self": 1}},
        {"kwargs": {"": 1}},
        {"kwargs": {"width\n": 1}},
    ],
)  # fmt: skip
def test_hostile_configs_end_in_one_short_line(tmp_path: Path, changes: dict[str, Any]) -> None:
    save_student(made("tests.support.classes:Good"), tmp_path / "s")
    edited(tmp_path / "s", **changes)
    with pytest.raises((ModelError, ClassPathError)) as caught:
        load_student(tmp_path / "s")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "text", ['{"family": "class", "class": NaN}', '{"family": "class", "kwargs": {"width": NaN}}', "[]", "{"]
)
def test_hostile_json(tmp_path: Path, text: str) -> None:
    save_student(made("tests.support.classes:Good"), tmp_path / "s")
    (tmp_path / "s/config.json").write_text(text)
    write_sums(tmp_path / "s")
    with pytest.raises((ModelError, ClassPathError)) as caught:
        load_student(tmp_path / "s")
    assert "\n" not in str(caught.value)


def test_a_weight_of_another_shape_is_named(tmp_path: Path) -> None:
    save_student(made("tests.support.classes:Good"), tmp_path / "s")
    edited(tmp_path / "s", kwargs={"width": 5})
    with pytest.raises(ModelError, match=r"the weight 'linear\.(bias|weight)' has the shape \(4.*, but \(5"):
        load_student(tmp_path / "s")
