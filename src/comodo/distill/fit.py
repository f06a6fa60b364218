"""Students that are fitted in one pass, without gradients (MiniRocket)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch

from comodo.clips.imu_windows import ImuWindows
from comodo.models.base import Student
from comodo.models.baselines.minirocket import ridge_head
from comodo.models.embed import embed_batches
from comodo.objectives import Lesson

RIDGE_WINDOWS: Final = 10_000  # that a student is fitted on at most


def fit_student(student: Student, lesson: Lesson, imu: Sequence[Path]) -> None:
    """Fit a student on the train windows, in place; its classifier is a ridge regression on its features.

    Args:
        student: one with `fitted`.
        lesson: its train windows; of a lesson with classes, the classifier is replaced.
        imu: the preprocessed shards.
    """
    chosen = lesson.train
    if len(chosen) > RIDGE_WINDOWS:
        keep = np.random.default_rng(0).choice(len(chosen), RIDGE_WINDOWS, replace=False)
        chosen = chosen.iloc[np.sort(keep)]
    windows = ImuWindows(chosen, imu)
    student.fit(student.collate([windows[row] for row in range(len(windows))])[0].numpy())
    if lesson.classes:
        features = torch.cat(list(embed_batches(student, windows, "cpu"))).numpy()
        lesson.heads["classifier"] = ridge_head(features, chosen["label"].to_numpy(object), lesson.classes)
