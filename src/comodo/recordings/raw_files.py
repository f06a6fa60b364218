"""Which recordings a job handles, and digests by which Snakemake notices that files from outside changed.

They are pure functions of the config, the (small) split files and one `stat` per raw file, evaluated when the
workflow is parsed: the job graph is known before any media file is opened.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from comodo.config import PREDICT, DatasetSettings, ModelSettings, TeacherSettings
from comodo.jobs.class_paths import class_digest
from comodo.layouts.ids import shard_of
from comodo.layouts.opening import open_layout
from comodo.layouts.table import check_imu_described
from comodo.layouts.types import Recording
from comodo.recordings.folds import assign_folds, check_divided
from comodo.storage.artefacts import read_json
from comodo.storage.files import json_digest

AS_SIMULATED = "as simulated"


def fingerprint(
    recordings: Iterable[Recording], more: Callable[[Recording], Iterable[Path]] = lambda recording: ()
) -> str:
    """Return a digest of the raw files of recordings and of each file's size and mtime: one `stat` per file.

    A missing or unreadable file counts as "missing", so that its later arrival changes the digest. The cut
    (`start_s`, `end_s`) is part of it; label and split are not.

    Args:
        recordings: their videos and IMU files count.
        more: further files of a recording.
    """
    digest = hashlib.sha256()
    stats: dict[Path, str] = {}
    for recording in recordings:
        files: list[Path | str] = []
        for path in (recording.video, recording.imu, *recording.chapters, *more(recording)):
            if path is not None:
                if path not in stats:
                    stats[path] = _stat(path)
                files += [path, stats[path]]
        fields = (recording.id, *files)
        digest.update(
            repr((*map(str, fields), recording.start_s, recording.end_s)).encode("utf-8", "surrogatepass")
        )
    return digest.hexdigest()


def _stat(path: Path) -> str:
    try:
        stat = os.stat(path)
    except (OSError, ValueError):  # ValueError: a null byte in the id
        return "missing"
    return f"{stat.st_size} {stat.st_mtime_ns}"


def recordings_of(dataset: str, settings: DatasetSettings, shard: int | None = None) -> list[Recording]:
    """Return the labelled recordings of a dataset, or of one of its shards, in the order of the split files."""
    return [recording for recording in _listed(dataset, settings, shard) if recording.split != PREDICT]


def predicted_recordings(
    dataset: str, settings: DatasetSettings, shard: int | None = None
) -> list[Recording]:
    """Return the recordings of the split `predict`, or those in a shard. A simulated dataset has none."""
    if settings.simulate is not None:
        return []
    return [recording for recording in _listed(dataset, settings, shard) if recording.split == PREDICT]


def predicted_shards(dataset: str, settings: DatasetSettings) -> list[int]:
    """Return the shards that hold recordings of the split `predict`."""
    found = predicted_recordings(dataset, settings)
    return sorted({shard_of(recording.id, settings.shards) for recording in found})


def _listed(dataset: str, settings: DatasetSettings, shard: int | None) -> list[Recording]:
    described = settings.model_dump_json()
    return _recordings(dataset, described) if shard is None else _by_shard(dataset, described)[shard]


def count_folds(dataset: str, settings: DatasetSettings) -> int:
    """Return the number of folds of a dataset, which may follow from its groups.

    Raises:
        LayoutError: if its recordings cannot be listed.
        SplitsError: if they cannot be divided (`assign_folds`).
    """
    assert settings.folds is not None
    if settings.folds.folds is not None:
        return settings.folds.folds
    if (world := settings.simulate) is not None:  # its recordings may not exist yet
        return world.train_subjects + world.val_subjects + world.test_subjects
    return max(assign_folds({r.id: r.group for r in recordings_of(dataset, settings)}, None).values()) + 1


@cache
def _by_shard(dataset: str, settings: str) -> list[list[Recording]]:
    n_shards = DatasetSettings.model_validate_json(settings).shards
    found: list[list[Recording]] = [[] for _ in range(n_shards)]
    for recording in _recordings(dataset, settings):
        found[shard_of(recording.id, n_shards)].append(recording)
    return found


@cache
def _recordings(dataset: str, settings: str) -> list[Recording]:
    return open_layout(dataset, DatasetSettings.model_validate_json(settings)).recordings()


def raw_state(dataset: str, settings: DatasetSettings, shard: int | None, marker: Path | None) -> str:
    """Return a digest of a shard's raw files: paths, sizes, modification times.

    Simulated data do not exist when the workflow is first parsed. Until somebody touches them their digest is a
    constant, and the marker of the rule that makes them is an ordinary input.
    """
    if marker is not None:
        touched = _touched(Path(settings.root), marker)
        if not touched or not touched & {
            path for recording in recordings_of(dataset, settings, shard) for path in recording.files
        }:
            return AS_SIMULATED
    return fingerprint(recordings_of(dataset, settings, shard)) + class_digest(settings.class_path)


def imu_state(dataset: str, settings: DatasetSettings, shard: int | None, marker: Path | None) -> str:
    """Return the digest of `raw_state`, and of the files that set the clock of the IMU (`Layout.clock_files`)."""
    if raw_state(dataset, settings, shard, marker) == AS_SIMULATED:
        return AS_SIMULATED
    return _imu_digest(dataset, settings, recordings_of(dataset, settings, shard))


def predicted_state(dataset: str, settings: DatasetSettings, shard: int) -> str:
    """Return the digest of the raw files of a shard's recordings of the split `predict`, as `imu_state`."""
    recordings = predicted_recordings(dataset, settings, shard)
    check_imu_described(dataset, settings, recordings)
    return _imu_digest(dataset, settings, recordings)


def _imu_digest(dataset: str, settings: DatasetSettings, recordings: list[Recording]) -> str:
    state = fingerprint(recordings, open_layout(dataset, settings).clock_files)
    offsets = [[r.id, r.offset_s] for r in recordings if r.offset_s != 0]
    state += json_digest(offsets) if offsets else ""
    return state + class_digest(settings.class_path)


def labelled_state(dataset: str, settings: DatasetSettings, shard: int | None, marker: Path | None) -> str:
    """Digest of a shard's recordings as the split files describe them: ids, splits, labels, groups."""
    if marker is not None and not any(
        path.suffix == ".txt" for path in _touched(Path(settings.root), marker)
    ):
        return AS_SIMULATED
    recordings = recordings_of(dataset, settings, shard)
    check_imu_described(dataset, settings, recordings)
    check_divided(dataset, settings, recordings_of(dataset, settings))
    rows = [[r.id, r.split, r.label, r.group] for r in recordings]
    return json_digest(rows) + class_digest(settings.class_path)


def model_state(settings: ModelSettings) -> str:
    """Return a digest of a model's source: the files of its folder, or its class's code; "" for a hub id."""
    if isinstance(settings, TeacherSettings) and settings.embeddings is not None:
        return _stat(Path(settings.embeddings))
    return folder_state(settings.checkpoint) + class_digest(settings.class_path)


def folder_state(folder: str | None, pattern: str = "*") -> str:
    """Return a digest of the files of a folder, by one `stat` each; "" for no folder (a hub id)."""
    if folder is None or not Path(folder).is_dir():
        return ""
    root = Path(folder)
    found = sorted(root.glob(pattern))
    states = [[str(path.relative_to(root)), *(_state(path) or ())] for path in found]
    return json_digest(states)


def _touched(root: Path, marker: Path) -> set[Path]:
    """Files of a simulated dataset that are no longer as the simulator left them."""
    if not marker.exists():
        return set()
    files: list[dict[str, Any]] = read_json(marker)["files"]
    return {
        root / known["path"]
        for known in files
        if _state(root / known["path"]) != (known["size"], known["mtime_ns"])
    }


def _state(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
