"""Export a student as an ONNX graph that takes raw windows, and compare it with torch."""

from __future__ import annotations

import importlib.util
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from comodo.deploy.classifier import Classifier
from comodo.errors import ModelError
from comodo.models.about import InputFormat
from comodo.models.base import Student, noise_window
from comodo.storage.files import atomic
from comodo.text import first_line

PARITY: Final = (
    1e-4  # greatest difference from torch, as a share of the largest value of an output, at least of 1
)
BATCHES: Final = (1, 3, 64)
OPSET: Final = 18
PACKAGES: Final = ("onnxruntime", "onnx", "onnxscript")
"""Packages of the extra `onnx` that an export imports."""
OUTPUTS: Final = ("features", "embedding", "scores")
NOT_EXPORTED: Final = {
    "timesnet": "its periods depend on the values of each batch",
    "minirocket": "its features are computed by aeon, outside torch",
}
"""Families that have no graph, and why."""
Windows = NDArray[np.float32]


@dataclass(frozen=True)
class Exported:
    """Result of an export.

    Attributes:
        path: the graph.
        difference: greatest difference from torch over all outputs and batches, as in `compare`; of int8 the mean
            cosine distance of the features from those of the float32 graph.
        agreement: of int8 the share of windows with the same class as float32; None without classes.
        method: `float32`, `int8 static` or `int8 dynamic`.
    """

    path: Path
    difference: float
    agreement: float | None = None
    method: str = "float32"


class Graph(nn.Module):
    """Student, and its ranking of classes if there is one, from raw windows (B, C, T).

    Args:
        student: the encoder.
        classifier: the same student with classes; None: features alone.
        length: T, samples per window.
    """

    def __init__(self, student: Student, classifier: Classifier | None, length: int) -> None:
        super().__init__()
        self.student, self.classifier = student, classifier
        _, mask = student.collate([np.zeros((student.channels, length), dtype=np.float32)])
        self.padding = 0
        if mask is not None:  # short windows are padded on the left
            self.padding = mask.shape[1] - length
            self.register_buffer("mask", mask)

    def forward(self, windows: Tensor) -> tuple[Tensor, ...]:
        """Return features, and with classes also embedding and scores."""
        if self.padding:
            windows = F.pad(windows, (self.padding, 0))
            mask: Tensor = self.mask  # type: ignore[assignment]
            features = self.student(windows, mask.expand(windows.shape[0], -1))
        else:
            features = self.student(windows)
        return (features,) if self.classifier is None else self.classifier.classify(features)


def window_length(form: InputFormat) -> int:
    """Return the samples of a window. Raises `ModelError` for a student of whole recordings."""
    if form.clip_s is None:
        raise ModelError("this student was trained on whole recordings: a graph needs windows of one length")
    return round(form.clip_s * form.rate_hz)


def export_onnx(
    student: Student,
    classifier: Classifier | None,
    form: InputFormat,
    target: Path,
    windows: Windows | None = None,
) -> Exported:
    """Write a float32 graph with a dynamic batch, and compare it with torch.

    The graph takes `windows` (B, C, T) in m/s² and rad/s, without NaN, and returns `features` (B, dim); with classes
    also `embedding` (B, d) and `scores` (B, classes). Its metadata hold the input format and the classes.

    Args:
        student: the encoder.
        classifier: the same student with classes; None: features alone.
        form: windows that the student expects.
        target: the file to write.
        windows: (n, C, T) real windows for the comparison; None: noise.

    Raises:
        ModelError: if the student cannot be exported, a package is missing, or the graph differs from torch. No file
            is left then.
    """
    if student.family in NOT_EXPORTED:
        raise ModelError(f"a {student.family} student has no ONNX graph: {NOT_EXPORTED[student.family]}")
    check_installed()
    length = window_length(form)
    graph = Graph(student, classifier, length).cpu().eval()
    with torch.inference_mode():  # so that modules keep what they compute once
        graph(torch.from_numpy(_batch(None, student.channels, length, 2)))
    names = list(OUTPUTS[: 1 if classifier is None else 3])
    example = torch.from_numpy(_batch(windows, student.channels, length, 3))
    with atomic(target) as partial:
        with quiet_export(), torch.no_grad():
            try:
                program = torch.onnx.export(
                    graph,
                    (example,),
                    input_names=["windows"],
                    output_names=names,
                    opset_version=OPSET,
                    dynamo=True,
                    dynamic_shapes={"windows": {0: torch.export.Dim("batch", min=1, max=1 << 16)}},
                    verbose=False,
                )
            except Exception as error:  # the exporter raises any exception for what it cannot trace
                cause = error.__cause__ or error
                raise ModelError(
                    f"this {student.family} student cannot be exported: {first_line(cause)}"
                ) from error
            assert program is not None
            program.model.metadata_props.update(metadata(form, classifier))
            program.save(str(partial))
        difference = compare(graph, partial, windows, student.channels, length)
        if not difference <= PARITY:
            raise ModelError(
                f"the graph of this {student.family} student differs from torch by {difference:.2g}, more than "
                f"{PARITY:g}: it is not written"
            )
    return Exported(target, difference)


def metadata(form: InputFormat, classifier: Classifier | None) -> dict[str, str]:
    """Return the metadata of a graph: input format and classes, as JSON texts."""
    about: dict[str, Any] = {
        "rate_hz": form.rate_hz,
        "clip_s": form.clip_s,
        "max_gap_s": form.max_gap_s,
        "channels": list(form.channels),
        "units": list(form.units),
    }
    if classifier is not None:
        threshold = classifier.calibration.unknown_below if classifier.calibration else None
        about |= {"classes": classifier.classes, "unknown_below": threshold}
    return {f"comodo.{key}": json.dumps(value, ensure_ascii=False) for key, value in about.items()}


def compare(graph: Graph, path: Path, windows: Windows | None, channels: int, length: int) -> float:
    """Return the greatest difference between torch and ONNX Runtime over batches of 1, 3 and 64.

    Differences are absolute for outputs up to 1, and a share of the largest value of the output above: a window of a
    sensor at rest is divided by a small deviation, so its features differ by more than those of others.
    """
    session = open_session(path)
    worst = 0.0
    for size in BATCHES:
        batch = _batch(windows, channels, length, size)
        with torch.inference_mode():
            wanted = [values.numpy() for values in graph(torch.from_numpy(batch))]
        found = session.run(None, {"windows": batch})
        for one, other in zip(wanted, found, strict=True):
            same = one.shape == other.shape
            scale = max(1.0, float(np.abs(one).max()))
            worst = max(worst, float(np.abs(one - other).max()) / scale if same else np.inf)
    return worst


def check_installed() -> None:
    """Check that the packages of the extra `onnx` are installed. Raises `ModelError`."""
    if missing := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
        raise ModelError(
            f"{', '.join(missing)} is not installed: pip install {' '.join(PACKAGES)}, or comodo[onnx]"
        )


def open_session(path: Path, threads: int = 1) -> Any:
    """Return an ONNX Runtime session of a graph on the CPU.

    Raises:
        ModelError: if a package of the extra `onnx` is not installed.
    """
    check_installed()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run_graph(session: Any, windows: Windows, batch_size: int = 64) -> dict[str, NDArray[np.float32]]:
    """Return the outputs of a graph by name for windows (n, C, T)."""
    names = [output.name for output in session.get_outputs()]
    parts = [
        session.run(None, {"windows": windows[start : start + batch_size]})
        for start in range(0, len(windows), batch_size)
    ]
    return {name: np.concatenate(rows) for name, rows in zip(names, zip(*parts, strict=True), strict=True)}


def _batch(windows: Windows | None, channels: int, length: int, size: int) -> Windows:
    """Return windows (size, C, T), repeated if there are fewer; noise without any."""
    if windows is None or not len(windows):
        return np.stack([noise_window(channels, length) * (1 + 0.1 * row) for row in range(size)])
    return np.ascontiguousarray(windows[np.arange(size) % len(windows)])


@contextmanager
def quiet_export() -> Iterator[None]:
    """Suppress the progress and warnings of the exporter and the quantiser."""
    import contextlib
    import io

    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)
