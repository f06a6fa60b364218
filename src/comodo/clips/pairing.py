"""Which windows of a recording are pairs of video and IMU, and why the others are not.

Without a `clip_s` the whole recording is window 0, as long as it happens to be. A dataset without video
(`video: null`) has no pairs: there the result is every whole window of IMU.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import pandas as pd

from comodo.clips.sampling import draw_clips
from comodo.clips.tables import COLUMNS
from comodo.clips.windows import EPSILON_S, ImuCoverage, video_windows, window_time
from comodo.config import DatasetSettings
from comodo.layouts.ids import safe_name
from comodo.layouts.types import Recording
from comodo.layouts.video_clock import clock_hint
from comodo.storage.artefacts import open_hdf5


def pair_clips(
    recordings: Iterable[Recording],
    video_table: pd.DataFrame,
    imu_shard: Path,
    settings: DatasetSettings,
    shifts: Mapping[str, tuple[float, float]] | None = None,
) -> pd.DataFrame:
    """List every candidate window of the recordings: those that the video fills and those that the IMU fills.

    In an IMU-only dataset (`settings.video` is None) the candidates are the windows between the first and the last
    sample of the IMU; none has frames.

    Parameters
    ----------
    video_table
        Rows of `comodo.recordings.small_video.extract_recordings`; unread for an IMU-only dataset.
    imu_shard
        Written by `comodo.recordings.imu_shard.write_imu_shard`.
    shifts
        Offset, s, and drift of the IMU's clock by recording (`comodo.recordings.sync_table.read_clock_shifts`).

    Returns
    -------
    DataFrame
        One row per candidate, ordered by recording (as given) and window: `clip` (id), `recording`, `split`, `label`,
        `window`, `start_s`, `end_s`, `first_sample` and `last_sample` (range in the recording's IMU array, the end
        excluded), `first_frame` and `n_frames` (in the extracted video), `reason` (a key of `REASONS`; "" is kept)
        and `detail`. Samples are −1, −1 where the IMU window is not whole; frames −1, 0 where the video's is not.
        A recording of which nothing is kept has one row more, first, with `window` −1 and the reason for the whole.
    """
    videos = {str(row["recording"]): row for row in video_table.to_dict("records")}
    rows: list[dict[str, Any]] = []
    with open_hdf5(imu_shard) as shard:
        for recording in recordings:
            imu = shard[safe_name(recording.id)]
            if settings.video is None:
                rows += _without_video(recording, imu, settings)
            else:
                shift = (shifts or {}).get(recording.id, (0.0, 0.0))
                rows += _pair_recording(
                    recording, videos[recording.id], imu, settings, settings.video.fps, shift
                )
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def _pair_recording(
    recording: Recording,
    video: Mapping[Any, Any],
    imu: h5py.Group,
    settings: DatasetSettings,
    fps: float,
    shift: tuple[float, float],
) -> list[dict[str, Any]]:
    step_s = settings.step_s(recording.split)
    signal = ImuCoverage.of_group(imu, settings.clip_s, step_s, shift)
    # The published rule pairs by number and looks at nothing else.
    frozen = json.loads(video["frozen"]) if settings.alignment == "timestamps" else []
    if settings.clip_s is None:
        n_video = int(video["n_frames"] > 0)
        rows = [_whole(recording, video, signal, frozen, settings)] if signal.runs else []
    else:
        step = step_s or settings.clip_s
        windows = video_windows(video["duration_s"], settings.clip_s, settings.windows, step)
        spare = video["n_frames"] - round(settings.clip_s * fps)
        n_video = max(0, min(len(windows), spare // round(step * fps) + 1))
        rows = _windows(recording, n_video, signal, frozen, (settings.clip_s, step), fps)
    _sample(rows, settings.clips_per_recording)
    if not any(row["reason"] == "" for row in rows):
        reason, detail = _why_no_pair(video, imu, n_video, signal, rows)
        reason, detail = _short(recording, settings.clip_s, reason) or (reason, detail)
        rows.insert(0, row_of(recording, -1, reason=reason, detail=detail))
    return rows


def _without_video(recording: Recording, imu: h5py.Group, settings: DatasetSettings) -> list[dict[str, Any]]:
    """All windows from the first sample of the IMU to its last, or all the IMU; nothing beyond the recording's cut."""
    signal = ImuCoverage.of_group(imu, settings.clip_s, settings.step_s(recording.split))
    windows = signal.imu_only(settings.clip_s, recording.end_s and recording.end_s - recording.start_s)
    rows = [
        row_of(
            recording,
            w.number,
            w.time_s,
            w.samples,
            reason=w.reason,
            detail=signal.hole(w.number) if w.reason == "imu_gap" else "",
        )
        for w in windows
    ]
    _sample(rows, settings.clips_per_recording)
    if not any(row["reason"] == "" for row in rows):
        reason, detail = imu.attrs["reason"], imu.attrs["detail"]
        if not reason:
            reason, detail = signal.why_none(windows)
            reason, detail = _short(recording, settings.clip_s, reason) or (reason, detail)
        rows.insert(0, row_of(recording, -1, reason=reason, detail=detail))
    return rows


def _windows(
    recording: Recording,
    n_video: int,
    signal: ImuCoverage,
    frozen: Sequence[tuple[float, float]],
    clip_and_step_s: tuple[float, float],
    fps: float,
) -> list[dict[str, Any]]:
    """Candidates of equal length: those that the video fills (the first `n_video`) and those that the IMU fills."""
    clip_s, step_s = clip_and_step_s
    clip_frames = round(clip_s * fps)
    rows = []
    for i in sorted({*range(n_video), *signal.whole}) if signal.runs else []:
        samples, imu_reason = signal.window(i)
        time = window_time(i, clip_s, step_s)
        start, end = time[0] + EPSILON_S, time[1] - EPSILON_S
        gap = i < n_video and any(since < end and until > start for since, until in frozen)
        has_video = i < n_video and not gap
        reason = imu_reason or ("video_gap" if gap else "" if has_video else "no_video")
        frames = (round(i * step_s * fps), clip_frames) if has_video else (-1, 0)
        detail = signal.hole(i) if reason == "imu_gap" else ""
        rows.append(row_of(recording, i, time, samples, frames, reason, detail))
    return rows


def _whole(
    recording: Recording,
    video: Mapping[Any, Any],
    signal: ImuCoverage,
    frozen: Sequence[tuple[float, float]],
    settings: DatasetSettings,
) -> dict[str, Any]:
    """The one candidate of a recording that is a single clip: the IMU while the video runs, all of it where none does.

    Both must start and end together, to within `max_gap_s`. The published rule takes all of both.
    """
    first, last = signal.runs[0][0], signal.runs[-1][1]
    if not video["n_frames"] or settings.alignment == "reference":
        begin, end, slack = first, last, math.inf
    else:
        begin, end = max(first, 0), min(last, round(video["duration_s"] * signal.rate))
        slack = settings.imu.max_gap_s * signal.rate
    time = (0.0, video["duration_s"]) if video["n_frames"] else (begin / signal.rate, end / signal.rate)
    if begin > slack or begin >= end:
        reason = "imu_starts_late"
    elif end < video["duration_s"] * signal.rate - slack:
        reason = "imu_ends_early"
    elif not any(run[0] <= begin and end <= run[1] for run in signal.runs):
        reason = "imu_gap"
    elif frozen:
        reason = "video_gap"
    else:
        reason = "" if video["n_frames"] else "no_video"
    whole_imu = reason in ("", "no_video", "video_gap")
    samples = (begin - signal.first, end - signal.first) if whole_imu else (-1, -1)
    frames = (0, video["n_frames"]) if video["n_frames"] and not frozen else (-1, 0)
    return row_of(recording, 0, time, samples, frames, reason, signal.hole(0) if reason == "imu_gap" else "")


def row_of(
    recording: Recording,
    window: int,
    time: tuple[float, float] = (0.0, 0.0),
    samples: tuple[int, int] = (-1, -1),
    frames: tuple[int, int] = (-1, 0),
    reason: str = "",
    detail: str = "",
) -> dict[str, Any]:
    """Return a candidate window, or with window −1 the row of a whole recording, as a mapping of `COLUMNS`."""
    clip = f"{recording.id}#{window:05d}" if window >= 0 else ""
    ids = (clip, recording.id, recording.split, recording.label, window)
    return dict(zip(COLUMNS, (*ids, *time, *samples, *frames, reason, detail), strict=True))


def _short(recording: Recording, clip_s: float | None, reason: str) -> tuple[str, str] | None:
    """The reason and detail of a segment that is shorter than a window, unless it was lost for another reason."""
    if (
        recording.end_s is None
        or clip_s is None
        or reason not in ("video_too_short", "imu_too_short", "no_video")
    ):
        return None
    length = recording.end_s - recording.start_s
    if length >= clip_s - EPSILON_S:
        return None
    return "segment_too_short", f"{length:.2f} s, a window has {clip_s:g} s"


def _sample(rows: list[dict[str, Any]], keep: int) -> None:
    """Mark all pairs of a recording but `keep` random ones; 0 keeps all."""
    pairs = [row for row in rows if row["reason"] == ""]
    if keep == 0:
        return
    for i in set(range(len(pairs))) - set(draw_clips([""] * len(pairs), keep).tolist()):
        pairs[i]["reason"] = "not_sampled"


def _why_no_pair(
    video: Mapping[Any, Any],
    imu: h5py.Group,
    n_video: int,
    signal: ImuCoverage,
    rows: Sequence[dict[str, Any]],
) -> tuple[str, str]:
    """One reason for a recording without pairs, the most fundamental first, and its detail."""
    media = [(video["reason"], video["detail"])] if not video["file"] else []
    if imu.attrs["reason"]:
        media.append((imu.attrs["reason"], imu.attrs["detail"]))
    if media:
        return media[0][0], "; ".join(detail for _, detail in media)
    if n_video == 0:
        if video["reason"]:
            return video["reason"], video["detail"]
        return "video_too_short", f"{video['duration_s']:.2f} s of video"
    if not signal.overlaps(video["duration_s"]):
        first, last = signal.runs[0][0] / signal.rate, signal.runs[-1][1] / signal.rate
        detail = f"IMU from {first:.2f} to {last:.2f} s, video from 0 to {video['duration_s']:.2f} s"
        detail += clock_hint(first)
        return "no_overlap", detail
    reasons = Counter(row["reason"] for row in rows if row["window"] < n_video)
    reason = reasons.most_common(1)[0][0]
    return reason, next(row["detail"] for row in rows if row["reason"] == reason)
