"""A full disk, a quota, a folder that must not be written: one error that names the file; what was there stays."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from comodo.config import DatasetSettings, StudentSettings
from comodo.distill.states import Position, States
from comodo.embeddings.anchors import select_anchors
from comodo.embeddings.store import merge_stores, write_store
from comodo.errors import WriteError
from comodo.evaluate.features import extract_teacher_features
from comodo.layouts.types import Recording
from comodo.models.distilled import load_distilled, save_distilled
from comodo.models.heads import new_head
from comodo.models.students import new_student
from comodo.recordings.imu_shard import write_imu_shard
from comodo.recordings.signal import ImuSignal
from comodo.recordings.small_video import extract, extract_shard
from comodo.recordings.splits import write_split_files
from comodo.report.figures import plot_training
from comodo.storage.artefacts import write_table
from comodo.storage.files import atomic, write_json
from tests.support.project import STUDENT
from tests.support.tables import window_table
from tests.support.writers import write_video

RANDOM = np.random.default_rng(0)
N = 600
EMBEDDINGS = RANDOM.standard_normal((N, 32)).astype(np.float32)
CLIPS = window_table(
    {f"r{k}": 5 for k in range(N // 5)},
    label=[f"class {n % 3}" for n in range(N)],
    split=[("train", "val", "test")[n * 3 // N] for n in range(N)],
    start_s=RANDOM.random(N),
)
MANTIS = STUDENT["architecture_config"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the writers read, on a sound disk."""
    folder = tmp_path_factory.mktemp("made")
    store, anchors = folder / "store.h5", folder / "anchors.h5"
    write_store(store, CLIPS, 32, [EMBEDDINGS], {"teacher": "t"})
    select_anchors(store, anchors)
    write_json([{"epoch": k, "loss": 1 / (k + 1)} for k in range(9)], folder / "x/seed1/history.json")
    video = write_video(folder / "raw.mp4", 60, size=64)
    return SimpleNamespace(store=store, anchors=anchors, history=folder / "x/seed1/history.json", video=video)


def imu_shard(made: Any, path: Path) -> None:
    signal = ImuSignal(RANDOM.standard_normal((6, 2000)).astype(np.float32), 0.0, 200.0)
    recordings = [Recording(f"r{k}", "train", "x", None, Path("x.csv")) for k in range(5)]
    write_imu_shard(path, ((recording, signal) for recording in recordings))


def clips_folder(made: Any, path: Path) -> None:
    settings = DatasetSettings.model_validate(
        {"layout": "table", "root": "x", "table": "t", "video": {"size": 64}}
    )
    recordings = [Recording(f"r{k}", "train", "x", made.video, made.video) for k in range(2)]
    extract_shard(recordings, path, made.video.with_name("clips.parquet"), settings, 1)


def student_folder(made: Any, path: Path) -> None:
    student = new_student("mantis", MANTIS, seed=0)
    heads = {"student": new_head(student.dim, 64, 32, seed=0, name="student")}
    save_distilled(path, student, heads, ["a", "b"], objective="comodo")


def state(made: Any, path: Path) -> None:
    parts = {"student": torch.nn.Linear(200, 200)}
    States(path.parent, {"seed": "1"}).write(Position(step=int(path.stem[6:])), parts, "cpu")


def png(made: Any, path: Path) -> None:
    with atomic(path) as partial:
        plot_training({str(made.history): "x"}, partial)


def text(made: Any, path: Path) -> None:
    rows = [(f"{split} {k}", "x", split) for split in ("train", "val", "test") for k in range(2000)]
    write_split_files([row for row in rows if row[2] == "train"], path.parent)


WRITERS: dict[str, Callable[[Any, Path], object]] = {
    "video.mp4": lambda made, path: extract(made.video, path, 10, 64, 10, 1),
    "clips": clips_folder,
    "imu.h5": imu_shard,
    "clips.parquet": lambda made, path: write_table(CLIPS, path),
    "shard.h5": lambda made, path: write_store(path, CLIPS, 32, [EMBEDDINGS[:500], EMBEDDINGS[500:]], {}),
    "embeddings.h5": lambda made, path: merge_stores(path, [made.store], CLIPS),
    "anchors.h5": lambda made, path: select_anchors(made.store, path),
    "student": student_folder,
    "state-000000007.pt": state,
    "features.h5": lambda made, path: extract_teacher_features(made.store, CLIPS, made.anchors, path),
    "svm.json": lambda made, path: write_json(EMBEDDINGS.tolist(), path),
    "training.png": png,
    "train.txt": text,
}  # fmt: skip


def size_of(path: Path) -> int:
    """The size of the largest file: what a limit of file sizes is about."""
    return max(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file())


def content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@contextmanager
def quota(size: int) -> Iterator[None]:
    """No file may be larger (Python ignores the signal, so the write fails)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """A file system in memory, where this user may mount one."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def refuses(name: str, made: Any, path: Path, why: str) -> None:
    """The write fails by the one error, which names the file (or one within the folder), and leaves nothing."""
    with pytest.raises(WriteError, match=rf"{why}\): .*, then run again") as caught:
        WRITERS[name](made, path)
    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value).startswith(str(path.parent))
    assert name in str(caught.value)


@pytest.mark.parametrize("part", [0.0, 0.5, 0.98])
@pytest.mark.parametrize("name", WRITERS)
def test_a_quota_leaves_nothing_half_written(name: str, part: float, made: Any, tmp_path: Path) -> None:
    WRITERS[name](made, tmp_path / name)
    before = content(tmp_path)
    (tmp_path / "new").mkdir()
    with quota(int(part * size_of(tmp_path / name))):
        refuses(name, made, tmp_path / "new" / name, "File too large")
        assert list((tmp_path / "new").iterdir()) == []
        if name != "train.txt":  # which is never overwritten
            refuses(name, made, tmp_path / name, "File too large")
    assert content(tmp_path) == before
    WRITERS[name](made, tmp_path / "new" / name)  # with space again, in the same process


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_leaves_nothing_half_written(name: str, made: Any, tmp_path: Path) -> None:
    WRITERS[name](made, tmp_path / name)
    disk = tmp_path / "disk"
    blocks = sum(
        -(-file.stat().st_size // 4096)
        for file in [tmp_path / name, *(tmp_path / name).rglob("*")]
        if file.is_file()
    )
    for free in {blocks // 2, blocks - 1} - {0}:
        with mounted(disk, f"size={4096 * (free + 1)}"):
            (disk / "other").write_bytes(b"kept" * 1000)
            refuses(name, made, disk / name, "No space left on device")
            assert content(disk) == {"other": b"kept" * 1000}


@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_that_must_not_be_written(name: str, made: Any, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    if os.geteuid() == 0:  # whom permissions do not stop
        with mounted(disk, "size=10m"):
            WRITERS[name](made, disk / name)
            before = content(disk)
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
            other = disk / ("new.txt" if name == "train.txt" else name)
            if name != "train.txt":
                refuses(name, made, other, "Read-only file system")
            assert content(disk) == before
    else:
        disk.mkdir()
        disk.chmod(0o500)
        refuses(name, made, disk / name, "Permission denied")
        assert list(disk.iterdir()) == []


def test_what_the_disk_refuses_only_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NFS and quotas may take all writes, and say at the last that there is no space."""

    def full(handle: int) -> None:
        raise OSError(122, "Disk quota exceeded")

    write_json("old", tmp_path / "a.json")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        WriteError, match=r"a\.json cannot be written \(Disk quota exceeded\): free space or raise"
    ):
        write_json("new", tmp_path / "a.json")
    assert content(tmp_path) == {"a.json": b'"old"\n'}


def test_errors_of_other_files_keep_their_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, atomic(tmp_path / "a"):
        (tmp_path / "missing").read_text()
    assert not isinstance(caught.value, WriteError)


def test_hdf5_files_are_as_hdf5_itself_writes_them(made: Any, tmp_path: Path) -> None:
    """Reading back and growing work through our file as well."""
    imu_shard(made, tmp_path / "imu.h5")
    import h5py

    with h5py.File(tmp_path / "imu.h5") as file:
        assert [group.attrs["id"] for group in file.values()] == [f"r{k}" for k in range(5)]
        assert file["r3/data"].shape == (6, 2000)
    student_folder(made, tmp_path / "student")
    assert load_distilled(tmp_path / "student", "cpu").classes == ["a", "b"]
    StudentSettings.model_validate({"architecture": "mantis", "architecture_config": MANTIS})
