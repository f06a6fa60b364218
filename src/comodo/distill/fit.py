"""Fit students that are not trained by gradient descent (MiniRocket)."""

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

RIDGE_WINDOWS: Final = 10_000  # maximum number of windows to fit


def fit_student(student: Student, lesson: Lesson, imu: Sequence[Path]) -> None:
    """Fit a student in place to the train windows, and its classifier by ridge regression on its features.

    Args:
        student: a student with `fitted`.
        lesson: the train windows. If the lesson has classes, its classifier is replaced.
        imu: preprocessed IMU shards.
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
