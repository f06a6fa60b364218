"""Students: IMU encoders from the time-series world, by hub id, by local folder, or with fresh weights.

A new family is a class that maps windows (B, C, T) and a mask to (B, dim), and a line in `FAMILIES`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from comodo.errors import ModelError
from comodo.models.base import Student, StudentOptions, fetch, quiet
from comodo.models.baselines.students import (
    DLinearStudent,
    InformerStudent,
    MiniRocketStudent,
    TimesNetStudent,
)
from comodo.models.checkpoints import check_finite
from comodo.models.chronos import ChronosBoltStudent
from comodo.models.mantis import MantisStudent, MantisV2Student
from comodo.models.moment import MomentStudent
from comodo.models.seeds import named_seed, seeded
from comodo.storage.artefacts import check_sums
from comodo.storage.files import atomic

__all__ = ["FAMILIES", "Student", "load_student", "new_student", "save_student"]

WEIGHTS = "model.safetensors"
OWN_FILE = "comodo.json"  # what `save_student` adds to the family's own files

FAMILIES: dict[str, type[Student]] = {
    student.family: student
    for student in (
        MomentStudent,
        MantisStudent,
        MantisV2Student,
        ChronosBoltStudent,
        DLinearStudent,
        TimesNetStudent,
        InformerStudent,
        MiniRocketStudent,
    )
}
"""Known families by the name that a config calls them."""


def load_student(
    id_or_folder: str | Path,
    reduction: str = "concat",
    revision: str | None = None,
    gradient_checkpointing: bool = False,
    channels: int = 6,
) -> Student:
    """Load a student by its family's `from_pretrained`; all of it is trainable, and it is in eval mode.

    Args:
        id_or_folder: a hub id, a folder in the family's format, or what `save_student` wrote.
        reduction: `concat` or `mean`, where channels are embedded one by one; a saved student keeps its own.
        revision: pinned revision of a hub id.
        gradient_checkpointing: MOMENT: less memory, slower.
        channels: of the windows to embed, C; a saved student keeps its own.

    Raises:
        ValueError: when there is no such model, its family is unknown, or weights are missing; `DamageError`, when
            the folder lists other digests of its files (`SHA256SUMS`).
    """
    name = str(id_or_folder)
    check_sums(Path(name))
    family = _family_of(fetch(name, "config.json", revision))
    if family is None:
        raise ModelError(
            f"student {name!r}: config.json is of no known family; known are {', '.join(FAMILIES)}"
        )
    options = StudentOptions(reduction, channels, gradient_checkpointing)
    saved = Path(name) / OWN_FILE
    if saved.is_file():
        own = json.loads(saved.read_text())
        options = StudentOptions(own["reduction"], own.get("channels", 6), gradient_checkpointing)
    try:
        with safe_open(fetch(name, WEIGHTS, revision), "pt") as weights:
            stored = FAMILIES[family].renamed(set(weights.keys()))
    except SafetensorError as error:
        raise ModelError(f"student {name!r}: {WEIGHTS} is broken ({error})") from error
    with quiet():
        student = FAMILIES[family].pretrained(name, revision, options)
    # The families' `from_pretrained` leaves random what a checkpoint lacks: no student starts so unnoticed.
    if missing := sorted(student.weights() - stored):
        raise ModelError(f"student {name!r}: {WEIGHTS} lacks {len(missing)} weights, first {missing[0]!r}")
    check_finite(student.model.state_dict().items(), f"student {name!r}")
    return student.eval()


def new_student(
    architecture: str,
    config: Mapping[str, Any],
    seed: int,
    reduction: str = "concat",
    gradient_checkpointing: bool = False,
    channels: int = 6,
) -> Student:
    """Make a student with fresh weights, which depend on the arguments only; it is in eval mode.

    Args:
        architecture: one of `FAMILIES`.
        config: the family's own config; what is left out has the family's default.
        seed: of the weights; the global generator stays as it is.
        reduction: `concat` or `mean`, where channels are embedded one by one.
        gradient_checkpointing: MOMENT: less memory, slower.
        channels: of the windows to embed, C.
    """
    if architecture not in FAMILIES:
        raise ModelError(f"student architecture {architecture!r} is unknown; known are {', '.join(FAMILIES)}")
    with seeded(named_seed(seed, f"{architecture} student")), quiet():
        options = StudentOptions(reduction, channels, gradient_checkpointing)
        return FAMILIES[architecture].fresh(config, options).eval()


def save_student(student: Student, folder: str | Path, **about: str) -> None:
    """Write a folder that `load_student` reads, and the family's own `from_pretrained` as well.

    `about` goes into its comodo.json, beside family, reduction and channels.
    """
    with atomic(folder) as partial:
        student.save(partial)
        own = {
            "family": student.family,
            "reduction": student.reduction,
            "channels": student.channels,
            **about,
        }
        (partial / OWN_FILE).write_text(json.dumps(own, indent=2) + "\n")


def _family_of(config_file: Path) -> str | None:
    """The family that wrote a config.json, by the keys it has; the baselines name theirs."""
    try:
        config = json.loads(config_file.read_text())
    except ValueError as error:
        raise ModelError(f"{config_file} is no JSON: {error}") from error
    if config.get("family") in FAMILIES:
        return str(config["family"])
    if config.get("model_name") == "MOMENT" or "t5_config" in config:
        return "moment"
    if "ChronosBoltModelForForecasting" in config.get("architectures", []):
        return "chronos-bolt"
    if {"hidden_dim", "num_patches", "transf_depth"} <= config.keys():
        return "mantis-v2" if "kernel_size" in config else "mantis"
    return None
