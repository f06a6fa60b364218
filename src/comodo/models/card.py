"""Model card of a saved student: README.md with the metadata of the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import yaml

from comodo.models.about import About
from comodo.models.base import Student
from comodo.text import inert_line

CARD: Final = "README.md"
NON_COMMERCIAL: Final = "-nc"


def model_card(about: About, student: Student, classes: Sequence[str]) -> str:
    """Return the text of a model card.

    Args:
        about: description of the student.
        student: the student.
        classes: classes of its classifier; empty without one.
    """
    parts = [
        f"---\n{yaml.safe_dump(_metadata(about), sort_keys=False, allow_unicode=True)}---",
        f"# {_text(about.experiment or 'IMU encoder')}",
        _summary(about, student),
        "## Input",
        _input(about),
        "## Use",
        USE.format(rate_hz=about.input.rate_hz, clip_s=about.input.clip_s),
        "## Data and training",
        _training(about, student),
        "## Figures",
        _figures(about),
        "## Classes",
        _classes(about, classes),
        "## Limits",
        LIMITS,
        "## Licence",
        _license(about),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


USE: Final = """```sh
comodo predict --student user/name --imu walk.csv --out predictions.csv   # what somebody did, window by window
comodo embed --student user/name --imu walk.csv --out features.h5         # features for a classifier of your own
comodo export --student user/name --out student.onnx                      # for a device
```

```python
import comodo

student = comodo.load_student("user/name")  # or this folder
signal = comodo.read_imu("walk.csv", rate_hz={rate_hz:g})
features = comodo.embed(student, comodo.cut_windows(signal, seconds={clip_s}))
```

To share this folder: `hf upload user/name .`"""
LIMITS: Final = """The student was trained on one sensor position and on few people. A sensor that is worn elsewhere,
turned, or of another range gives other features. Every prediction is one of the classes above. Scores are
calibrated on recordings like those of the training. Energy and latency on a phone were not measured."""


def _text(text: str) -> str:
    """Return a text from the config or the data as inert Markdown."""
    escaped = inert_line(text)
    for sign in "\\`*_[]<>|#":
        escaped = escaped.replace(sign, f"\\{sign}" if sign not in "<>" else {"<": "&lt;", ">": "&gt;"}[sign])
    return escaped


def _metadata(about: About) -> dict[str, Any]:
    metadata: dict[str, Any] = {"library_name": "comodo"}
    if about.license:
        metadata["license"] = about.license
    base = about.student.get("model", "")
    if "/" in base:
        metadata["base_model"] = base
    return metadata | {"tags": ["imu", "human-activity-recognition", "knowledge-distillation", "egocentric"]}


def _summary(about: About, student: Student) -> str:
    weights = sum(values.numel() for values in student.parameters())
    text = f"An IMU encoder ({student.family}, {weights:,} weights) that maps a window to {student.dim} features."
    if about.teacher:
        return f"{text} It was trained by the objective {_text(about.objective)} from {_text(about.teacher['model'])}."
    return f"{text} Objective: {_text(about.objective or 'none')}."


def _input(about: About) -> str:
    form = about.input
    length = "a whole recording" if form.clip_s is None else f"{form.clip_s:g} s"
    rows = [
        f"Windows (batch, {len(form.channels)}, samples), float32, of {length} at {form.rate_hz:g} Hz. "
        f"Holes up to {form.max_gap_s:g} s are interpolated; windows with longer holes are left out. Channels:",
        "| | channel | unit |\n|---|---|---|\n"
        + "\n".join(
            f"| {number} | {_text(name)} | {unit} |"
            for number, (name, unit) in enumerate(
                zip(form.channels, form.units or ("",) * len(form.channels), strict=True)
            )
        ),
    ]
    return "\n\n".join(rows)


def _training(about: About, student: Student) -> str:
    total = sum(about.train_windows.values())
    lines = [
        f"- dataset: {_text(about.dataset)}, {total:,} train windows of {len(about.train_windows)} classes",
        *([f"- teacher: {_text(about.teacher['model'])}"] if about.teacher else []),
        f"- started from: {_text(about.student.get('model', student.family))}",
        f"- seed: {about.seed}" + ("" if about.fold is None else f", fold {about.fold}"),
    ]
    simple = {key: value for key, value in about.settings.items() if isinstance(value, (int, float, str))}
    lines += [
        f"- {_text(key)}: {_text(str(value))}"
        for key, value in simple.items()
        if key not in ("dataset", "teacher")
    ]
    packages = ", ".join(f"{name} {number}" for name, number in about.packages.items())
    return "\n".join([*lines, f"- packages: {packages}"])


def _figures(about: About) -> str:
    lines = []
    if about.val:
        figures = ", ".join(f"{_text(name)} {value:.3f}" for name, value in about.val.items())
        lines.append(f"At the end of the training, on val: {figures}.")
    for name, found in about.calibration.items():
        threshold = "none" if found.unknown_below is None else f"{found.unknown_below:.3f}"
        lines.append(
            f"Calibration of {name} on {found.windows} val windows: temperature {found.temperature:.3g}, expected "
            f"calibration error {found.ece_before:.3f} before and {found.ece_after:.3f} after; windows with a margin "
            f"below {threshold} are called unknown."
        )
    if about.test:
        lines.append(
            "| dataset | protocol | labels per class | scoring | top-1, % | 95 % interval | test windows |\n"
            "|---|---|---|---|---|---|---|\n"
            + "\n".join(
                f"| {_text(row['dataset'])} | {row['protocol']} | {row['labels_per_class']} | {row['scoring']} | "
                f"{100 * row['top1']:.1f} | {100 * row['low']:.1f} to {100 * row['high']:.1f} | {row['n_test']} |"
                for row in about.test
            )
        )
    return "\n\n".join(lines) or "None were measured yet."


def _classes(about: About, classes: Sequence[str]) -> str:
    lists = {"classifier": tuple(classes), "anchors": about.anchor_classes}
    named = {role: ", ".join(map(_text, names)) for role, names in lists.items() if names}
    if not named:
        return "The student has no anchors and no classifier: `comodo fit` adds one from a few labels."
    if len(set(named.values())) == 1:
        return next(iter(named.values()))
    return "\n".join(f"- {role}: {names}" for role, names in named.items())


def _license(about: About) -> str:
    own = (
        f"This student: {_text(about.license)}."
        if about.license
        else "No licence was given (config key `license`)."
    )
    lines = [own]
    for role, model in (("teacher", about.teacher), ("starting weights", about.student)):
        if (found := model.get("license")) is not None:
            lines.append(f"The {role} {_text(model['model'])}: {found}.")
            if NON_COMMERCIAL in found:
                lines.append(
                    f"**The licence of the {role} excludes commercial use. Clarify whether it binds a student "
                    "trained with it before you use or share it commercially.**"
                )
        elif "/" in model.get("model", ""):
            lines.append(f"The licence of the {role} {_text(model['model'])} stands on its own page.")
    return " ".join(lines)
