"""comodo's own students, teachers, objectives and layouts pass the public contract checks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from comodo.models.teachers import load_teacher
from comodo.objectives import OBJECTIVES
from comodo.testing import check_layout, check_objective, check_student, check_teacher
from tests.support.checkpoints import (
    SIDE,
    write_clip,
    write_dinov2,
    write_siglip,
    write_siglip2,
    write_vjepa2,
)
from tests.support.layouts import LAYOUTS
from tests.support.students import FRESH, small_student

# weights of the families' packages that take no part in an embedding
UNUSED = {
    "mantis": ("prj.*",),
    "mantis-v2": ("prj.*",),
    "moment": ("encoder.embed_tokens.weight", "head.*"),
    "chronos-bolt": ("decoder.*", "output_patch_embedding.*", "shared.weight"),
}


@pytest.mark.parametrize("family", FRESH)
def test_students(family: str) -> None:
    check_student(lambda: small_student(family), without_gradient=UNUSED.get(family, ()))


@pytest.mark.parametrize("channels", [3, 18])
def test_students_of_other_channels(channels: int) -> None:
    check_student(
        lambda: small_student("mantis", channels=channels),
        channels=channels,
        without_gradient=UNUSED["mantis"],
    )


@pytest.mark.parametrize("family", ["videomae", "timesformer"])
def test_video_teachers(family: str, golden: Path) -> None:
    check_teacher(load_teacher(golden / "ckpt" / f"{family}-tiny"))


@pytest.mark.parametrize("write", [write_vjepa2, write_dinov2, write_siglip, write_siglip2, write_clip])
def test_other_teachers(write: Callable[[Path], Any], tmp_path: Path) -> None:
    write(tmp_path / "model")
    check_teacher(lambda: load_teacher(tmp_path / "model"), size=SIDE)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_objectives(objective: str) -> None:
    check_objective(objective)


def test_an_objective_without_a_teacher() -> None:
    check_objective("none", teacher=False)


@pytest.mark.parametrize("kind", LAYOUTS)
def test_layouts(kind: str, tmp_path: Path) -> None:
    check_layout(LAYOUTS[kind](tmp_path))
