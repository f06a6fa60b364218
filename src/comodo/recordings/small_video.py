"""Small video: raw footage as small clips at a constant rate, and frames out of those.

The filters are the published chain (fps, centre crop, scale). decord reads the extracted files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from comodo.config import DatasetSettings, VideoSettings
from comodo.errors import VideoError
from comodo.layouts.ids import safe_name
from comodo.layouts.types import Recording
from comodo.recordings.copied import copy_video
from comodo.recordings.footage import open_footage
from comodo.recordings.frames import check_small_video as check_small_video
from comodo.recordings.frames import read_frames as read_frames
from comodo.recordings.transcode import transcode
from comodo.recordings.video_source import LONGEST_FREEZE_S
from comodo.storage.artefacts import file_digest, write_table
from comodo.storage.files import atomic

KEYFRAME_S = 5.0  # between keyframes, where the whole recording is one clip
TABLE_COLUMNS = (
    "recording",
    "file",
    "n_frames",
    "duration_s",
    "frozen",
    "reason",
    "detail",
    "sha256",
    "decoder",
)


@dataclass(frozen=True, slots=True)
class ExtractedVideo:
    """What became of a raw video. Frame k of the file shows the time k / fps."""

    n_frames: int
    duration_s: float  # of the source's part that was whole, from its first frame to the end of its last
    reason: str | None = None  # why the file holds less than the source declares
    detail: str = ""
    frozen: list[tuple[float, float]] = field(default_factory=list)  # stretches without source frames, s
    decoder: str = "software"  # or "hardware"; "" where the pictures were copied as they are coded


def extract(
    source: Path,
    target: Path,
    fps: float,
    size: int,
    clip_frames: int,
    crf: int,
    start_s: float = 0.0,
    end_s: float | None = None,
    threads: int = 1,
    square: bool = True,
    chapters: Sequence[Path] = (),
    hwaccel: str = "none",
) -> ExtractedVideo:
    """Write the part [start_s, end_s) of a video as H.264 with `fps` square frames of side `size` per second.

    Rotation and mirroring are applied, pixels that are not square are made so if `square`, then the centre is cropped.
    Frame k shows the time `start_s` + k / fps of the source, counted from its first frame; `chapters` are further files
    that continue it. Keyframes are exactly the
    multiples of `clip_frames`, so that a clip can be read alone. Damaged parts are left out up to the next keyframe.
    The bytes depend on the arguments (but not `threads`, which serve decoding) and on the libraries' versions alone.
    `target` appears when it is whole. There is no sound.

    A source that is such a video already keeps its pictures: they are copied as they are coded (`copy_video`).

    A device `hwaccel` ("cuda") decodes what it can.

    Raises
    ------
    VideoError
        Nothing can be decoded; `target` is not written.
    """
    rate = Fraction(fps).limit_denominator(1001)
    if (
        start_s == 0
        and end_s is None
        and not chapters
        and (n_frames := copy_video(source, target, rate, size))
    ):
        return ExtractedVideo(n_frames, n_frames / fps, decoder="")
    with (
        open_footage((source, *chapters), start_s, end_s, threads, hwaccel) as frames,
        atomic(target) as partial,
    ):
        longest = None if end_s is None else round((end_s - start_s) * fps)
        pixels = frames.stream.sample_aspect_ratio if square else None
        base = frames.stream.time_base
        n_frames = transcode(frames, base, partial, rate, size, clip_frames, crf, longest, pixels)
        if n_frames == 0 and frames.untimed:
            raise VideoError(
                "video_no_frames",
                f"{source}: its {frames.untimed} frames have no timestamps: put them into a container at their frame "
                "rate, as in: ffmpeg -r 30 -i in.h264 -c copy out.mp4",
            )
        if n_frames == 0:
            raise VideoError("video_no_frames", f"{source}: no frame can be decoded from {start_s:g} s on")
    duration = frames.end - start_s
    reason, detail = None, ""
    if frames.damage is not None:
        reason, detail = "video_damaged", frames.damage
    if frames.expected and frames.end < frames.expected - LONGEST_FREEZE_S:
        reason = "video_truncated"
        detail = f"{source}: whole until {frames.end:.2f} s of {frames.expected:.2f} s"
    frozen = frames.frozen(max(LONGEST_FREEZE_S, 2 / fps))
    return ExtractedVideo(n_frames, duration, reason, detail, frozen, frames.decoder)


def extract_recordings(
    recordings: Iterable[Recording],
    folder: Path,
    chosen: VideoSettings,
    clip_s: float | None,
    threads: int = 1,
    square: bool = True,
    hwaccel: str = "none",
) -> Iterator[dict[str, Any]]:
    """Extract the video of each recording into `folder`, yielding rows of the video table (`TABLE_COLUMNS`).

    `clip_s` is the length of a clip in seconds, None where the whole recording is one; for `square` and `hwaccel` see
    `extract`.
    `file` is a name inside `folder`, "" where the video cannot be used; `reason` says why it is not or not wholly;
    `frozen` is a JSON list of [start_s, end_s]; `sha256` is the digest of the file, "" without a file; `decoder` as in
    `ExtractedVideo`.
    """
    for recording in recordings:
        row: dict[str, Any] = dict(recording=recording.id, file="", n_frames=0, duration_s=0.0, frozen="[]")
        name = f"{safe_name(recording.id)}.mp4"
        try:
            if recording.video is None:
                raise VideoError("video_missing_file", f"{recording.id} has no video file")
            video = extract(
                recording.video,
                folder / name,
                fps=chosen.fps,
                size=chosen.size,
                clip_frames=round((clip_s or KEYFRAME_S) * chosen.fps),
                crf=chosen.crf,
                start_s=recording.start_s,
                end_s=recording.end_s,
                threads=threads,
                square=square,
                chapters=recording.chapters,
                hwaccel=hwaccel,
            )
        except VideoError as error:
            yield row | {"reason": error.reason, "detail": str(error), "sha256": "", "decoder": ""}
        else:
            yield row | {
                "file": name,
                "n_frames": video.n_frames,
                "duration_s": video.duration_s,
                "frozen": json.dumps(video.frozen),
                "reason": video.reason or "",
                "detail": video.detail,
                "sha256": file_digest(folder / name),
                "decoder": video.decoder,
            }


def extract_shard(
    recordings: Sequence[Recording],
    folder: Path,
    table: Path,
    settings: DatasetSettings,
    threads: int,
    hwaccel: str = "none",
) -> None:
    """Extract the small video of a shard.

    Args:
        recordings: of the shard.
        folder: receives one mp4 per recording.
        table: receives the video table (parquet), one row per recording.
        settings: of the dataset, which has video.
        threads: CPU threads to decode with.
        hwaccel: device to decode with, "none" or "cuda".
    """
    if settings.video is None:
        raise ValueError("an IMU-only dataset (`video: null`) has no video to extract")
    with atomic(folder) as partial:
        partial.mkdir(parents=True)
        square = settings.alignment != "reference"  # the published chain squeezes
        rows = extract_recordings(
            recordings, partial, settings.video, settings.clip_s, threads, square, hwaccel
        )
        progress = tqdm(rows, total=len(recordings), unit="recording", desc="extracting")
        found = pd.DataFrame(list(progress), columns=list(TABLE_COLUMNS))
    write_table(found, table)
