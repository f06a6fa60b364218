"""Clips: which windows of a recording are pairs of video and IMU, and why the others are not.

Window i covers [i · clip_s, (i + 1) · clip_s) seconds, counted from the first frame of the recording. Without a
`clip_s` the whole recording is window 0, as long as it happens to be. A dataset without video (`video: null`) has no
pairs: there every whole window of IMU is what was asked for.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import pandas as pd

from comodo.artefacts import open_hdf5
from comodo.config import DatasetSettings
from comodo.layouts import Recording, safe_name
from comodo.sampling import draw_clips

EPSILON_S = 1e-6  # durations are sums of floats: 14.9999999 is 15

# The fixed list of reasons in the quality report.
REASONS = {
    "": "a pair: window of video with its window of IMU; in an IMU-only dataset a whole window of IMU",
    # windows
    "no_video": "the IMU window is whole, but the video does not cover it; the SVM uses it",
    "video_gap": "the video stands still inside the window: no source frame for long",
    "imu_gap": "a hole in the IMU inside the window",
    "imu_starts_late": "the IMU starts after the window does",
    "imu_ends_early": "the IMU ends before the window does",
    "not_sampled": "a pair (IMU only: a window) that `clips_per_recording` leaves out",
    # recordings: nothing to pair
    "video_too_short": "the video does not fill one window",
    "imu_too_short": "the IMU does not fill one window (IMU-only datasets)",
    "no_overlap": "video and IMU have no time in common: different clocks?",
    # recordings: video
    "video_missing_file": "the video file does not exist",
    "video_empty": "the video file has no bytes",
    "video_unreadable": "the video file cannot be opened, or is no video",
    "video_no_stream": "the file has no video track",
    "video_no_frames": "no frame can be decoded",
    "video_truncated": "the video ends before its declared end; what is whole is used",
    "video_damaged": "parts of the video cannot be decoded; what is whole is used",
    # recordings: IMU
    "imu_missing_file": "the IMU file does not exist",
    "imu_unreadable": "the IMU file cannot be opened, or holds no IMU",
    "imu_no_stream": "the recording has no IMU stream",
    "imu_empty": "no usable IMU sample",
    "imu_missing_column": "a column is missing from the IMU csv",
    "imu_empty_column": "a column or sensor holds no number",
    "imu_bad_number": "a cell of the IMU csv is no number",
    "imu_constant": "a sensor never changes",
    "imu_clock": "the timestamps give no sampling rate",
}

COLUMNS = {
    "clip": "object",
    "recording": "object",
    "split": "object",
    "label": "object",
    "window": "int64",
    "start_s": "float64",
    "end_s": "float64",
    "first_sample": "int64",
    "last_sample": "int64",
    "first_frame": "int64",
    "n_frames": "int64",
    "reason": "object",
    "detail": "object",
}


def video_windows(
    duration_s: float, clip_s: float = 5.0, rule: Literal["full", "reference"] = "full"
) -> list[tuple[float, float]]:
    """Windows (start_s, end_s) of a video: every full one, or all but the last full one as published.

    Raises `ValueError` for another rule or a length that is not positive.
    """
    if rule not in ("full", "reference"):
        raise ValueError(f"windows: {rule!r} is neither 'full' nor 'reference'")
    if not clip_s > 0:
        raise ValueError(f"clip_s must be positive, not {clip_s}")
    if not math.isfinite(duration_s):
        raise ValueError(f"duration_s must be finite, not {duration_s}")
    count = math.floor((duration_s + EPSILON_S) / clip_s)
    if rule == "reference":
        count -= 1
    return [(i * clip_s, (i + 1) * clip_s) for i in range(count)]


def frame_indices(n_available: int, n_frames: int) -> list[int]:
    """Spread `n_frames` over a clip of `n_available` frames: floor(linspace(0, n_available − 1, n_frames)).

    Frames repeat where the clip has fewer. Raises `ValueError` for a clip without frames.
    """
    if n_available < 1:
        raise ValueError("a clip without frames")
    return [int(i) for i in np.floor(np.linspace(0, n_available - 1, n_frames))]


def pair_clips(
    recordings: Iterable[Recording], video_table: pd.DataFrame, imu_shard: Path, settings: DatasetSettings
) -> pd.DataFrame:
    """List every candidate window of the recordings: those that the video fills and those that the IMU fills.

    In an IMU-only dataset (`settings.video` is None) the candidates are the windows between the first and the last
    sample of the IMU; none has frames.

    Parameters
    ----------
    video_table
        Rows of `comodo.video.extract_recordings`; unread for an IMU-only dataset.
    imu_shard
        Written by `comodo.imu.write_imu_shard`.

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
                rows += _pair_recording(recording, videos[recording.id], imu, settings, settings.video.fps)
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def _pair_recording(
    recording: Recording, video: Mapping[Any, Any], imu: h5py.Group, settings: DatasetSettings, fps: float
) -> list[dict[str, Any]]:
    signal = _Signal(imu, settings.clip_s)
    # The published rule pairs by number and looks at nothing else.
    frozen = json.loads(video["frozen"]) if settings.alignment == "timestamps" else []
    if settings.clip_s is None:
        n_video = int(video["n_frames"] > 0)
        rows = [_whole(recording, video, signal, frozen, settings)] if signal.runs else []
    else:
        windows = video_windows(video["duration_s"], settings.clip_s, settings.windows)
        n_video = min(len(windows), video["n_frames"] // round(settings.clip_s * fps))
        rows = _windows(recording, n_video, signal, frozen, settings.clip_s, fps)
    _sample(rows, settings.clips_per_recording)
    if not any(row["reason"] == "" for row in rows):
        reason, detail = _why_no_pair(video, imu, n_video, signal, rows)
        rows.insert(0, _row(recording, -1, reason=reason, detail=detail))
    return rows


def _without_video(recording: Recording, imu: h5py.Group, settings: DatasetSettings) -> list[dict[str, Any]]:
    """All windows from the first sample of the IMU to its last, or all the IMU; nothing beyond the recording's cut."""
    signal, clip_s = _Signal(imu, settings.clip_s), settings.clip_s
    rows = []
    for i, begin, end in signal.between(recording.end_s and recording.end_s - recording.start_s):
        time = (begin / signal.rate, end / signal.rate) if clip_s is None else (i * clip_s, (i + 1) * clip_s)
        samples, reason = signal.samples(begin, end)
        rows.append(_row(recording, i, time, samples, reason=reason))
    _sample(rows, settings.clips_per_recording)
    if not any(row["reason"] == "" for row in rows):
        reason, detail = "imu_gap" if rows else imu.attrs["reason"], imu.attrs["detail"]
        if not reason:
            first, last = signal.runs[0][0] / signal.rate, signal.runs[-1][1] / signal.rate
            reason, detail = "imu_too_short", f"IMU from {first:.2f} to {last:.2f} s"
        rows.insert(0, _row(recording, -1, reason=reason, detail=detail))
    return rows


def _windows(
    recording: Recording,
    n_video: int,
    signal: _Signal,
    frozen: Sequence[tuple[float, float]],
    clip_s: float,
    fps: float,
) -> list[dict[str, Any]]:
    """Candidates of equal length: those that the video fills (the first `n_video`) and those that the IMU fills."""
    clip_frames = round(clip_s * fps)
    rows = []
    for i in sorted({*range(n_video), *signal.whole}) if signal.runs else []:
        samples, imu_reason = signal.window(i)
        start, end = i * clip_s + EPSILON_S, (i + 1) * clip_s - EPSILON_S
        gap = i < n_video and any(since < end and until > start for since, until in frozen)
        has_video = i < n_video and not gap
        reason = imu_reason or ("video_gap" if gap else "" if has_video else "no_video")
        frames = (i * clip_frames, clip_frames) if has_video else (-1, 0)
        rows.append(_row(recording, i, (i * clip_s, (i + 1) * clip_s), samples, frames, reason))
    return rows


def _whole(
    recording: Recording,
    video: Mapping[Any, Any],
    signal: _Signal,
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
    return _row(recording, 0, time, samples, frames, reason)


def _row(
    recording: Recording,
    window: int,
    time: tuple[float, float] = (0.0, 0.0),
    samples: tuple[int, int] = (-1, -1),
    frames: tuple[int, int] = (-1, 0),
    reason: str = "",
    detail: str = "",
) -> dict[str, Any]:
    clip = f"{recording.id}#{window:05d}" if window >= 0 else ""
    ids = (clip, recording.id, recording.split, recording.label, window)
    return dict(zip(COLUMNS, (*ids, *time, *samples, *frames, reason, detail), strict=True))


def _sample(rows: list[dict[str, Any]], keep: int) -> None:
    """Mark all pairs of a recording but `keep` random ones; 0 keeps all."""
    pairs = [row for row in rows if row["reason"] == ""]
    if keep == 0:
        return
    for i in set(range(len(pairs))) - set(draw_clips([""] * len(pairs), keep).tolist()):
        pairs[i]["reason"] = "not_sampled"


def _why_no_pair(
    video: Mapping[Any, Any], imu: h5py.Group, n_video: int, signal: _Signal, rows: Sequence[dict[str, Any]]
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
        return "no_overlap", detail
    reasons = Counter(row["reason"] for row in rows if row["window"] < n_video)
    return reasons.most_common(1)[0][0], ""


class _Signal:
    """Where a recording's IMU is whole, in numbers of the grid: sample k lies at k / rate seconds."""

    def __init__(self, group: h5py.Group, clip_s: float | None) -> None:
        self.runs: list[tuple[int, int]] = []  # [begin, end) without holes
        self.whole: list[int] = []  # windows that lie in one run
        self.per_window = math.inf  # samples
        if "valid" not in group:
            return
        self.rate = float(group.attrs["rate_hz"])
        self.first = round(float(group.attrs["start_s"]) * self.rate)  # grid number of the array's sample 0
        self.runs = [(int(begin) + self.first, int(end) + self.first) for begin, end in group["valid"][:]]
        if clip_s is None:
            return
        self.per_window = clip_s * self.rate
        for begin, end in self.runs:
            touched = range(max(0, math.floor(begin / self.per_window)), math.ceil(end / self.per_window))
            self.whole += [i for i in touched if begin <= self._edges(i)[0] and self._edges(i)[1] <= end]

    def _edges(self, i: int) -> tuple[int, int]:
        first = round(i * self.per_window)
        return first, first + round(self.per_window)  # every window has the same number of samples

    def between(self, cut_s: float | None) -> Iterator[tuple[int, int, int]]:
        """Windows (i, begin, end) from the first sample to the last, holes or not; none before 0 or after a cut."""
        if not self.runs:
            return
        begin, end = max(0, self.runs[0][0]), self.runs[-1][1]
        if cut_s is not None:
            end = min(end, round(cut_s * self.rate))
        if math.isinf(self.per_window):
            if begin < end:
                yield 0, begin, end
            return
        for i in range(math.floor(begin / self.per_window), math.ceil(end / self.per_window)):
            first, stop = self._edges(i)
            if begin <= first and stop <= end:
                yield i, first, stop

    def window(self, i: int) -> tuple[tuple[int, int], str]:
        """Sample range of window i in the recording's array and "", or (−1, −1) and why the window is not whole."""
        return self.samples(*self._edges(i))

    def samples(self, begin: int, end: int) -> tuple[tuple[int, int], str]:
        """The same for any range [begin, end) of the grid."""
        if any(run[0] <= begin and end <= run[1] for run in self.runs):
            return (begin - self.first, end - self.first), ""
        if begin < self.runs[0][0]:
            return (-1, -1), "imu_starts_late"
        return (-1, -1), "imu_ends_early" if end > self.runs[-1][1] else "imu_gap"

    def overlaps(self, duration_s: float) -> bool:
        """Whether any sample lies inside the video."""
        return any(begin < duration_s * self.rate and end > 0 for begin, end in self.runs)
