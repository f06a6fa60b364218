"""Students: IMU encoders from the time-series world, by hub id, by local folder, or with fresh weights.

A new family is a class that maps windows (B, C, T) and a mask to (B, dim), and a line in `FAMILIES`.
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
    DLinearStudent,
    InformerStudent,
    MiniRocketStudent,
    TimesNetStudent,
)
from comodo.models.by_class import ClassStudent
from comodo.models.checkpoints import (
    check_depths,
    check_finite,
    check_kinds,
    check_unused,
    read_json,
    sketched,
    stored_weights,
)
from comodo.models.chronos import ChronosBoltStudent
from comodo.models.mantis import MantisStudent, MantisV2Student
from comodo.models.moment import MomentStudent
from comodo.models.seeds import named_seed, seeded
from comodo.storage.artefacts import SUMS, check_sums, read_whole, write_sums
from comodo.storage.files import atomic
from comodo.text import first_line

__all__ = ["FAMILIES", "Student", "load_student", "new_student", "save_student"]

WEIGHTS = "model.safetensors"
OWN_FILE = "comodo.json"  # what `save_student` adds to the family's own files
LARGEST = 1 << 20  # number in a student's config
LONGEST = 1 << 16  # samples that a window is stretched to
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
    )
}
"""Known families by the name that a config calls them."""
SAVED_FAMILIES: dict[str, type[Student]] = {**FAMILIES, ClassStudent.family: ClassStudent}
"""What a saved student may be of."""


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
        ClassPathError: when it is of a class that is not installed.
        ModelError: when there is no such model, its family is unknown, its config odd, or weights are missing; when a
            folder of comodo's lacks its `SHA256SUMS`.
        DamageError: when the folder's files are not those that its `SHA256SUMS` lists.
    """
    options = StudentOptions(reduction, channels, gradient_checkpointing)
    return read_whole(Path(id_or_folder), lambda: _load(str(id_or_folder), revision, options))


def _load(name: str, revision: str | None, options: StudentOptions) -> Student:
    folder = Path(name)
    check_sums(folder)
    if (folder / OWN_FILE).is_file() and not (folder / SUMS).is_file():
        raise ModelError(
            f"student {name!r} has {OWN_FILE} but no {SUMS}, so nothing tells whether it was changed: copy the whole "
            f"folder again; if it is as it was trained (save_student of comodo 0.1 wrote no {SUMS}), list it: "
            f"cd {name} && sha256sum * > {SUMS}"
        )
    whose = f"student {name!r}"
    file = fetch(name, "config.json", revision)
    config = read_json(file, dict)
    family = _family_of(config)
    if family is None:
        raise ModelError(f"{whose}: config.json is of no known family; known are {', '.join(FAMILIES)}")
    if family != ClassStudent.family:  # whose arguments may be anything
        read_json(file, dict, LARGEST)
        if _number(config.get("seq_len")) > LONGEST:
            raise ModelError(
                f"{whose}: config.json: seq_len is {config['seq_len']}, but at most {LONGEST} samples go"
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
    except Exception as error:  # the packages of the families raise anything for a config that is not theirs
        raise ModelError(
            f"{whose}: config.json and {WEIGHTS} make no {family} model: {first_line(error)}"
        ) from error
    # The families' `from_pretrained` leaves random what a checkpoint lacks: no student starts so unnoticed.
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
    """What `save_student` wrote about a student; raises `ModelError`."""
    own = read_json(file, dict)
    reduction, channels = own.get("reduction"), own.get("channels", 6)  # the first version knew six only
    if own.get("family", family) != family:
        raise ModelError(f"{file}: family is {own['family']!r}, but config.json is of {family}")
    if reduction not in REDUCTIONS:
        raise ModelError(f"{file}: reduction is {reduction!r}; known are {', '.join(REDUCTIONS)}")
    if type(channels) is not int or not 1 <= channels <= MOST_CHANNELS:
        raise ModelError(f"{file}: channels is {channels!r}, not a number from 1 to {MOST_CHANNELS}")
    return StudentOptions(reduction, channels, gradient_checkpointing)


@torch.inference_mode()
def _try(student: Student, whose: str) -> None:
    """Embed one window of noise: what of a config does not fit shows here, not in the middle of a run."""
    if student.fitted and not len(student.model.biases):  # saved before it was fitted
        return
    if (
        isinstance(student, ClassStudent) and student.probe is None
    ):  # it embeds windows of a length that is unknown
        return
    try:
        embedding = student(*student.collate([noise_window(student.channels, student.tried_length)]))
    except Exception as error:
        raise ModelError(
            f"{whose}: this {student.family} model embeds no window: {first_line(error)}"
        ) from error
    if embedding.shape != (1, student.dim) or not bool(embedding.isfinite().all()):
        raise ModelError(
            f"{whose}: this {student.family} model embeds a window of noise as {tuple(embedding.shape)}, or not as "
            f"finite numbers; it should be (1, {student.dim})"
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
        write_sums(partial)


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def _family_of(config: Mapping[str, Any]) -> str | None:
    """The family that wrote a config.json, by the keys it has; the baselines name theirs."""
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
