"""Chapters: the files into which a camera writes one long recording, one after the other."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from comodo.errors import ImuError, VideoError
from comodo.layouts.types import ImuSamples

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def next_chapter(path: Path) -> Path | None:
    """Return the next chapter of a GoPro recording if it is in the same folder; cameras start one after 4 or 12 GB.

    Names: GX010001.MP4, GX020001.MP4, …; on HERO5 and older GOPR0001.MP4, GP010001.MP4, …
    """
    if match := re.fullmatch(r"(G[HXLP])(\d\d)(\d{4})", path.stem):
        name = f"{match[1]}{int(match[2]) + 1:02}{match[3]}"
    elif match := re.fullmatch(r"GOPR(\d{4})", path.stem):
        name = f"GP01{match[1]}"
    else:
        return None
    chapter = path.with_name(name + path.suffix)
    return chapter if os.path.exists(chapter) else None


def chapter_starts(files: Sequence[Path]) -> list[float]:
    """Return when each file of a recording begins, s: as long as the video before it declares to last.

    Raises:
        VideoError: a file before the last one cannot be opened, or declares no length.
    """
    from comodo.layouts.media import declared_duration, open_video, video_stream

    starts = [0.0]
    for path in files[:-1]:
        with open_video(path) as container:
            length = declared_duration(container, video_stream(container, path))
        if not length:
            text = f"{path} declares no length, so it is unknown when the next chapter begins"
            raise VideoError("video_unreadable", text)
        starts.append(starts[-1] + length)
    return starts


def join_chapters(files: Sequence[Path], chapters: Sequence[ImuSamples]) -> ImuSamples:
    """Join the IMU of the chapters of a recording on the clock of its first frame.

    A chapter's samples end where those of the next one begin.

    Raises:
        ImuError: it is unknown when a chapter begins.
    """
    if len(chapters) == 1:
        return chapters[0]
    try:
        starts = chapter_starts(files)
    except VideoError as error:
        raise ImuError("imu_unreadable", str(error)) from None
    accel_t, accel = _join([(c.accel_t + s, c.accel) for c, s in zip(chapters, starts, strict=True)])
    if all(chapter.gyro_t is chapter.accel_t for chapter in chapters):
        gyro_t, gyro = (
            accel_t,
            _join([(c.accel_t + s, c.gyro) for c, s in zip(chapters, starts, strict=True)])[1],
        )
    else:
        gyro_t, gyro = _join([(c.gyro_t + s, c.gyro) for c, s in zip(chapters, starts, strict=True)])
    notes = dict.fromkeys(note for chapter in chapters for note in chapter.notes)
    return ImuSamples(accel_t, accel, gyro_t, gyro, list(notes))


def _join(
    parts: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    import numpy as np

    kept = []
    for (time, values), (following, _) in itertools.pairwise(parts):
        begin = np.min(following, where=np.isfinite(following), initial=np.inf)
        keep = ~(time >= begin)
        kept.append((time[keep], values[:, keep]))
    kept.append(parts[-1])
    return np.concatenate([time for time, _ in kept]), np.concatenate([values for _, values in kept], axis=1)
