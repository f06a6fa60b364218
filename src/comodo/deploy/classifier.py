"""A student that names classes: by its anchors, by the classifier it was trained with, or by a head fitted later."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from comodo.clips.imu_windows import Windows
from comodo.deploy.fitted import FITTED, load_fitted
from comodo.embeddings.anchors import ANCHOR_RULES
from comodo.errors import ModelError
from comodo.models.about import EARLIER, Calibration, InputFormat
from comodo.models.base import Student
from comodo.models.distilled import Distilled, load_distilled
from comodo.models.embed import embed_batches
from comodo.models.hub import whole_folder

log = logging.getLogger(__name__)

RANKINGS: Final = ("fitted", "head", "mean", "medoid", "first")
"""Ways to rank classes, in order of preference: a head of `comodo fit`, the classifier of a supervised student, and the
nearest anchor by rule."""


class NearestAnchor(nn.Module):
    """Cosine similarity (B, C) of projected embeddings (B, d) to anchors (C, d)."""

    def __init__(self, anchors: Tensor) -> None:
        super().__init__()
        self.register_buffer("anchors", F.normalize(anchors, dim=1))

    def forward(self, projected: Tensor) -> Tensor:
        """Return the similarities."""
        return F.normalize(projected, dim=1) @ self.anchors.T  # type: ignore[operator]


@dataclass(frozen=True)
class Scores:
    """Class scores of n windows.

    Attributes:
        probabilities: (n, C) float64, calibrated if the student has a calibration.
        features: (n, dim) float32.
    """

    probabilities: NDArray[np.float64]
    features: NDArray[np.float32]


class Classifier(nn.Module):
    """Student with a ranking of classes. Use `load_classifier`.

    Args:
        student: the encoder.
        project: head into the common space; None where classes are ranked by the features.
        rank: module from projected embeddings or features to class scores (B, C).
        classes: class names, C.
        form: windows that the student expects.
        by: one of `RANKINGS`.
        calibration: of this ranking; None if there is none.
    """

    def __init__(
        self,
        student: Student,
        project: nn.Module | None,
        rank: nn.Module,
        classes: list[str],
        form: InputFormat,
        by: str,
        calibration: Calibration | None = None,
    ) -> None:
        super().__init__()
        self.student, self.project, self.rank = student, project, rank
        self.classes, self.form, self.by, self.calibration = classes, form, by, calibration

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map windows (B, C, T) to features (B, dim), embedding (B, d) and probabilities (B, classes)."""
        return self.classify(self.student(windows))

    def classify(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map features (B, dim) to the same."""
        embedding = features if self.project is None else self.project(features)
        temperature = 1.0 if self.calibration is None else self.calibration.temperature
        return features, embedding, (self.rank(embedding) / temperature).softmax(dim=1)

    @torch.inference_mode()
    def scores(self, windows: Windows | NDArray[np.floating[Any]]) -> Scores:
        """Return the class scores of windows (n, C, T), in m/s² and rad/s at the rate of the student.

        Raises:
            ModelError: if the number of channels is wrong, or a feature is not finite.
        """
        self.eval()
        device = next((str(values.device) for values in self.parameters()), "cpu")
        features, probabilities = [], []
        for batch in embed_batches(self.student, windows, device):
            features.append(batch.cpu().numpy())
            probabilities.append(self.classify(batch)[2].double().cpu().numpy())
        if not features:
            return Scores(np.empty((0, len(self.classes))), np.empty((0, self.student.dim), np.float32))
        return Scores(np.concatenate(probabilities), np.concatenate(features))

    def unknown(self, margin: NDArray[np.float64]) -> NDArray[np.bool_] | None:
        """Return which margins (n,) are under the calibrated threshold; None without a threshold."""
        if self.calibration is None or self.calibration.unknown_below is None:
            return None
        below: NDArray[np.bool_] = margin < self.calibration.unknown_below
        return below


def load_classifier(student: str | Path, by: str | None = None, device: str = "cpu") -> Classifier:
    """Load a student with the ranking of its classes.

    Args:
        student: folder of a trained student, or its id on the hub.
        by: one of `RANKINGS`; None: the first that the folder has.
        device: torch device.

    Raises:
        ModelError: if the student does not exist, or has no anchors and no classifier.
        DamageError: if its files do not match their checksums.

    Example:
        >>> classifier = load_classifier("results/experiments/comodo/seed42/student")
        >>> classifier.classes
        ['cooking', 'walking']
    """
    if by is not None and by not in RANKINGS:
        raise ModelError(f"{by!r} is no ranking of classes; expected one of {', '.join(RANKINGS)}")
    folder = whole_folder(student)
    trained = load_distilled(folder, device)
    if trained.about is None:
        log.warning(
            "%s lacks a description (about.json): it is a foreign checkpoint or was saved by comodo 0.2 or earlier, "
            "without anchors and calibration; windows of 5 s at 200 Hz are assumed. Train it again to complete it",
            student,
        )
    made = classifier_of(trained, folder, by)
    if made is None:
        found = rankings_of(trained, folder)
        have = f"it has: {', '.join(found)}" if found else "it has no anchors and no classifier"
        raise ModelError(
            f"student {str(student)!r} cannot rank classes{f' by {by}' if by else ''}: {have}. Distil it from a "
            "teacher, or add a classifier from a few labels by `comodo fit`"
        )
    return made.to(device)


def classifier_of(trained: Distilled, folder: Path, by: str | None = None) -> Classifier | None:
    """Return the classifier of a loaded student; None if it has no such ranking of classes.

    Args:
        trained: the student of `folder`.
        folder: its folder.
        by: one of `RANKINGS`; None: the first that the folder has.
    """
    found = rankings_of(trained, folder)
    if not found or (by is not None and by not in found):
        return None
    chosen = by or found[0]
    form = trained.about.input if trained.about else EARLIER
    calibration = trained.about.calibration.get(chosen) if trained.about else None
    project: nn.Module | None = None
    if chosen == "fitted":
        rank, classes, calibration = load_fitted(folder)
    elif chosen == "head":
        rank, classes = trained.heads["classifier"], trained.classes
    else:
        assert trained.about is not None
        project, rank = trained.heads["student"], NearestAnchor(trained.anchors[chosen])
        classes = list(trained.about.anchor_classes)
    return Classifier(trained.student, project, rank, classes, form, chosen, calibration).eval()


def rankings_of(trained: Distilled, folder: Path) -> list[str]:
    """Return the rankings of classes that a student has, in the order of `RANKINGS`."""
    return [name for name in RANKINGS if _has(name, trained, folder)]


def _has(name: str, trained: Distilled, folder: Path) -> bool:
    """Return whether a student has a ranking."""
    if name == "fitted":
        return (folder / FITTED).is_file()
    if name == "head":
        return "classifier" in trained.heads and bool(trained.classes)
    return name in ANCHOR_RULES and name in trained.anchors
