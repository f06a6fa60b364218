"""`comodo export`: an ONNX graph of a student, for a phone, a browser or a microcontroller with ONNX Runtime.

The graph takes windows (batch, channels, samples) in m/s² and rad/s. See docs/use.md.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from comodo.commands.imu_files import (
    add_by_flag,
    add_imu_flags,
    add_student_flag,
    imu_files,
    input_format,
    warn,
)
from comodo.commands.inputs import check_model
from comodo.commands.outputs import output_file
from comodo.errors import CommandError, ImuError
from comodo.text import inert

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from comodo.models.about import InputFormat


def main(arguments: Sequence[str]) -> int:
    """Run `comodo export …`; returns the exit status."""
    options = _parser().parse_args(arguments)
    check_model("--student", options.student)
    if options.out.suffix != ".onnx":
        raise CommandError(f"--out {options.out}: give a name that ends in .onnx")
    if not options.out.absolute().parent.is_dir():
        raise CommandError(f"--out {options.out}: the folder {options.out.absolute().parent} does not exist")
    if options.int8 and not options.imu:
        raise CommandError(
            "--int8 needs recordings from training to calibrate its ranges: name them by --imu"
        )
    inputs = [Path(options.student), *(options.imu or [])]
    target = output_file("--out", options.out, inputs, "an ONNX graph", _is_graph)
    from comodo.deploy.classifier import classifier_of, load_classifier
    from comodo.deploy.export import export_onnx
    from comodo.deploy.quantise import quantise
    from comodo.models.distilled import load_distilled
    from comodo.models.hub import whole_folder

    folder = whole_folder(options.student)
    trained = load_distilled(folder, "cpu")
    form = input_format(options, trained.about.input if trained.about else None)
    classifier = load_classifier(folder, options.by) if options.by else classifier_of(trained, folder)
    if classifier is None:
        warn("note: the student has no classes, so the graph returns features alone")
    student = trained.student if classifier is None else classifier.student
    windows = _windows(options, form) if options.imu else None
    if not options.int8:
        made = export_onnx(student, classifier, form, target, windows)
    else:
        assert windows is not None
        with tempfile.TemporaryDirectory() as scratch:
            whole = export_onnx(student, classifier, form, Path(scratch, "float32.onnx"), windows)
            made = quantise(whole.path, windows, target)
    size = target.stat().st_size / 1e6
    same = (
        ""
        if made.agreement is None
        else f", the class is the same in {100 * made.agreement:.1f} % of windows"
    )
    kind = (
        "greatest difference from torch"
        if not options.int8
        else "mean cosine distance of features from float32"
    )
    print(inert(f"{options.out}: {made.method}, {size:.2f} MB, {kind} {made.difference:.2g}{same}"))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="comodo export", description=__doc__)
    add_student_flag(parser)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("student.onnx"),
        metavar="FILE",
        help="ONNX file; default %(default)s",
    )
    parser.add_argument("--int8", action="store_true", help="quantise to int8; needs --imu")
    add_by_flag(parser)
    add_imu_flags(parser, required=False)
    return parser


def _windows(options: argparse.Namespace, form: InputFormat) -> NDArray[np.float32]:
    """Return the windows (n, C, T) of the files of `--imu`."""
    import numpy as np

    from comodo.clips.cut import cut_windows
    from comodo.recordings.one_file import read_signal

    found = []
    for path, (settings, gyro) in imu_files(options, form).items():
        try:
            found.append(cut_windows(read_signal(path, settings, gyro), form.clip_s).data)
        except ImuError as error:
            warn(f"{path}: left out ({error})")
    if not found:
        raise CommandError("no file of --imu has a whole window")
    return np.concatenate(found)


def _is_graph(path: Path) -> bool:
    """Whether a file may be replaced: its suffix is that of a graph."""
    return path.suffix == ".onnx"
