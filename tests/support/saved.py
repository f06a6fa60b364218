"""Small saved students with anchors, for tests. A class is a frequency at which the sensor sways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from comodo.models.about import About, Calibration, InputFormat
from comodo.models.distilled import save_distilled
from comodo.models.embed import embed
from comodo.models.students import Student
from comodo.recordings.signal import CHANNELS
from tests.support.students import small_student

FORM = InputFormat(
    rate_hz=50.0, clip_s=2.0, max_gap_s=0.1, channels=CHANNELS, units=("m/s²",) * 3 + ("rad/s",) * 3
)
SWAYS = {"fast": 3.0, "medium": 1.0, "slow": 0.3}  # Hz


def sway(time: NDArray[np.float64], hz: float, phase: float = 0.0) -> NDArray[np.float64]:
    """Accel (m/s², gravity on y) and gyro (rad/s) of a swaying sensor at given times: (N, 6)."""
    angle = 2 * np.pi * hz * time[:, None] + np.arange(6) + phase
    samples = np.sin(angle) * np.array([2, 1, 3, 0.5, 1, 0.7])
    samples[:, 1] += 9.81
    return samples


def windows_of(label: str, count: int, form: InputFormat = FORM, seed: int = 0) -> NDArray[np.float32]:
    """Windows (count, 6, T) of a class."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(form.clip_s * form.rate_hz)) / form.rate_hz
    rows = [sway(time, SWAYS[label] * rng.uniform(0.9, 1.1), rng.uniform(0, 6)).T for _ in range(count)]
    return np.stack(rows).astype(np.float32)


def save_trained(
    folder: Path, family: str = "mantis", form: InputFormat = FORM, **about: Any
) -> tuple[Student, dict[str, nn.Module]]:
    """Save a student whose anchors are the mean embeddings of its own windows of each class."""
    student = small_student(family)
    torch.manual_seed(0)
    head = nn.Linear(student.dim, 8)
    with torch.no_grad():
        means = torch.stack(
            [head(torch.from_numpy(embed(student, windows_of(name, 20, form)))).mean(dim=0) for name in SWAYS]
        )
    centre = means.mean(dim=0)
    with torch.no_grad():  # random features share a large mean, which hides the classes from the cosine
        head.bias -= centre
    anchors = {rule: means - centre for rule in ("first", "medoid", "mean")}
    calibration = Calibration(
        temperature=0.1, ece_before=0.4, ece_after=0.1, unknown_below=0.2, windows=60, top1=0.9
    )
    described = About.model_validate(
        {
            "input": form,
            "dataset": "d",
            "experiment": "e",
            "objective": "comodo",
            "anchor_classes": tuple(SWAYS),
            "calibration": {"mean": calibration},
            "train_windows": dict.fromkeys(SWAYS, 20),
            **about,
        }
    )
    heads = {"student": head}
    save_distilled(folder, student, heads, [], anchors, described, objective="comodo")
    return student, heads


COLUMNS = ["--csv", "time=t", "accel=ax,ay,az", "gyro=gx,gy,gz"]  # of `write_csv`


def write_csv(path: str, rate_hz: float = 100.0, seconds: float = 60.0, scale: float = 1.0) -> Path:
    """A recording of the three classes, 20 s each."""
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    values = np.concatenate(
        [sway(part, hz) for part, hz in zip(np.array_split(time, 3), SWAYS.values(), strict=True)]
    )
    table = np.column_stack([time, values * scale])
    np.savetxt(path, table, delimiter=",", header="t,ax,ay,az,gx,gy,gz", comments="", fmt="%.9g")
    return Path(path)
