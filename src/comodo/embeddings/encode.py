"""Encode video: decode each clip of a shard once, and embed it once with the teacher."""

from __future__ import annotations

import hashlib
import logging
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from comodo.clips.tables import kept_pairs
from comodo.clips.windows import frame_indices
from comodo.config import TeacherSettings
from comodo.embeddings.ready import read_ready, ready_identity
from comodo.embeddings.store import is_encoded, write_store
from comodo.errors import DamageError
from comodo.jobs.devices import use_device
from comodo.layouts.ids import safe_name
from comodo.recordings.small_video import check_small_video, read_frames
from comodo.storage.artefacts import read_table

if TYPE_CHECKING:
    from comodo.models.teachers import Teacher

log = logging.getLogger(__name__)
RUN = 12  # maximum number of clips read each time a video is opened


def is_mirrored(clip: Any, flip: float) -> bool:
    """Return whether a clip is mirrored: a fraction `flip` of the train clips, selected by a hash of the clip id."""
    digest = hashlib.sha256(f"flip {clip.clip}".encode()).digest()
    return bool(clip.split == "train" and int.from_bytes(digest[:8], "big") < flip * 2**64)


def read_clips(
    clips: Sequence[Any], video: Path, n_frames: int, flip: float = 0.0
) -> list[NDArray[np.uint8]]:
    """Return the teacher's frames (n_frames, H, W, 3) of each clip, evenly spaced from its first to its last frame.

    Args:
        clips: rows of pairs, all of one recording.
        video: folder of the shard's extracted clips.
        n_frames: number of frames per clip.
        flip: fraction of train clips that are mirrored.
    """
    indices = [clip.first_frame + index for clip in clips for index in frame_indices(clip.n_frames, n_frames)]
    frames = read_frames(video / f"{safe_name(clips[0].recording)}.mp4", indices)
    return [
        own[:, :, ::-1] if is_mirrored(clip, flip) else own
        for clip, own in zip(clips, np.split(frames, len(clips)), strict=True)
    ]


def encode_clips(
    pairs: pd.DataFrame,
    video: Path,
    teacher: Teacher,
    batch_size: int,
    workers: int = 1,
    flip: float = 0.0,
) -> Iterator[NDArray[np.float32]]:
    """Encode pairs in order, and yield embeddings (B, D), float32, of at most `batch_size` clips.

    A fraction `flip` of the train clips is mirrored left-right. Threads decode about two batches ahead of the teacher,
    one run of clips at a time. A GPU computes one batch while the next is transferred. If it runs out of memory, the
    batch size is halved for the remaining clips.
    """
    import torch

    with (
        ThreadPoolExecutor(max(1, workers)) as pool,
        tqdm(total=len(pairs), unit="clip", desc="encoding") as progress,
    ):
        read = partial(read_clips, video=video, n_frames=teacher.n_frames, flip=flip)
        waiting = (pool.submit(read, run) for run in _runs(pairs))
        coming = deque(islice(waiting, 2 * batch_size // RUN + max(1, workers)))
        ready: list[NDArray[np.uint8]] = []
        before: list[torch.Tensor] = []
        while coming:
            ready += coming.popleft().result()
            coming.extend(islice(waiting, 1))
            while len(ready) >= batch_size or (ready and not coming):
                try:
                    embeddings = teacher.encode(teacher.normalise(np.stack(ready[:batch_size])))
                except torch.OutOfMemoryError:
                    if batch_size == 1:
                        raise
                    batch_size //= 2
                    log.warning("out of GPU memory: the batch size is reduced to %d clips", batch_size)
                    torch.cuda.empty_cache()
                    continue
                del ready[:batch_size]
                before.append(embeddings)
                if len(before) == 2:
                    yield before.pop(0).cpu().numpy()
                progress.update(len(embeddings))
        for embeddings in before:
            yield embeddings.cpu().numpy()


def _runs(pairs: pd.DataFrame) -> Iterator[list[Any]]:
    """Yield up to `RUN` adjacent clips of one recording: opening a video takes as long as decoding half a clip."""
    for _, own in groupby(pairs.itertuples(index=False), key=lambda clip: clip.recording):
        while run := list(islice(own, RUN)):
            yield run


def check_videos(pairs: pd.DataFrame, video: Path) -> str:
    """Verify the extracted videos of pairs with the digests in the video table, `<video>.parquet`.

    Tables of earlier versions have no digests. Their videos are not verified, which is logged.

    Returns:
        A digest of all digests; "" if the table has none.

    Raises:
        DamageError: if a file is missing or does not match its digest.
    """
    table = video.with_name(f"{video.name}.parquet")
    known = read_table(table) if table.exists() else pd.DataFrame()
    if "sha256" not in known:
        log.info("%s has no digests: the videos are not verified", table)
        return ""
    digests = dict(zip(known["recording"], known["sha256"], strict=True))
    for recording in pairs["recording"].unique():
        if not digests.get(recording):
            raise DamageError(video, f"{table.name} has no video of {recording!r}")
        check_small_video(video / f"{safe_name(recording)}.mp4", digests[recording])
    used = [f"{recording} {digests[recording]}" for recording in pairs["recording"].unique()]
    return hashlib.sha256("\n".join(used).encode()).hexdigest()[:16]


def encode_shard(
    candidates: pd.DataFrame,
    video: Path,
    settings: TeacherSettings,
    made: Path | None,
    store: Path,
    threads: int,
) -> None:
    """Encode the pairs of one shard into a shard of the embedding store.

    An existing store of the same pairs and teacher is kept. If the settings name a file of embeddings, they are read
    from it and no video is decoded.

    Args:
        candidates: candidate clips of the shard; only pairs are encoded.
        video: folder of the shard's extracted clips, next to the video table.
        settings: settings of the teacher.
        made: folder of a teacher that the workflow made; None for other teachers.
        store: the HDF5 file to write.
        threads: CPU threads to use.
    """
    pairs = kept_pairs(candidates)
    if settings.embeddings is not None:
        dim, found = read_ready(Path(settings.embeddings), pairs)
        write_store(store, pairs, dim, found, ready_identity(Path(settings.embeddings)))
        return
    videos = check_videos(pairs, video)
    teacher = start_teacher(settings, made, use_device(threads))
    if settings.compile:
        teacher.compile()
    identity = teacher.identity | ({"flip": settings.flip} if settings.flip else {})
    if videos and is_encoded(store, pairs, identity, videos):
        log.info("clips and teacher have not changed: %s is kept", store)
        store.touch()
        return
    batches = encode_clips(pairs, video, teacher, settings.batch_size, threads, settings.flip)
    write_store(store, pairs, teacher.dim, batches, identity, videos)


def start_teacher(settings: TeacherSettings, made: Path | None, device: str) -> Teacher:
    """Load a teacher from its class path, its checkpoint, or the folder `made` by the workflow."""
    if settings.class_path is not None:
        from comodo.models.class_teacher import ClassTeacher

        return ClassTeacher(settings.class_path, settings.class_kwargs, device, settings.precision)
    from comodo.models.teacher_files import check_made
    from comodo.models.teachers import load_teacher

    if made is not None:
        check_made(made, settings.made_by())
    return load_teacher(
        made or settings.checkpoint or "",
        settings.revision,
        device,
        settings.n_frames,
        settings.precision,
        settings.pooling,
    )
