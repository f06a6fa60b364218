"""Small videos that are missing, cut short, changed or another's are named before the teacher sees them."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from comodo.config import DatasetSettings, TeacherSettings
from comodo.embeddings.encode import encode_shard, read_clips
from comodo.embeddings.store import open_store
from comodo.errors import DamageError
from comodo.layouts.types import Recording
from comodo.models.teachers import Teacher
from comodo.recordings.small_video import TABLE_COLUMNS, extract_shard, read_frames
from comodo.storage.artefacts import read_table, write_table
from tests.support.checkpoints import write_dinov2
from tests.support.tables import candidate_table
from tests.support.writers import write_video

SPLITS = ("train", "val", "test")
FRAMES = 20


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """A folder `video/0` of extracted videos, its table beside it."""
    recordings = []
    for k, name in enumerate(SPLITS):
        source = write_video(tmp_path / f"raw/{name}.mp4", FRAMES + k, size=48)
        recordings.append(Recording(name, name, "x", source, source))
    settings = DatasetSettings.model_validate(
        {"layout": "ego4d", "root": ".", "clip_s": 1, "video": {"size": 32, "fps": 10}}
    )
    extract_shard(recordings, tmp_path / "video/0", tmp_path / "video/0.parquet", settings, 1)
    return tmp_path / "video/0"


def encode(shard: Path) -> Path:
    clips = candidate_table(
        dict.fromkeys(SPLITS, 2), first_frame=lambda rows: rows["window"] * 10, n_frames=10
    )
    clips["split"] = clips["recording"]
    teacher, store = shard.parent.parent / "teacher", shard.parent.parent / "store.h5"
    if not teacher.exists():
        write_dinov2(teacher)
    encode_shard(clips, shard, TeacherSettings(checkpoint=str(teacher), batch_size=4), None, store, threads=1)
    return store


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[data.index(b"mdat") + 200] ^= 1
    path.write_bytes(data)


def replace_by_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (Path.unlink, "does not exist"),
    "empty": (lambda path: path.write_bytes(b""), "is no mp4"),
    "cut short": (cut, "cannot be decoded"),
    "text": (lambda path: path.write_text("ffconcat version 1.0\nfile val.mp4\n"), "is no mp4"),
    "shorter than its clips": (lambda path: write_video(path, 7), "has 7 frames, not 20 or more"),
    "FIFO": (replace_by_fifo, "cannot be read.*FIFO"),
}
CHANGED = {
    "another's": lambda path: shutil.copy(path.with_name("val.mp4"), path),
    "a flipped bit": flip,
    "longer": lambda path: write_video(path, 40),
}


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("digests", [True, False])
def test_what_cannot_be_read_is_named(kind: str, digests: bool, shard: Path) -> None:
    damage, message = DAMAGE[kind]
    if not digests:
        forget_digests(shard)
    damage(shard / "train.mp4")
    wanted = r"video/0 is damaged or not whole \(train\.mp4.*: delete it and run again"
    with pytest.raises(DamageError, match=wanted) as error:
        encode(shard)
    if not digests:
        with pytest.raises(DamageError, match=message):
            read_frames(shard / "train.mp4", range(FRAMES))
        assert pd.Series(str(error.value)).str.contains(message).all()


def forget_digests(shard: Path) -> None:
    """Leave the table of an earlier version."""
    table = shard.with_name("0.parquet")
    write_table(read_table(table).drop(columns="sha256"), table)


@pytest.mark.parametrize("kind", CHANGED)
def test_a_changed_video_is_not_encoded(kind: str, shard: Path) -> None:
    CHANGED[kind](shard / "train.mp4")
    with pytest.raises(DamageError, match=r"video/0 .*train\.mp4 is not the file that was extracted"):
        encode(shard)


def test_the_table_holds_the_digest_of_each_file(shard: Path) -> None:
    table = read_table(shard.with_name("0.parquet"))
    assert list(table.columns) == list(TABLE_COLUMNS)
    assert table.columns[-2:].tolist() == ["sha256", "decoder"]
    for name, digest in zip(table["file"], table["sha256"], strict=True):
        assert hashlib.sha256((shard / name).read_bytes()).hexdigest() == digest


def test_a_recording_without_video_has_no_digest(tmp_path: Path) -> None:
    settings = DatasetSettings.model_validate({"layout": "ego4d", "root": ".", "video": {"size": 32}})
    missing = Recording("a", "train", "x", tmp_path / "a.mp4", tmp_path / "a.csv")
    extract_shard([missing], tmp_path / "0", tmp_path / "0.parquet", settings, 1)
    assert read_table(tmp_path / "0.parquet")["sha256"].tolist() == [""]


def test_a_video_that_the_table_lacks_is_named(shard: Path) -> None:
    table = shard.with_name("0.parquet")
    write_table(read_table(table).iloc[1:], table)
    with pytest.raises(DamageError, match=r"0\.parquet has no video of 'train'"):
        encode(shard)


def test_tables_of_earlier_versions_are_taken_as_they_are(
    shard: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_store(encode(shard)) as file:
        whole = file["embedding"][:]
    forget_digests(shard)
    with caplog.at_level(logging.INFO), open_store(encode(shard)) as file:
        assert (file["embedding"][:] == whole).all()
    assert sum("has no digests" in record.message for record in caplog.records) == 1


def test_read_clips_names_the_file(shard: Path) -> None:
    clips = candidate_table({"train": 9}, first_frame=lambda rows: rows["window"] * 10, n_frames=10)
    with pytest.raises(DamageError, match=r"train\.mp4 has 20 frames, not"):
        read_clips(list(clips[clips["window"] >= 0].itertuples(index=False)), shard, 2)


def test_the_same_clips_by_the_same_teacher_are_not_encoded_again(
    shard: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = encode(shard)
    before = store.read_bytes()
    os.utime(store, ns=(5, 5))
    monkeypatch.setattr(Teacher, "encode", lambda *_: pytest.fail("encoded again"))
    encode(shard)
    assert store.read_bytes() == before
    assert store.stat().st_mtime_ns > 5  # else Snakemake would run the job again


def another_video(shard: Path, store: Path) -> None:
    path = shard / "train.mp4"
    path.write_bytes(path.read_bytes() + b"\0" * 8)
    table = read_table(shard.with_name("0.parquet"))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    table.loc[table["recording"] == "train", "sha256"] = digest
    write_table(table, shard.with_name("0.parquet"))


def damaged_store(shard: Path, store: Path) -> None:
    store.write_bytes(store.read_bytes()[:-200])


@pytest.mark.parametrize("change", [another_video, damaged_store])
def test_another_video_or_a_damaged_store_is_encoded_again(
    shard: Path, change: Callable[[Path, Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    change(shard, encode(shard))

    def refuse(*_: object) -> None:
        raise KeyError("encoded again")

    monkeypatch.setattr(Teacher, "encode", refuse)
    with pytest.raises(KeyError, match="encoded again"):
        encode(shard)
