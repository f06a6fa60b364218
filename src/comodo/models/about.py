"""Description of a saved student: the input it expects, its classes, its calibration, and how it was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from comodo.errors import ModelError
from comodo.storage.regular import read_bytes

ABOUT: Final = "about.json"


class _Record(BaseModel):
    """Read-only record. Keys of a later version are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class InputFormat(_Record):
    """The windows that a student expects.

    Attributes:
        rate_hz: sampling rate, Hz.
        clip_s: length of a window, s; None: a whole recording is one window.
        max_gap_s: longer holes are not interpolated, and windows that touch one are left out, s.
        channels: names of the channels, in their order.
        units: unit of each channel.
        alignment: `timestamps`, or `reference` for the published resampling by index.
    """

    rate_hz: float
    clip_s: float | None
    max_gap_s: float
    channels: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    alignment: Literal["timestamps", "reference"] = "timestamps"


EARLIER: Final = InputFormat(rate_hz=200.0, clip_s=5.0, max_gap_s=0.1)
"""Input of students without a description: the defaults of the config."""


class Calibration(_Record):
    """Calibration of one ranking of classes on val windows.

    Attributes:
        temperature: scores are divided by it before the softmax.
        ece_before: expected calibration error (15 bins) at temperature 1.
        ece_after: the same at `temperature`.
        unknown_below: smallest margin between the two best probabilities at which 90 % of the val windows with at least
            this margin are right; None if no margin achieves it.
        windows: number of val windows.
        top1: their top-1 accuracy.
    """

    temperature: float
    ece_before: float
    ece_after: float
    unknown_below: float | None
    windows: int
    top1: float


class About(_Record):
    """Description of a saved student, the content of about.json.

    Attributes:
        input: the windows that it expects.
        dataset: name of its dataset in the config.
        clip_table: digest of the windows of that dataset.
        teacher: `name`, `model` (hub id, folder name or architecture), `license` if known; empty without a teacher.
        student: `model` that the training started from, and its `license` if known.
        experiment: name of its experiment in the config.
        objective: training objective.
        seed: seed of the run.
        fold: fold of a dataset with folds; None for a fixed split.
        settings: settings of experiment and student.
        train_windows: number of train windows of each class. Objectives with a teacher do not use the labels.
        anchor_classes: classes of the anchors, in the order of their rows.
        calibration: calibrations by ranking: an anchor rule, or `head`.
        uncalibrated: why there is no calibration; "" if there is one.
        val: figures on val at the end of the training.
        test: figures on test, where the student was evaluated.
        packages: versions of the packages.
        license: licence of the student, from the config; None: not given.
    """

    input: InputFormat
    dataset: str = ""
    clip_table: str = ""
    teacher: dict[str, str] = {}
    student: dict[str, str] = {}
    experiment: str = ""
    objective: str = ""
    seed: int = 0
    fold: int | None = None
    settings: dict[str, Any] = {}
    train_windows: dict[str, int] = {}
    anchor_classes: tuple[str, ...] = ()
    calibration: dict[str, Calibration] = {}
    uncalibrated: str = ""
    val: dict[str, float] = {}
    test: tuple[dict[str, Any], ...] = ()
    packages: dict[str, str] = {}
    license: str | None = None


def write_about(about: About, folder: Path) -> None:
    """Write the description of a student to its folder."""
    (folder / ABOUT).write_text(about.model_dump_json(indent=2) + "\n")


def read_about(folder: Path) -> About | None:
    """Return the description of a saved student; None for folders of earlier versions and foreign checkpoints.

    Raises:
        ModelError: if the file is not such a description.
    """
    path = folder / ABOUT
    if not path.is_file():
        return None
    try:
        return About.model_validate_json(read_bytes(path))
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        raise ModelError(f"{path} is not the description of a student: {place}: {fault['msg']}") from None
