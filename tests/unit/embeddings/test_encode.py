"""Encoding a shard: which frames of which clips a teacher sees, in which order, mirrored or not."""

from __future__ import annotations

import hashlib
import shutil
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from comodo.clips.windows import frame_indices
from comodo.config import TeacherSettings
from comodo.embeddings.encode import encode_shard, is_mirrored
from comodo.embeddings.store import open_store, read_rows
from comodo.models.teachers import Teacher, load_teacher
from comodo.recordings.small_video import read_frames
from tests.support.checkpoints import write_dinov2, write_vjepa2
from tests.support.stores import read_made_by
from tests.support.tables import candidate_table

SPLITS = ("train", "val", "test")
WINDOWS, CLIP_FRAMES = 6, 10
SAME, OTHER = 1e-5, 1e-3  # distances of embeddings of one clip, of two


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One video per split, of blocks that change from frame to frame and differ from left to right."""
    folder = tmp_path_factory.mktemp("video")
    blocks = np.random.default_rng(0).integers(
        0, 256, (len(SPLITS), WINDOWS * CLIP_FRAMES, 4, 4, 3), np.uint8
    )
    for split, pictures in zip(SPLITS, blocks, strict=True):
        with av.open(str(folder / f"{split}.mp4"), "w") as container:
            stream = container.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
            stream.width = stream.height = 32
            stream.pix_fmt = "yuv420p"
            for k, picture in enumerate(pictures):
                frame = av.VideoFrame.from_ndarray(picture.repeat(8, 0).repeat(8, 1), format="rgb24")
                frame.pts, frame.time_base = k, Fraction(1, 10)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return folder


@pytest.fixture(scope="module")
def clips() -> pd.DataFrame:
    """Every window of each video, and what is no pair: a recording's own row, a window that the IMU lacks."""
    frames = {"first_frame": lambda rows: rows["window"] * CLIP_FRAMES, "n_frames": CLIP_FRAMES}
    table = candidate_table({"x": 1, **dict.fromkeys(SPLITS, WINDOWS)}, **frames)
    table["split"] = table["recording"].replace("x", "train")
    table.loc[0, ["clip", "window", "reason"]] = ["x#-0001", -1, "video_empty"]
    table.loc[3, "reason"] = "imu_gap"
    return table


def encode(clips: pd.DataFrame, video: Path, store: Path, **settings: object) -> NDArray[np.float32]:
    """Embeddings of a shard, its settings handed over as the rule `encode_video` does."""
    given = TeacherSettings.model_validate(settings).model_dump(mode="json", exclude={"pretraining"})
    settings = TeacherSettings.model_validate(given)
    encode_shard(clips, video, settings, None, store, threads=1)
    with open_store(store) as file:
        return np.asarray(file["embedding"])


def expected(clips: pd.DataFrame, video: Path, checkpoint: Path, mirrored: set[str]) -> NDArray[np.float32]:
    """The pairs' embeddings, a clip at a time."""
    teacher = load_teacher(checkpoint)
    embeddings = []
    for row in clips[clips["reason"] == ""].to_dict("records"):
        frames = read_frames(
            video / f"{row['recording']}.mp4",
            [row["first_frame"] + k for k in frame_indices(CLIP_FRAMES, teacher.n_frames)],
        )
        if row["clip"] in mirrored:
            frames = np.flip(frames, axis=2)  # (T, H, W, 3): left becomes right
        embeddings.append(teacher.encode(teacher.normalise(frames[None].copy()))[0].numpy())
    return np.stack(embeddings)


@pytest.mark.parametrize("write", [write_dinov2, write_vjepa2])
def test_a_shard_holds_its_pairs_in_order(
    tmp_path: Path, clips: pd.DataFrame, video: Path, write: type[write_dinov2]
) -> None:
    write(tmp_path / "teacher")
    settings = {"checkpoint": str(tmp_path / "teacher"), "batch_size": 4}
    found = encode(clips, video, tmp_path / "store.h5", **settings)
    wanted = expected(clips, video, tmp_path / "teacher", set())
    assert np.abs(wanted - wanted[0]).max(axis=1)[1:].min() > OTHER
    assert_allclose(found, wanted, atol=SAME)
    with open_store(tmp_path / "store.h5") as file:
        assert read_rows(file)["clip"].tolist() == clips["clip"][clips["reason"] == ""].tolist()
        assert read_made_by(file) == load_teacher(tmp_path / "teacher").identity  # flip 0 leaves no trace


@pytest.mark.parametrize(("run", "batch_size"), [(1, 4), (4, 3), (4, 100)])
def test_how_many_clips_are_read_at_once_changes_nothing(
    tmp_path: Path,
    clips: pd.DataFrame,
    video: Path,
    monkeypatch: pytest.MonkeyPatch,
    run: int,
    batch_size: int,
) -> None:
    write_dinov2(tmp_path / "teacher")
    settings = {"checkpoint": str(tmp_path / "teacher"), "batch_size": batch_size, "flip": 0.5}
    whole = encode(clips, video, tmp_path / "whole.h5", **settings)
    monkeypatch.setattr("comodo.embeddings.encode.RUN", run)
    assert_allclose(encode(clips, video, tmp_path / "runs.h5", **settings), whole, atol=SAME)


def test_batches_are_halved_where_the_gpu_has_no_room(
    tmp_path: Path, clips: pd.DataFrame, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CUDA raises the same error; here it is raised for batches of more than three clips, asked for seven."""
    write_dinov2(tmp_path / "teacher")
    checkpoint = str(tmp_path / "teacher")
    whole = encode(clips, video, tmp_path / "whole.h5", checkpoint=checkpoint, batch_size=7)
    sizes = []
    encode_as_ever = Teacher.encode

    def small_gpu(self: Teacher, pixels: torch.Tensor) -> torch.Tensor:
        sizes.append(len(pixels))
        if len(pixels) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return encode_as_ever(self, pixels)

    monkeypatch.setattr(Teacher, "encode", small_gpu)
    found = encode(clips, video, tmp_path / "halved.h5", checkpoint=checkpoint, batch_size=7)
    assert_allclose(found, whole, atol=SAME)
    assert sizes[:2] == [7, 3]
    assert max(sizes[1:]) == 3
    monkeypatch.setattr(Teacher, "encode", lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError("full")))
    with pytest.raises(torch.OutOfMemoryError):
        encode(clips, video, tmp_path / "none.h5", checkpoint=checkpoint, batch_size=7)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_teacher_embeds_alike(tmp_path: Path, clips: pd.DataFrame, video: Path) -> None:
    write_dinov2(tmp_path / "teacher")
    settings = {"checkpoint": str(tmp_path / "teacher"), "batch_size": 4}
    plain = encode(clips, video, tmp_path / "plain.h5", **settings)
    compiled = encode(clips, video, tmp_path / "compiled.h5", **settings, compile=True)
    assert_allclose(compiled, plain, atol=SAME)


def test_that_share_of_the_train_clips_is_seen_mirrored(
    tmp_path: Path, clips: pd.DataFrame, video: Path
) -> None:
    write_dinov2(tmp_path / "teacher")
    checkpoint = str(tmp_path / "teacher")
    plain = expected(clips, video, tmp_path / "teacher", set())
    train = clips["clip"][(clips["split"] == "train") & (clips["reason"] == "")]
    hashes = {
        clip: int(hashlib.sha256(f"flip {clip}".encode()).hexdigest()[:16], 16) / 2**64 for clip in train
    }
    for flip, count in ((0.5, 3), (1.0, 5)):
        mirrored = {clip for clip, value in hashes.items() if value < flip}
        found = encode(clips, video, tmp_path / f"{flip}.h5", checkpoint=checkpoint, batch_size=4, flip=flip)
        wanted = expected(clips, video, tmp_path / "teacher", mirrored)
        assert (np.abs(wanted - plain).max(axis=1) > OTHER).sum() == len(mirrored) == count
        assert_allclose(found, wanted, atol=SAME)
        with open_store(tmp_path / f"{flip}.h5") as file:
            assert read_made_by(file) == load_teacher(tmp_path / "teacher").identity | {"flip": flip}


def test_who_is_mirrored_depends_on_the_clip_id_alone() -> None:
    def share(flip: float, split: str) -> float:
        rows = [SimpleNamespace(clip=f"a-{k}#00003", split=split) for k in range(4000)]
        return sum(is_mirrored(row, flip) for row in rows) / len(rows)

    assert share(0.25, "train") == pytest.approx(0.25, abs=0.03)
    assert (share(0.0, "train"), share(1.0, "train")) == (0.0, 1.0)
    assert (share(1.0, "val"), share(1.0, "test")) == (0.0, 0.0)


def test_the_number_of_frames_is_a_setting(tmp_path: Path, clips: pd.DataFrame, video: Path) -> None:
    write_dinov2(tmp_path / "teacher")
    checkpoint = str(tmp_path / "teacher")
    one = encode(clips, video, tmp_path / "one.h5", checkpoint=checkpoint, n_frames=1)
    teacher = load_teacher(checkpoint, n_frames=1)
    frames = read_frames(video / "train.mp4", [0])
    assert_allclose(one[0], teacher.encode(teacher.normalise(frames[None]))[0], atol=SAME)
    with open_store(tmp_path / "one.h5") as file:
        assert read_made_by(file)["n_frames"] == 1
