"""Digests of features and scores, to detect replaced or edited files.

A student has the digest of its settings (`trained_by`). Features have the digests of their student and of their own
content, and scores those of their features and of their own content. Files of comodo 0.1 have no digests and are not
checked.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import h5py

from comodo.errors import DamageError
from comodo.models.distilled import saved_about, student_digest
from comodo.models.students import OWN_FILE
from comodo.storage.artefacts import SUMS, open_hdf5

ID: Final = "id"  # attribute of a feature file: digest of its content
STUDENT: Final = "student"  # digest of the student's files
TRAINED_BY: Final = "trained_by"  # digest of the student's training settings


def check_student(folder: Path, expected: str | None) -> None:
    """Check that a student was trained with the expected settings and seed.

    Args:
        folder: folder of the student.
        expected: `Config.trained_by`; None: not checked.

    Raises:
        DamageError: if settings or seed differ.
    """
    if expected is None or not (folder / OWN_FILE).is_file():
        return
    found = saved_about(folder, TRAINED_BY)
    if found is not None and found != expected:
        raise DamageError(folder, "its student is of another experiment or seed")


def sign_features(file: h5py.File, content: str, student: Path) -> None:
    """Write the digests of content and student to the attributes of a feature file."""
    file.attrs[ID] = content
    file.attrs[STUDENT] = student_digest(student) if (student / SUMS).is_file() else ""
    file.attrs[TRAINED_BY] = saved_about(student, TRAINED_BY) or ""


def features_id(file: h5py.File) -> str | None:
    """Return the digest of the content of a feature file; None for a file of comodo 0.1."""
    found = file.attrs.get(ID)
    return None if found is None else str(found)


def check_features(path: Path, scored: str | None, trained_by: str | None) -> None:
    """Compare a feature file with its scores and with its student.

    Args:
        path: the feature file, next to its scores. If it does not exist, nothing is checked.
        scored: digest of the features in the scores; None if unknown.
        trained_by: `Config.trained_by` of its student; None for the features of a teacher.

    Raises:
        DamageError: if digests do not match. The message names the file.
    """
    if not path.exists():
        return
    with open_hdf5(path) as file:
        own, student, by = features_id(file), file.attrs.get(STUDENT, ""), file.attrs.get(TRAINED_BY, "")
    if scored is not None and own is not None and scored != own:
        raise DamageError(path, "its scores are of other features: a file was replaced or edited")
    if trained_by is None:
        return
    if by and by != trained_by:
        raise DamageError(path, "its features are of another experiment or seed")
    folder = path.parents[1] / "student"
    check_student(folder, trained_by)
    if student and (folder / SUMS).is_file() and student != student_digest(folder):
        raise DamageError(path, f"its features are not of the student in {folder}")
