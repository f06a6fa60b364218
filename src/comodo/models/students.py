"""Students: IMU encoders from a hub id, a local folder, or with random weights.

To add a family, write a class that maps windows (B, C, T) and a mask to (B, dim), and add it to `FAMILIES`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from comodo.errors import ClassPathError, ModelError
from comodo.models.base import REDUCTIONS, Student, StudentOptions, fetch, noise_window, quiet
from comodo.models.baselines.students import (
    CnnStudent,
    DLinearStudent,
    InformerStudent,
    MiniRocketStudent,
    TimesNetStudent,
)
from comodo.models.by_class import ClassStudent
from comodo.models.checkpoints import (
    check_depths,
    check_fetched,
    check_finite,
    check_kinds,
    check_unused,
    read_json,
    sketched,
    stored_weights,
)
from comodo.models.chronos import ChronosBoltStudent
from comodo.models.hub import has_file, whole_folder
from comodo.models.mantis import MantisStudent, MantisV2Student
from comodo.models.moment import MomentStudent
from comodo.models.seeds import named_seed, seeded
from comodo.storage.artefacts import SUMS, check_sums, read_whole, write_sums
from comodo.storage.files import atomic
from comodo.text import first_line

__all__ = ["FAMILIES", "Student", "load_student", "new_student", "save_student"]

WEIGHTS = "model.safetensors"
OWN_FILE = "comodo.json"  # the file that `save_student` adds to the family's own files
LARGEST = 1 << 20  # maximum number in a student's config
LONGEST = 1 << 16  # maximum length that a window is stretched to, samples
MOST_CHANNELS = 1024

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
        CnnStudent,
    )
}
"""Student families by their name in the config."""
SAVED_FAMILIES: dict[str, type[Student]] = {**FAMILIES, ClassStudent.family: ClassStudent}
"""Families of saved students."""


def load_student(
    id_or_folder: str | Path,
    reduction: str = "concat",
    revision: str | None = None,
    gradient_checkpointing: bool = False,
    channels: int = 6,
) -> Student:
    """Load a student with its family's `from_pretrained`, in eval mode and with all weights trainable.

    Args:
        id_or_folder: a hub id, a folder in the family's format, or a folder of `save_student`.
        reduction: `concat` or `mean`, for families that embed each channel separately. Ignored for a saved student.
        revision: pinned revision of a hub id.
        gradient_checkpointing: recompute activations in the backward pass (MOMENT only): less memory, but slower.
        channels: C, of the windows to embed. Ignored for a saved student.

    Raises:
        ClassPathError: if the student is of a class that is not installed.
        ModelError: if the model does not exist, its family is unknown, its config is invalid, or weights are missing.
            Also if a folder of `save_student` lacks its `SHA256SUMS`.
        DamageError: if the files of the folder do not match its `SHA256SUMS`.
    """
    options = StudentOptions(reduction, channels, gradient_checkpointing)
    name = str(id_or_folder)
    if has_file(name, OWN_FILE, revision):  # a saved student on the hub
        name = str(whole_folder(name, revision))
    return read_whole(Path(name), lambda: _load(name, revision, options))


def _load(name: str, revision: str | None, options: StudentOptions) -> Student:
    folder = Path(name)
    check_fetched(folder, f"student {name!r}")
    check_sums(folder)
    if (folder / OWN_FILE).is_file() and not (folder / SUMS).is_file():
        raise ModelError(
            f"student {name!r} has {OWN_FILE} but no {SUMS}, so its files cannot be verified: copy the complete "
            f"folder again. comodo 0.1 wrote no {SUMS}; if the student is from it and unchanged, run "
            f"cd {name} && sha256sum * > {SUMS}"
        )
    whose = f"student {name!r}"
    file = fetch(name, "config.json", revision)
    config = read_json(file, dict)
    family = _family_of(config)
    if family is None and "auto_map" in config:
        raise ModelError(
            f"{whose} needs Python code of its own checkpoint, which is never run: wrap the model in a class of your "
            "own (config key `class`)"
        )
    if family is None:
        raise ModelError(f"{whose}: config.json is of no known family; expected one of {', '.join(FAMILIES)}")
    if family != ClassStudent.family:  # its arguments may have any value
        read_json(file, dict, LARGEST)
        if _number(config.get("seq_len")) > LONGEST:
            raise ModelError(
                f"{whose}: config.json: seq_len is {config['seq_len']}, but must be at most {LONGEST}"
            )
        check_depths(config, whose)
    saved = folder / OWN_FILE
    if saved.is_file():
        options = _saved_options(saved, family, options.gradient_checkpointing)
    weights = stored_weights(fetch(name, WEIGHTS, revision), whose)
    try:
        with quiet():
            with sketched(sum(math.prod(shape) for _, shape in weights.values()), whose):
                SAVED_FAMILIES[family].sketch(config, options)
            student = SAVED_FAMILIES[family].pretrained(name, revision, options)
    except (ModelError, ClassPathError) as error:
        raise error if whose in str(error) else type(error)(f"{whose}: {error}") from error
    except Exception as error:  # the families' packages raise any exception for an invalid config
        raise ModelError(
            f"{whose}: no {family} model could be loaded from config.json and {WEIGHTS}: {first_line(error)}"
        ) from error
    # `from_pretrained` of the families leaves missing weights random, so they are checked here.
    kinds = {new: kind for old, (kind, _) in weights.items() for new in SAVED_FAMILIES[family].renamed({old})}
    if missing := sorted(student.weights() - kinds.keys()):
        raise ModelError(f"{whose}: {WEIGHTS} lacks {len(missing)} weights, first {missing[0]!r}")
    ours = set(student.model.state_dict())
    check_unused(kinds.keys() - ours, ours, whose, every=saved.is_file() or "family" in config)
    check_kinds(student.model.state_dict().items(), kinds, whose)
    check_finite(student.model.state_dict().items(), whose)
    student.eval()
    _try(student, whose)
    return student


def _saved_options(file: Path, family: str, gradient_checkpointing: bool) -> StudentOptions:
    """Return the options of a saved student; raise `ModelError` if they are invalid."""
    own = read_json(file, dict)
    reduction, channels = own.get("reduction"), own.get("channels", 6)  # comodo 0.1 supported 6 channels only
    if own.get("family", family) != family:
        raise ModelError(f"{file}: family is {own['family']!r}, but config.json is of {family}")
    if reduction not in REDUCTIONS:
        raise ModelError(f"{file}: reduction is {reduction!r}; expected one of {', '.join(REDUCTIONS)}")
    if type(channels) is not int or not 1 <= channels <= MOST_CHANNELS:
        raise ModelError(f"{file}: channels is {channels!r}, not an integer from 1 to {MOST_CHANNELS}")
    return StudentOptions(reduction, channels, gradient_checkpointing)


@torch.inference_mode()
def _try(student: Student, whose: str) -> None:
    """Embed one window of noise, so that an invalid config fails at load time and not during a run."""
    if student.fitted and not len(student.model.biases):  # saved before it was fitted
        return
    if (
        isinstance(student, ClassStudent) and student.probe is None
    ):  # the window length that it supports is unknown
        return
    try:
        embedding = student(*student.collate([noise_window(student.channels, student.tried_length)]))
    except Exception as error:
        raise ModelError(
            f"{whose}: this {student.family} model cannot embed a window: {first_line(error)}"
        ) from error
    if embedding.shape != (1, student.dim) or not bool(embedding.isfinite().all()):
        raise ModelError(
            f"{whose}: this {student.family} model embeds a window of noise with the shape {tuple(embedding.shape)} "
            f"or with values that are not finite; expected the shape (1, {student.dim}) and finite values"
        )
    if (fault := student.differs(embedding)) is not None:
        raise ModelError(f"{whose}: {fault}")


def new_student(
    architecture: str,
    config: Mapping[str, Any],
    seed: int,
    reduction: str = "concat",
    gradient_checkpointing: bool = False,
    channels: int = 6,
) -> Student:
    """Create a student in eval mode with random weights that depend on the arguments only.

    Args:
        architecture: one of `FAMILIES`.
        config: config with the family's keys; missing keys have the family's defaults.
        seed: seed of the weights. The state of the global generator does not change.
        reduction: `concat` or `mean`, for families that embed each channel separately.
        gradient_checkpointing: recompute activations in the backward pass (MOMENT only): less memory, but slower.
        channels: C, of the windows to embed.

    Raises:
        ModelError: if the architecture is unknown or its config is invalid.
    """
    if architecture not in FAMILIES:
        raise ModelError(
            f"student architecture {architecture!r} is unknown; expected one of {', '.join(FAMILIES)}"
        )
    with seeded(named_seed(seed, f"{architecture} student")), quiet():
        options = StudentOptions(reduction, channels, gradient_checkpointing)
        return FAMILIES[architecture].fresh(config, options).eval()


def save_student(student: Student, folder: str | Path, **about: str) -> None:
    """Write a folder that `load_student` and the family's own `from_pretrained` can read.

    Its comodo.json has family, reduction, channels and the entries of `about`.
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
        write_sums(partial)


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def _family_of(config: Mapping[str, Any]) -> str | None:
    """Return the family of a config.json, from `family` (baselines) or from its keys; None if unknown."""
    if isinstance(named := config.get("family"), str) and named in SAVED_FAMILIES:
        return named
    if config.get("model_name") == "MOMENT" or "t5_config" in config:
        return "moment"
    architectures = config.get("architectures")
    if isinstance(architectures, list) and "ChronosBoltModelForForecasting" in architectures:
        return "chronos-bolt"
    if {"hidden_dim", "num_patches", "transf_depth"} <= config.keys():
        return "mantis-v2" if "kernel_size" in config else "mantis"
    return None
