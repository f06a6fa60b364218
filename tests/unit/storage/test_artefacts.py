"""Damage between two runs: a flipped bit or a lost end of an artefact is noticed, and named with the remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from comodo.embeddings.anchors import select_anchors
from comodo.embeddings.store import merge_stores, open_store, write_store
from comodo.errors import DamageError
from comodo.evaluate.features import extract_teacher_features
from comodo.layouts.types import Recording
from comodo.models.distilled import load_distilled, save_distilled
from comodo.models.students import new_student
from comodo.recordings.imu_shard import write_imu_shard
from comodo.recordings.signal import ImuSignal
from comodo.storage.artefacts import CHECKED, check_sums, open_hdf5, read_table, write_sums, write_table
from tests.support.tables import window_table

VALUES = np.random.default_rng(0).standard_normal((500, 64)).astype(np.float32)
CLIPS = window_table({f"r{k}": 5 for k in range(100)}, label=[f"class {n % 7}" for n in range(500)])


def write_array(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("feature", data=VALUES, chunks=True, **CHECKED)


def read_array(path: Path) -> None:
    with open_hdf5(path) as file:
        np.testing.assert_array_equal(file["feature"][:], VALUES)


def read_store(path: Path) -> None:
    with open_store(path, expected=CLIPS) as file:
        np.testing.assert_array_equal(file["embedding"][:], VALUES)


def write_merged(path: Path) -> None:
    write_store(path.with_name("shard.h5"), CLIPS, 64, [VALUES], {})
    merge_stores(path, [path.with_name("shard.h5")], CLIPS)


KINDS: dict[str, tuple[Callable[[Path], None], Callable[[Path], object]]] = {
    "table.parquet": (lambda path: write_table(CLIPS, path), read_table),
    "features.h5": (write_array, read_array),
    "embeddings.h5": (lambda path: write_store(path, CLIPS, 64, [VALUES], {}), read_store),
    "merged.h5": (write_merged, read_store),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_flipped_bit_of_the_data_is_noticed(name: str, tmp_path: Path) -> None:
    write, read = KINDS[name]
    write(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    read(tmp_path / name)
    start = whole.find(VALUES[250, :8].tobytes()) if name.endswith("h5") else len(whole) // 3
    assert start > 0
    damaged = bytearray(whole)
    damaged[start + 2] ^= 0x10
    (tmp_path / name).write_bytes(damaged)
    with pytest.raises(DamageError, match=rf"{name} is damaged or not whole \(.*\): delete it and run again"):
        read(tmp_path / name)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("part", [0.0, 0.3, 0.999])
def test_a_lost_end_is_noticed(name: str, part: float, tmp_path: Path) -> None:
    write, read = KINDS[name]
    write(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(DamageError, match=rf"{name} is damaged"):
        read(tmp_path / name)


def test_a_missing_file_is_not_called_damaged(tmp_path: Path) -> None:
    for read in (read_table, lambda path: open_hdf5(path).__enter__()):
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "nothing")


def test_a_full_disk_is_not_called_damage_of_what_is_read(tmp_path: Path) -> None:
    write_array(tmp_path / "features.h5")
    with pytest.raises(OSError, match="No space") as caught, open_hdf5(tmp_path / "features.h5"):
        raise OSError(28, "No space left on device")
    assert not isinstance(caught.value, DamageError)


def test_damaged_digest_is_no_crash(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_bytes(b"{}")
    with pytest.raises(DamageError), open_hdf5(tmp_path / "a.h5"):
        pass


def test_sums_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    check_sums(tmp_path)  # without a list there is nothing to compare with: a checkpoint from elsewhere
    write_sums(tmp_path)
    check_sums(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"weightz")
    with pytest.raises(DamageError, match=r"model\.safetensors is damaged"):
        check_sums(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(DamageError, match=r"no model\.safetensors"):
        check_sums(tmp_path)


def write_imu(path: Path) -> None:
    signal = ImuSignal(VALUES[:498].reshape(6, -1), 0.0, 200.0)
    write_imu_shard(path, [(Recording("r", "train", "x", None, Path("x.csv")), signal)])


def all_splits() -> pd.DataFrame:
    return CLIPS.assign(split=np.array(["train", "val", "test"])[np.arange(len(CLIPS)) % 3])


def write_store_of_all(path: Path) -> None:
    write_store(path, all_splits(), 64, [VALUES], {})


def write_anchors(path: Path) -> None:
    write_store_of_all(path.with_name("store.h5"))
    select_anchors(path.with_name("store.h5"), path)


def write_features(path: Path) -> None:
    anchors = path.with_name("anchors.h5")
    write_anchors(anchors)
    extract_teacher_features(path.with_name("store.h5"), all_splits(), anchors, path)


@pytest.mark.parametrize(
    ("write", "array"),
    [
        (write_imu, "r/data"),
        (write_imu, "r/valid"),
        (write_features, "train/feature"),
        (write_features, "test/projected"),
        (write_features, "test/label"),
        (write_features, "anchors/medoid/projected"),
        (write_features, "anchors/medoid/label"),
        (write_anchors, "first/embedding"),
        (write_anchors, "mean/clips"),
        (write_store_of_all, "label"),
    ],
)
def test_a_stage_s_arrays_carry_checksums(write: Callable[[Path], None], array: str, tmp_path: Path) -> None:
    path = tmp_path / "made.h5"
    write(path)
    with h5py.File(path) as file:
        chunk = file[array].id.get_chunk_info(0)
    damaged = bytearray(path.read_bytes())
    damaged[chunk.byte_offset + 1] ^= 0x10
    path.write_bytes(damaged)
    with pytest.raises(DamageError, match=r"made\.h5 is damaged"), open_hdf5(path) as file:
        file[array][:]


@pytest.mark.parametrize("name", ["model.safetensors", "student_projection.safetensors", "config.json"])
def test_a_damaged_student_is_not_used(name: str, tmp_path: Path) -> None:
    student = new_student("dlinear", {}, seed=0)
    save_distilled(
        tmp_path / "student", student, {"student": torch.nn.Linear(student.dim, 4)}, [], objective="l2"
    )
    load_distilled(tmp_path / "student", "cpu")
    damaged = bytearray((tmp_path / "student" / name).read_bytes())
    damaged[-3] ^= 0x01
    (tmp_path / "student" / name).write_bytes(damaged)
    with pytest.raises(DamageError, match=rf"{name} is damaged"):
        load_distilled(tmp_path / "student", "cpu")
