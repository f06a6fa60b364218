"""Rules predict and merge_predictions: the classes of a dataset's recordings without labels (split `predict`)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from comodo.clips.cut import SignalWindows
from comodo.config import DatasetSettings
from comodo.deploy.classifier import Classifier, load_classifier
from comodo.deploy.predictions import predict, table
from comodo.errors import ImuError
from comodo.jobs.class_paths import import_class
from comodo.jobs.devices import use_device
from comodo.layouts.opening import open_layout
from comodo.layouts.types import Recording
from comodo.recordings.imu_shard import preprocess
from comodo.recordings.signal import ImuSignal
from comodo.storage.artefacts import read_tables, write_table
from comodo.storage.files import atomic
from comodo.text import for_people

log = logging.getLogger(__name__)


def predict_shard(
    student: Path,
    dataset: str,
    settings: DatasetSettings,
    recordings: Sequence[Recording],
    target: Path,
    threads: int,
    student_class: str | None = None,
) -> None:
    """Write the predictions for the recordings of a shard (parquet); see `predict_recordings`.

    Args:
        student: folder of the trained student.
        dataset: name of the dataset in the config, the one that the student was trained on.
        settings: settings of the dataset.
        recordings: recordings of the split `predict`.
        target: the file to write.
        threads: CPU threads to use.
        student_class: class path of the student in the config. The class may be in the working folder.

    Raises:
        ModelError: if the student cannot rank classes.
    """
    if student_class is not None:
        import_class(student_class)  # loading a student does not import from the working folder
    classifier = load_classifier(student, device=use_device(threads))
    signals = tqdm(
        read_signals(dataset, settings, recordings),
        total=len(recordings),
        unit="recording",
        desc="predicting",
    )
    write_table(predict_recordings(classifier, signals), target)


def read_signals(
    dataset: str, settings: DatasetSettings, recordings: Sequence[Recording]
) -> Iterator[tuple[Recording, ImuSignal | ImuError]]:
    """Read and resample recordings one by one. Those without video are read as in an IMU-only dataset."""
    alone = settings.model_copy(update={"video": None})
    with_video = [recording for recording in recordings if recording.video is not None]
    without = [recording for recording in recordings if recording.video is None]
    for own, chosen in ((settings, with_video), (alone, without)):
        if chosen:
            yield from preprocess(open_layout(dataset, own), chosen, own)


def predict_recordings(
    classifier: Classifier, signals: Iterable[tuple[Recording, ImuSignal | ImuError]]
) -> pd.DataFrame:
    """Return the class of every whole window of some recordings.

    Args:
        classifier: see `load_classifier`.
        signals: the recordings, each with its signal, or the error that says why it has none.

    Returns:
        Columns recording, those of `predict`, reason and detail. A row per window, with reason and detail "". A
        recording that cannot be used has one row, with recording, reason and detail alone.
    """
    tables = []
    for recording, signal in signals:
        try:
            if isinstance(signal, ImuError):
                raise signal
            found = predict(classifier, signal).assign(reason="", detail="")
            for text in signal.notes:
                log.info("%s: %s", recording.id, text)
        except ImuError as error:
            log.warning("%s: left out: %s", recording.id, error)
            found = _blank(classifier).assign(reason=error.reason, detail=str(error))
        found.insert(0, "recording", recording.id)
        tables.append(found)
    return pd.concat(tables, ignore_index=True)


def _blank(classifier: Classifier) -> pd.DataFrame:
    """Return one row with the columns of `predict` and no values."""
    no_windows = SignalWindows(np.empty((0, 6, 1), np.float32), np.empty(0), np.empty(0), np.empty((0, 2)))
    return table(classifier, no_windows, np.empty((0, len(classifier.classes)))).reindex([0])


def merge_predictions(shards: Sequence[Path], target: Path) -> None:
    """Write the predictions of all shards as one csv, safe to open in a spreadsheet, and log how many there are."""
    merged = read_tables(shards).sort_values(["recording", "start_s"], kind="stable")
    used = merged[merged["reason"] == ""]
    left_out = len(merged) - len(used)
    log.info(
        "%d windows of %d recordings; %d recordings left out",
        len(used),
        used["recording"].nunique(),
        left_out,
    )
    with atomic(target) as partial:
        for_people(merged).to_csv(partial, index=False, float_format="%.6g")
