"""What features and scores were made from, so that an exchanged or edited file is refused by its name.

A student carries the digest of its settings (`trained_by`), features that of their student and of their own content,
scores that of their features and of their own content. Files of the first version carry none and are not checked.
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
TRAINED_BY: Final = "trained_by"  # of the student


def check_student(folder: Path, expected: str | None) -> None:
    """Refuse a student that was trained by other settings, or another seed, than `Config.trained_by` says.

    Raises:
        DamageError: it names the folder.
    """
    if expected is None or not (folder / OWN_FILE).is_file():
        return
    found = saved_about(folder, TRAINED_BY)
    if found is not None and found != expected:
        raise DamageError(folder, "the student in it is of another experiment or seed")


def sign_features(file: h5py.File, content: str, student: Path) -> None:
    """Write into a feature file the digest of its content, and what its student is."""
    file.attrs[ID] = content
    file.attrs[STUDENT] = student_digest(student) if (student / SUMS).is_file() else ""
    file.attrs[TRAINED_BY] = saved_about(student, TRAINED_BY) or ""


def features_id(file: h5py.File) -> str | None:
    """Return the digest of the content of a feature file; None for one of the first version."""
    found = file.attrs.get(ID)
    return None if found is None else str(found)


def check_features(path: Path, scored: str | None, trained_by: str | None) -> None:
    """Compare a feature file with the scores that were made from it, and with the student that made it.

    Args:
        path: the feature file, beside its scores; nothing is checked where it is gone.
        scored: digest of the features that the scores were made from; None: unknown.
        trained_by: what its student must be trained by; None for a teacher's features.

    Raises:
        DamageError: it names the file that does not belong there.
    """
    if not path.exists():
        return
    with open_hdf5(path) as file:
        own, student, by = features_id(file), file.attrs.get(STUDENT, ""), file.attrs.get(TRAINED_BY, "")
    if scored is not None and own is not None and scored != own:
        raise DamageError(path, "the scores beside it were made from other features: exchanged or edited")
    if trained_by is None:
        return
    if by and by != trained_by:
        raise DamageError(path, "the features in it are of another experiment or seed")
    folder = path.parents[1] / "student"
    check_student(folder, trained_by)
    if student and (folder / SUMS).is_file() and student != student_digest(folder):
        raise DamageError(path, f"they were not made from the student in {folder}")
