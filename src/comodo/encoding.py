"""Video to embeddings: each clip of a shard is decoded once and seen once by the teacher."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from comodo.clips import frame_indices
from comodo.config import TeacherSettings
from comodo.devices import use_device
from comodo.layouts import safe_name
from comodo.preparation import pairs_of
from comodo.store import write_store
from comodo.video import read_frames

if TYPE_CHECKING:
    from comodo.models.teachers import Teacher


def read_clip(video: Path, clip: Any, n_frames: int) -> NDArray[np.uint8]:
    """The frames (n_frames, H, W, 3) of a clip that a teacher looks at, evenly spread from its first to its last.

    Args:
        video: folder of the shard's extracted clips.
        clip: a row of the clip table.
        n_frames: how many frames the teacher takes.
    """
    indices = [clip.first_frame + index for index in frame_indices(clip.n_frames, n_frames)]
    return read_frames(video / f"{safe_name(clip.recording)}.mp4", indices)


def encode_clips(
    clips: pd.DataFrame, video: Path, teacher: Teacher, batch_size: int, workers: int = 1
) -> Iterator[NDArray[np.float32]]:
    """Encode the clips of a table in its order, `batch_size` at a time; yields (B, D) float32.

    Threads decode ahead of the teacher by at most two batches, each with a reader of its own.
    """
    with (
        ThreadPoolExecutor(max(1, workers)) as pool,
        tqdm(total=len(clips), unit="clip", desc="encoding") as progress,
    ):
        rows = clips.itertuples(index=False)
        pending = [
            pool.submit(read_clip, video, row, teacher.n_frames) for row in islice(rows, 3 * batch_size)
        ]
        while pending:
            batch, pending = pending[:batch_size], pending[batch_size:]
            frames = np.stack([future.result() for future in batch])
            pending += [
                pool.submit(read_clip, video, row, teacher.n_frames) for row in islice(rows, len(batch))
            ]
            yield teacher.encode(teacher.normalise(frames)).cpu().numpy()
            progress.update(len(batch))


def encode_shard(
    clips: pd.DataFrame, video: Path, settings: TeacherSettings, made: Path | None, store: Path, threads: int
) -> None:
    """Encode the pairs of one shard into a shard of the embedding store.

    Args:
        clips: the shard's window table; only its pairs are encoded.
        video: folder of the shard's extracted clips.
        settings: the teacher.
        made: folder of a teacher that the workflow made itself.
        store: the HDF5 file to write.
        threads: CPU threads to use.
    """
    from comodo.models import load_teacher

    device = use_device(threads)
    teacher = load_teacher(made or settings.checkpoint or "", settings.revision, device)
    pairs = pairs_of(clips)
    batches = encode_clips(pairs, video, teacher, settings.batch_size, threads)
    write_store(store, pairs, teacher.dim, batches, teacher.identity)
