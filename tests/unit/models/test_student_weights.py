"""Weights of students that are missing or damaged are noticed."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from comodo.models.students import load_student, new_student, save_student
from comodo.storage.artefacts import write_sums
from tests.support.checkpoints import copy_of
from tests.support.project import STUDENT
from tests.support.students import FRESH, MANTIS, small_student


def test_missing_weights_are_not_left_random(golden: Path, tmp_path: Path) -> None:
    folder = copy_of(golden, MANTIS, tmp_path / "student")
    weights = load_file(folder / "model.safetensors")
    renamed = {name.replace("vit_unit.", "encoder."): value for name, value in weights.items()}
    save_file(renamed, folder / "model.safetensors")
    with pytest.raises(ValueError, match=r"model.safetensors lacks \d+ weights, first 'transf_unit"):
        load_student(folder)


@pytest.mark.parametrize("family", FRESH)
def test_no_family_leaves_a_missing_weight_random(tmp_path: Path, family: str) -> None:
    save_student(small_student(family), tmp_path / "student")
    file = tmp_path / "student" / "model.safetensors"
    weights = load_file(file)
    name = next(name for name in sorted(weights) if weights[name].numel() > 1)
    del weights[name]
    save_file(weights, file, metadata={"format": "pt"})
    write_sums(file.parent)
    with pytest.raises(ValueError, match=rf"model.safetensors lacks 1 weights, first '{name}'"):
        load_student(tmp_path / "student")


def test_broken_weights(golden: Path, tmp_path: Path) -> None:
    folder = copy_of(golden, MANTIS, tmp_path / "student")
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"model.safetensors is not a valid safetensors"):
        load_student(folder)


@pytest.mark.parametrize("length", [0, 8, 1 << 40, 2**64 - 1])
def test_safetensors_with_a_wrong_header(length: int, tmp_path: Path) -> None:
    """Of a folder whose list of digests knows them so."""
    save_student(new_student("mantis", STUDENT["architecture_config"], seed=0), tmp_path / "s")
    path = tmp_path / "s/model.safetensors"
    path.write_bytes(struct.pack("<Q", length) + path.read_bytes()[8:])
    write_sums(tmp_path / "s")
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        load_student(str(tmp_path / "s"))
