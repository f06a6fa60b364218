"""How fast this machine's device is: seconds per clip that a teacher encodes, per window that a student learns from.

Models have fresh weights of the architectures that the config names, so that no checkpoint need be there.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError

from comodo.config import ModelSettings, StudentSettings, TeacherSettings, VideoSettings, model_name
from comodo.errors import DataError
from comodo.jobs.devices import use_device
from comodo.storage.regular import read_bytes
from comodo.text import first_line

if TYPE_CHECKING:
    from comodo.models.base import Student

TEACHERS: Final = {"videomae": "VideoMAE", "timesformer": "Timesformer"}  # family: its name in `transformers`
BASE: Final = "{family}-base"  # what known checkpoints of these begin with; the families' default size
CHANNELS: Final = 6
PROJECTION: Final = (2048, 128)  # of the student's head; the queue has 1024
REPEATS: Final = 3


def _moment(d_model: int, d_ff: int, layers: int, heads: int) -> tuple[str, dict[str, Any]]:
    t5 = {"d_model": d_model, "d_ff": d_ff, "d_kv": 64, "num_layers": layers, "num_heads": heads}
    return "moment", {"t5_config": {**t5, "model_type": "t5", "feed_forward_proj": "gated-gelu"}}


STUDENTS: Final[dict[str, tuple[str, dict[str, Any]]]] = {  # known checkpoints: architecture and its config
    "Mantis-8M": ("mantis", {}),
    "MOMENT-1-small": _moment(512, 1024, 8, 6),
    "MOMENT-1-base": _moment(768, 2048, 12, 12),
    "MOMENT-1-large": _moment(1024, 2816, 24, 16),
}


class Rates(BaseModel):
    """Device time per clip or window, as measured.

    Attributes:
        device: the device of the measurement.
        seconds: per item, by work ("encode <model>", "train <model>, <n> samples", "embed …") and batch size.
        widths: values in an embedding, by model.
        failed: why a model could not be measured, by model.
    """

    device: str
    seconds: dict[str, dict[int, float]] = Field(default_factory=dict)
    widths: dict[str, int] = Field(default_factory=dict)
    failed: dict[str, str] = Field(default_factory=dict)

    def per_item(self, work: str, batch_size: int) -> float:
        """Seconds per item in batches of that size, or of the nearest smaller one measured; NaN where unknown."""
        sizes = self.seconds.get(work)
        if not sizes:
            return math.nan
        return sizes[max((size for size in sizes if size <= batch_size), default=min(sizes))]


def read_rates(path: Path) -> Rates:
    """Read the JSON of a `Rates`.

    Raises:
        ValueError: when the file holds something else.
    """
    try:
        return Rates.model_validate_json(read_bytes(path))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise DataError(f"{path} holds no rates ({reason}): write one by --save-rates") from error


def rate_name(settings: ModelSettings) -> str:
    """Return the name of a model in `Rates`: the end of its checkpoint, or architecture and digest of its config."""
    name = model_name(settings)
    if arguments := settings.architecture_config or settings.class_kwargs:
        config = json.dumps(arguments, sort_keys=True)
        name += f"-{hashlib.sha256(config.encode()).hexdigest()[:6]}"
    return name


def measure(
    teachers: Iterable[TeacherSettings],
    students: Iterable[tuple[StudentSettings, Iterable[int], int]],
    budget_s: float = 45.0,
) -> Rates:
    """Time models with fresh weights on this machine's device, for about `budget_s` seconds in all.

    Batches grow from the smallest to what is asked for, as far as the time goes: what is slow is measured on little,
    but everything at least once.

    Args:
        teachers: they encode random clips, in batches up to their own batch size.
        students: settings, lengths of windows in samples, largest batch size. Timed are a whole training step (student,
            head, COMODO's loss, AdamW) and the embedding of random windows.
        budget_s: time for each measurement, s; a slower one still takes its full time.
    """
    import torch

    threads = os.cpu_count() or 1
    device = use_device(threads)
    load = os.getloadavg()[0]
    name = f"CPU ({platform.machine()}, {threads} threads)"
    if device.startswith("cuda"):
        name = torch.cuda.get_device_name(device)
    elif load > threads / 2:
        name += f", busy with other work (load {load:.1f}), so slower than it could be"
    rates = Rates(device=f"{name}, torch {torch.__version__}")
    jobs: dict[str, Callable[[float], None]] = {}
    for teacher in teachers:
        jobs[rate_name(teacher)] = partial(_time_teacher, rates, teacher, device)
    for student, lengths, batch_size in students:
        jobs[rate_name(student)] = partial(_time_student, rates, student, sorted(lengths), batch_size, device)
    end = time.perf_counter() + budget_s
    for place, (model, job) in enumerate(jobs.items()):
        now = time.perf_counter()
        try:
            job(now + (end - now) / (len(jobs) - place))
        except (ValueError, OSError, ImportError, RuntimeError) as error:
            rates.failed[model] = first_line(error)
    return rates


def _time_teacher(rates: Rates, settings: TeacherSettings, device: str, until: float) -> None:
    import torch

    width, shape, encode = _teacher(settings, device)
    clip = torch.randn(1, *shape, device=device)

    @torch.inference_mode()
    def run(size: int) -> None:
        encode(clip.expand(size, *shape)).cpu()  # .cpu() waits for the device

    name = rate_name(settings)
    rates.seconds[f"encode {name}"] = ramp(run, 1, settings.batch_size, until)
    rates.widths[name] = width


def _teacher(settings: TeacherSettings, device: str) -> tuple[int, tuple[int, ...], Callable[[Any], Any]]:
    """Width of a teacher's embedding, shape (T, 3, S, S) of its clips, and the function between."""
    import transformers

    from comodo.embeddings.encode import start_teacher

    name = model_name(settings)
    known = [family for family in TEACHERS if name.startswith(BASE.format(family=family))]
    family = settings.architecture or (known[0] if known else None)
    if family is None:  # another checkpoint, which the config's run also needs
        teacher = start_teacher(settings, None, device)
        side = teacher.image_size or VideoSettings().size
        return teacher.dim, (teacher.n_frames, 3, side, side), teacher.encode
    config = getattr(transformers, f"{TEACHERS[family]}Config")(**settings.architecture_config)
    model = getattr(transformers, f"{TEACHERS[family]}Model")(config).to(device).eval()
    shape = (config.num_frames, 3, config.image_size, config.image_size)
    return config.hidden_size, shape, lambda clips: model(pixel_values=clips).last_hidden_state.mean(dim=1)


def _time_student(
    rates: Rates, settings: StudentSettings, lengths: list[int], batch_size: int, device: str, until: float
) -> None:
    name = rate_name(settings)
    student = _student(settings).to(device)
    timed: dict[int, tuple[dict[int, float], dict[int, float]]] = {}  # by length after padding or stretching
    for place, length in enumerate(lengths):
        window = np.random.default_rng(0).standard_normal((CHANNELS, length), dtype=np.float32)
        seen = student.collate([window])[0].shape[-1]
        if seen not in timed:
            now = time.perf_counter()
            share = now + (until - now) / (len(lengths) - place)
            timed[seen] = _time_steps(student, window, batch_size, device, share)
        for what, seconds in zip(("train", "embed"), timed[seen], strict=True):
            rates.seconds[f"{what} {name}, {length} samples"] = seconds
    rates.widths[name] = student.dim


def _student(settings: StudentSettings) -> Student:
    from comodo.models.by_class import new_class_student
    from comodo.models.students import load_student, new_student

    if settings.class_path is not None:
        return new_class_student(settings.class_path, settings.class_kwargs, 0)
    if settings.architecture is not None:
        return new_student(settings.architecture, settings.architecture_config, 0)
    if model_name(settings) in STUDENTS:
        architecture, config = STUDENTS[model_name(settings)]
        return new_student(architecture, config, 0, "concat", settings.gradient_checkpointing)
    return load_student(
        settings.checkpoint or "", "concat", settings.revision, settings.gradient_checkpointing
    )


def _time_steps(
    student: Student, window: NDArray[np.float32], batch_size: int, device: str, until: float
) -> tuple[dict[int, float], dict[int, float]]:
    import torch
    from torch import Tensor
    from torch.nn.functional import normalize

    from comodo.models.heads import new_head
    from comodo.objectives.comodo import ComodoLoss

    head = new_head(student.dim, *PROJECTION, seed=0, name="student").to(device).train()
    objective = ComodoLoss(normalize(torch.randn(1024, PROJECTION[1]), dim=1)).to(device)
    teacher = normalize(torch.randn(batch_size, PROJECTION[1], device=device), dim=1)
    optimizer = torch.optim.AdamW([*student.parameters(), *head.parameters()], lr=1e-4)

    def batch(size: int) -> tuple[Tensor, Tensor | None]:
        windows, mask = student.collate([window] * size)
        return windows.to(device), None if mask is None else mask.to(device)

    def train(size: int) -> None:
        student.train()
        loss = objective(head(student(*batch(size))), teacher[:size])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()  # waits for the device

    @torch.inference_mode()
    def embed(size: int) -> None:
        student.eval()
        student(*batch(size)).cpu()

    now = time.perf_counter()
    # a head needs two windows for its batch statistics
    trained = ramp(train, 2, batch_size, now + 0.7 * (until - now))
    return trained, ramp(embed, 2, batch_size, until)


def ramp(run: Callable[[int], None], first: int, largest: int, until: float) -> dict[int, float]:
    """Time `run(batch size)`: seconds per item by batch size, the best of a few runs.

    Sizes double from `first` to `largest` while the clock (`time.perf_counter`) is expected to stay below `until`; the
    first size is always run once.
    """
    found: dict[int, float] = {}
    size = min(first, largest)
    while not found or time.perf_counter() + size * min(found.values()) < until:
        times: list[float] = []
        while not times or (len(times) < REPEATS and time.perf_counter() + min(times) < until):
            began = time.perf_counter()
            run(size)
            times.append(time.perf_counter() - began)
        found[size] = min(times) / size
        if size == largest:
            break
        size = min(2 * size, largest)
    return found
