"""COMODO: distil what a frozen video model knows into an IMU encoder, without labels.

From a csv file to features:

    import comodo
    signal = comodo.read_imu("walk.csv", {"time": "t", "time_unit": "ms"})
    student = comodo.load_student("results/experiments/comodo/seed42/student")
    features = comodo.embed(student, comodo.cut_windows(signal, seconds=5))

The names of `__all__` are imported on first use. One package per stage of the workflow; imports go downwards in this
list only (`lint-imports`):

    testing       contract checks of a user's own classes
    commands      the command line, the workflow from Python
    deploy        predictions, streams, few-label heads, export
    report, plan  tables and figures; the cost of a config
    evaluate      features and protocols
    distill       the training of one experiment
    objectives    the lesson and the loss of each objective
    embeddings    teacher embeddings: store, anchors
    simulate      a world without recordings
    models        teachers, students, heads, the saved student
    clips         windows, pairs, the quality report
    recordings    index, splits, small video, resampled IMU
    layouts       datasets on disk
    config        the blocks of the config
    storage, jobs files and checksums; logs, devices, stage versions
    errors, text  what all of them use
"""

import os
from typing import TYPE_CHECKING

# Every HDF5 file is written under a temporary name, renamed when whole and never changed, so no reader needs a lock;
# disks without locks (NFS, Lustre) would refuse to open it. h5py reads this when it is imported.
os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")

if TYPE_CHECKING:
    from comodo.clips.cut import SignalWindows, cut_windows
    from comodo.commands.run import run
    from comodo.config import load_config
    from comodo.deploy.classifier import load_classifier
    from comodo.deploy.predictions import predict
    from comodo.deploy.stream import StudentStream
    from comodo.errors import ComodoError
    from comodo.evaluate.svm import fit_svm
    from comodo.models.embed import embed
    from comodo.models.students import load_student
    from comodo.models.teachers import load_teacher
    from comodo.objectives.comodo import ComodoLoss
    from comodo.objectives.queue import EmbeddingQueue
    from comodo.recordings.one_file import read_imu
    from comodo.recordings.signal import ImuSignal

__version__ = "0.2.0"
__all__ = [
    "ComodoError",
    "ComodoLoss",
    "EmbeddingQueue",
    "ImuSignal",
    "SignalWindows",
    "StudentStream",
    "__version__",
    "cut_windows",
    "embed",
    "fit_svm",
    "load_classifier",
    "load_config",
    "load_student",
    "load_teacher",
    "predict",
    "read_imu",
    "run",
]

_MODULES = {
    "ComodoError": "comodo.errors",
    "ComodoLoss": "comodo.objectives.comodo",
    "EmbeddingQueue": "comodo.objectives.queue",
    "ImuSignal": "comodo.recordings.signal",
    "SignalWindows": "comodo.clips.cut",
    "StudentStream": "comodo.deploy.stream",
    "cut_windows": "comodo.clips.cut",
    "embed": "comodo.models.embed",
    "fit_svm": "comodo.evaluate.svm",
    "load_classifier": "comodo.deploy.classifier",
    "load_config": "comodo.config",
    "load_student": "comodo.models.students",
    "load_teacher": "comodo.models.teachers",
    "predict": "comodo.deploy.predictions",
    "read_imu": "comodo.recordings.one_file",
    "run": "comodo.commands.run",
}


def __getattr__(name: str) -> object:
    """Import a public name on first use: torch alone takes a second."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
