"""The cost of a config, without running it: clips to encode, steps to train, device-hours at a measured rate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from comodo.config import SPLITS, Config, DatasetSettings, ExperimentSettings, StudentSettings
from comodo.errors import ConfigError
from comodo.plan.rates import CHANNELS, Rates, measure, rate_name
from comodo.recordings.folds import assign_folds, splits_by_fold
from comodo.recordings.index import read_groups
from comodo.storage.artefacts import read_table

# Recordings in train, val and test, classes, and an estimate of their clips until clips.parquet exists.
PUBLISHED_SIZES: Final = {
    "ego4d": ((1110, 162, 316), 31, 430_000),
    "egoexo4d": ((3495, 501, 998), 8, 160_000),
    "uestc": ((4553, 653, 1316), 32, 6_522),
}
# Samples assumed of a window that is a whole recording: what models make of a short one.
WHOLE_RECORDING: Final = 512
EMBEDDED_AT_ONCE: Final = 256
FLOAT32: Final = 4  # bytes
COLUMNS: Final = ["job", "clips", "train", "epochs", "steps", "windows", "device_h", "gb", "estimated"]
Sizes = Mapping[str, tuple[pd.DataFrame, bool]]


def dataset_sizes(config: Config, results: Path) -> dict[str, tuple[pd.DataFrame, bool]]:
    """Recordings of every dataset in use with the numbers of their windows, and whether these are estimates.

    Returns:
        By dataset, one row per recording with columns split, label, windows (of whole IMU), pairs (with video) and, of
        a dataset with folds, fold (in which it is test):
        counted in `<results>/<dataset>/clips.parquet` where that is; else estimated from the published sizes, or from a
        simulated dataset's settings.

    Raises:
        ValueError: when a dataset is none of these, or its number of folds is unknown.
    """
    used = [d for name, e in config.experiments.items() for d in (e.dataset, *config.evaluated_on(name))]
    return {
        name: _size(name, config.datasets[name], results / name / "clips.parquet")
        for name in dict.fromkeys(used)
    }


def _size(name: str, settings: DatasetSettings, table: Path) -> tuple[pd.DataFrame, bool]:
    if table.exists():
        clips = read_table(table)[["recording", "split", "label", "paired"]]
        grouped = clips.groupby(["recording", "split", "label"], as_index=False)["paired"].agg(
            ["size", "sum"]
        )
        counted = grouped.rename(columns={"size": "windows", "sum": "pairs"})
        if settings.folds is not None:
            folds = assign_folds(read_groups(table.with_name("recordings.parquet")), settings.folds.folds)
            counted = counted.assign(fold=counted["recording"].map(folds))
        return counted, False
    folds_set = None if settings.folds is None else settings.folds.folds
    if settings.simulate is not None:
        world = settings.simulate
        subjects = (world.train_subjects, world.val_subjects, world.test_subjects)
        recordings, classes = [world.activities * count for count in subjects], world.activities
        folds_set = folds_set or sum(subjects)
        each = 1.0 if settings.clip_s is None else float(world.duration_s // settings.clip_s)
    elif settings.layout in PUBLISHED_SIZES:
        counts, classes, clips_in_all = PUBLISHED_SIZES[settings.layout]
        recordings, each = list(counts), clips_in_all / sum(counts)
    else:
        raise ConfigError(
            f"datasets.{name}: its size is unknown until {table} exists: run the target `prepared` first"
        )
    pairs = min(each, settings.clips_per_recording or each) if settings.video is not None else 0.0
    rows = {
        "split": np.repeat(SPLITS, recordings),
        "label": np.arange(sum(recordings)) % classes,
        "windows": each,
        "pairs": pairs,
    }
    if settings.folds is None:
        return pd.DataFrame(rows), True
    if folds_set is None:
        raise ConfigError(
            f"datasets.{name}: its number of folds is unknown until {table} exists: run the target `prepared` first"
        )
    return pd.DataFrame(rows).assign(fold=np.arange(sum(recordings)) // classes % folds_set), True


def fold_sizes(size: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the recordings with their splits of each fold; the table itself for a fixed split."""
    if "fold" not in size:
        return [size]
    number = int(size["fold"].max()) + 1
    found = []
    for fold in range(number):
        split = size["fold"].map(splits_by_fold(fold, number))
        found.append(size.assign(split=split))
    return found


def train_windows(size: pd.DataFrame, experiment: ExperimentSettings) -> int:
    """How many windows an experiment trains on: pairs, or labelled windows for objective `supervised`."""
    train = size[size["split"] == "train"]
    counts = train[experiment.of_objective.train_on]
    if experiment.clips_per_recording:
        counts = counts.clip(upper=experiment.clips_per_recording)
    if experiment.labels_per_class is not None:
        counts = counts.groupby(train["label"]).sum().clip(upper=experiment.labels_per_class)
    return round(counts.sum())


def epochs_of(windows: int, experiment: ExperimentSettings) -> list[tuple[int, int]]:
    """Windows and steps of each epoch. COMODO's first lacks the queue's clips; one window left over is no batch."""
    epochs, objective = [], experiment.of_objective
    for epoch in range(objective.train_epochs):
        seen = max(0, windows - (objective.withheld if epoch == 0 else 0))
        full, rest = divmod(seen, experiment.batch_size)
        epochs.append((seen, full + (rest > 1 or (rest == 1 and full == 0))))
    return epochs


def plan(config: Config, sizes: Sizes, rates: Rates) -> pd.DataFrame:
    """List what there is to do: a row per dataset × teacher to encode, then a row per experiment, all seeds and folds.

    Args:
        config: the config.
        sizes: of `dataset_sizes`.
        rates: of the device to run on.

    Returns:
        Columns: job; clips (to encode); train (windows to train on, mean over folds); epochs; steps; windows (to embed
        for evaluation); device_h (NaN where no rate is known); gb (embeddings or features on disk, 10⁹ bytes);
        estimated (whether the counts are). A cell is missing where it has no meaning.
    """
    rows: list[dict[str, Any]] = []
    for dataset, teacher in config.encoded():
        settings, (size, estimated) = config.teachers[teacher], sizes[dataset]
        model, clips = rate_name(settings), round(size["pairs"].sum())
        ready = settings.embeddings is not None
        seconds = 0.0 if ready else clips * rates.per_item(f"encode {model}", settings.batch_size)
        gb = clips * FLOAT32 * rates.widths.get(model, math.nan) / 1e9
        row = {"clips": clips, "device_h": seconds / 3600, "gb": gb, "estimated": estimated}
        rows.append({"job": f"encode {dataset} by {teacher}", **row})
    rows += [_experiment(config, name, sizes, rates) for name in config.experiments]
    return pd.DataFrame(rows, columns=COLUMNS)


def _experiment(config: Config, name: str, sizes: Sizes, rates: Rates) -> dict[str, Any]:
    experiment, seeds = config.experiments[name], len(config.seeds)
    student = config.students[experiment.student]
    own, estimated = sizes[experiment.dataset]
    folds = [(part, train_windows(part, experiment)) for part in fold_sizes(own)]
    windows = round(sum(count for _, count in folds) / len(folds))
    epochs_each = len(epochs_of(windows, experiment))
    epochs = [epoch for _, count in folds for epoch in epochs_of(count, experiment)]
    learning = rates.per_item(_work("train", config, student, experiment.dataset), experiment.batch_size)
    # val once after each epoch
    validation = sum(
        part.loc[part["split"] == "val", experiment.of_objective.train_on].sum() for part, _ in folds
    )
    to_embed = {experiment.dataset: validation * epochs_each}
    evaluated = 0.0
    for dataset in config.evaluated_on(name):
        size, unsure = sizes[dataset]
        count = sum(part.loc[part["split"] != "val", "windows"].sum() for part in fold_sizes(size))
        evaluated, estimated = evaluated + count, estimated or unsure
        to_embed[dataset] = to_embed.get(dataset, 0.0) + count
    seconds = sum(
        count * rates.per_item(_work("embed", config, student, dataset), EMBEDDED_AT_ONCE)
        for dataset, count in to_embed.items()
        if count
    )
    seconds += sum(count for count, _ in epochs) * learning if epochs else 0.0
    width = rates.widths.get(rate_name(student), math.nan) / (CHANNELS if student.reduction == "mean" else 1)
    row: dict[str, Any] = {"job": name, "windows": seeds * round(evaluated), "estimated": estimated}
    if student.architecture == "minirocket":  # fitted on the CPU, in one pass
        return row | {"train": windows, "device_h": 0.0}
    if epochs:
        row |= {
            "train": windows,
            "epochs": epochs_each,
            "steps": seeds * sum(steps for _, steps in epochs),
        }
    return row | {
        "device_h": seeds * seconds / 3600,
        "gb": seeds * evaluated * FLOAT32 * width / 1e9,
    }


def _work(what: str, config: Config, student: StudentSettings, dataset: str) -> str:
    return f"{what} {rate_name(student)}, {_samples(config.datasets[dataset])} samples"


def _samples(settings: DatasetSettings) -> int:
    return WHOLE_RECORDING if settings.clip_s is None else round(settings.clip_s * settings.imu.rate_hz)


def measure_config(config: Config, budget_s: float) -> Rates:
    """Rates of all models that the config's jobs keep the device busy with."""
    students: dict[str, tuple[StudentSettings, set[int], int]] = {}
    for name, experiment in config.experiments.items():
        settings = config.students[experiment.student]
        if settings.architecture == "minirocket":
            continue
        lengths = {_samples(config.datasets[d]) for d in (experiment.dataset, *config.evaluated_on(name))}
        _, known, batch_size = students.get(rate_name(settings), (settings, set(), 0))
        largest = max(batch_size, experiment.batch_size)
        students[rate_name(settings)] = (settings, known | lengths, largest)
    teachers = dict.fromkeys(teacher for _, teacher in config.encoded())
    encoding = [
        config.teachers[teacher] for teacher in teachers if config.teachers[teacher].embeddings is None
    ]
    return measure(encoding, students.values(), budget_s)
