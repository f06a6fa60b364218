"""`comodo fit`: add a classifier to a student from a few labelled segments."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from comodo.commands.imu_files import add_imu_flags, add_student_flag, imu_files, input_format, warn
from comodo.commands.inputs import check_model
from comodo.errors import CommandError, ImuError
from comodo.text import inert

if TYPE_CHECKING:
    from comodo.deploy.fit import Labelled


def main(arguments: Sequence[str]) -> int:
    """Run `comodo fit …`; returns the exit status, 1 where a file could not be used (the others are)."""
    options = _parser().parse_args(arguments)
    check_model("--student", options.student)
    if (options.features is None) == (options.labels is None or options.imu is None):
        raise CommandError("give --labels with --imu, or --features")
    if options.out.exists():
        raise CommandError(f"--out {options.out} exists: name a new folder")
    from comodo.deploy.fit import check_labels, save_with_head
    from comodo.models.hub import whole_folder

    folder = whole_folder(options.student)
    data, faults = (_of_features(options), 0) if options.features else _of_files(options, folder)
    check_labels(data, str(options.labels or options.features))
    calibration = save_with_head(folder, options.head, data, options.out)
    counts = {name: int((data.labels == name).sum()) for name in sorted(set(data.labels))}
    print(
        inert(
            f"{options.out}: {options.head} head, windows: "
            + ", ".join(f"{k} {v}" for k, v in counts.items())
        )
    )
    if calibration is None:
        warn("note: no class has segments enough to calibrate the scores")
    else:
        print(f"top-1 {100 * calibration.top1:.1f} % in cross-validation over segments")
    return 1 if faults else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="comodo fit", description=__doc__)
    add_student_flag(parser)
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="csv of segments: file, start_s, end_s (s after the start of the recording), label",
    )
    add_imu_flags(parser, required=False)
    parser.add_argument(
        "--features",
        type=Path,
        metavar="FILE",
        help="instead: features.h5 of the workflow, whose train windows are used",
    )
    parser.add_argument(
        "--head",
        choices=("logistic", "svm"),
        default="logistic",
        help="logistic regression, or the published SVM (no export); default %(default)s",
    )
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FOLDER", help="receives the student with the classifier"
    )
    return parser


def _of_features(options: argparse.Namespace) -> Labelled:
    """Return the train windows of a feature file."""
    import numpy as np

    from comodo.deploy.fit import Labelled
    from comodo.evaluate.identity import STUDENT
    from comodo.models.distilled import student_digest
    from comodo.storage.artefacts import SUMS, open_hdf5

    with open_hdf5(options.features) as file:
        made_by = str(file.attrs.get(STUDENT, ""))
        if (
            made_by
            and (Path(options.student) / SUMS).is_file()
            and made_by != student_digest(Path(options.student))
        ):
            raise CommandError(f"{options.features} has features of another student than {options.student}")
        train = file["train"]
        recordings = train["recording"].asstr()[:]
        _, groups = np.unique(recordings.astype(str), return_inverse=True)
        return Labelled(train["feature"][:], train["label"].asstr()[:], groups)


def check_names(labels: Path, named: Iterable[str], files: Sequence[Path]) -> None:
    """Raise `CommandError` where a name in the labels fits several files."""
    counts = Counter(path.name for path in files)
    for name in dict.fromkeys(named):
        if name not in map(str, files) and counts[Path(name).name] > 1:
            raise CommandError(
                f"{labels} names {name}, which fits several files of --imu: write the path as given there"
            )


def _of_files(options: argparse.Namespace, folder: Path) -> tuple[Labelled, int]:
    """Return the labelled windows of IMU files, and how many files could not be used."""
    import numpy as np

    from comodo.deploy.fit import Labelled, labelled_windows, read_labels, segments_of
    from comodo.jobs.devices import use_device
    from comodo.models.about import read_about
    from comodo.models.embed import embed
    from comodo.models.students import load_student
    from comodo.recordings.one_file import read_signal

    about = read_about(folder)
    form = input_format(options, about.input if about else None)
    table = read_labels(options.labels)
    windows, labels, groups, used = [], [], [], set()
    check_names(options.labels, table["file"], options.imu)
    faults = 0
    for path, (settings, gyro) in imu_files(options, form).items():
        segments = segments_of(table, path, [str(other) for other in options.imu if other != path])
        if segments.empty:
            warn(f"{path}: no segment of {options.labels} names it")
            continue
        used |= set(segments.index)
        try:
            signal = read_signal(path, settings, gyro)
        except ImuError as error:
            faults += 1
            warn(f"{path}: left out ({error})")
            continue
        warn(*(f"{path}: note: {text}" for text in signal.notes))
        found = labelled_windows(signal, segments, form.clip_s)
        empty = set(segments.index) - {number for number, _, _ in found}
        for number in sorted(empty):
            row = segments.loc[number]
            warn(
                f"{options.labels}, row {number + 2}: no whole window in {row['start_s']:g} to {row['end_s']:g} s "
                f"of {path}"
            )
        for number, label, window in found:
            windows.append(window)
            labels.append(label)
            groups.append(number)
    if unused := sorted(set(table["file"]) - set(table.loc[sorted(used), "file"])):
        raise CommandError(f"{options.labels} names {unused[0]}, which is not among --imu")
    if not windows:
        raise CommandError(f"no labelled window: the segments of {options.labels} hold no whole window")
    encoder = load_student(folder).to(use_device(threads=os.cpu_count() or 1))
    return Labelled(embed(encoder, windows), np.array(labels, dtype=object), np.array(groups)), faults
