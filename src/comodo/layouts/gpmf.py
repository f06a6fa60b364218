"""The times of the IMU in GoPro files: by each payload's own span, and by the edit lists of telemetry and video.

GPMF: https://github.com/gopro/gpmf-parser. A payload holds the samples of about a second. A GoPro sensor runs at a
constant rate, but payloads are cut unevenly: one of 1.001 s may hold 171 samples and the next one 216.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

import numpy as np

from comodo.errors import ImuError
from comodo.layouts.mp4_tracks import Floats, Ints, Track, read_tracks

SENSORS: Final = {"accl": b"ACCL", "gyro": b"GYRO"}
LARGEST_PAYLOAD: Final = 1 << 24  # bytes; a second of telemetry has some 10 kB
MOST_PAYLOADS: Final = 1 << 18  # three days
SLOWEST_HZ: Final = 150.0
"""Below it, a sensor with one sample for each video frame holds averages of a time lapse."""
SAME_RATE: Final = 0.02
SHORT: Final = 0.8
"""Share of the usual number of samples below which the last payload was cut short."""


@dataclass(frozen=True, slots=True)
class Payloads:
    """The telemetry payloads of a file.

    Attributes:
        begin: (P,) start of each payload, from the first video frame, s.
        span: (P,) its length, s.
        counts: samples (P,) of "accl" and "gyro" in each payload.
        frame_hz: mean rate of the video frames, Hz; 0 without video.
    """

    begin: Floats
    span: Floats
    counts: dict[str, Ints]
    frame_hz: float


def read_payloads(file: BinaryIO) -> Payloads | None:
    """Read the spans of the GPMF payloads of a file and the numbers of their samples; None for another kind of file."""
    tracks = read_tracks(file)
    telemetry = next((track for track in tracks if track.format == "gpmd"), None)
    if telemetry is None:
        return None
    video = next((track for track in tracks if track.handler == "vide"), None)
    times, spans = telemetry.media_times() - telemetry.start(), telemetry.durations()
    offsets, sizes = telemetry.places()
    number = min(len(times), len(offsets))
    if number > MOST_PAYLOADS:
        raise ValueError(f"{number} telemetry payloads")
    counts: dict[str, list[int]] = {name: [] for name in SENSORS}
    for offset, size in zip(offsets[:number].tolist(), sizes[:number].tolist(), strict=True):
        file.seek(offset)
        found = _count(file.read(min(size, LARGEST_PAYLOAD)))
        for name, code in SENSORS.items():
            counts[name].append(found.get(code, 0))
    first, frame_hz = _first_frame(video) if video is not None else (0.0, 0.0)
    order = np.argsort(times[:number], kind="stable")
    return Payloads(
        times[:number][order] - first,
        spans[:number][order],
        {name: np.array(own, dtype=np.int64)[order] for name, own in counts.items()},
        frame_hz,
    )


def sample_times(payloads: Payloads, sensor: str) -> Floats:
    """Return the times (N,) of a sensor's samples in file order, from the first video frame, s.

    Payloads without samples part the stream. Within a part the samples are evenly spaced.

    Args:
        payloads: of the file.
        sensor: "accl" or "gyro".

    Raises:
        ImuError: the samples are averages of a time lapse, one per video frame.
    """
    counts = payloads.counts[sensor]
    held = np.flatnonzero(counts)
    rate = float(counts[held].sum() / payloads.span[held].sum()) if len(held) else 0.0
    if 0 < rate < SLOWEST_HZ and abs(rate - payloads.frame_hz) <= SAME_RATE * payloads.frame_hz:
        raise ImuError(
            "imu_time_lapse",
            f"its {sensor} samples are averages, one per video frame ({rate:.3g} Hz): a time lapse or TimeWarp",
        )
    gaps = np.diff(payloads.begin) - payloads.span[:-1]
    apart = np.flatnonzero((np.diff(held) > 1) | (gaps[held[:-1]] > 0.5 * payloads.span[held[:-1]])) + 1
    parts = np.split(held, apart)
    times = []
    for part in parts:
        number = int(counts[part].sum())
        begin = float(payloads.begin[part[0]]) if len(part) else 0.0
        times.append(begin + np.arange(number) * ((_end(payloads, counts, part) - begin) / max(1, number)))
    return np.concatenate(times)


def _end(payloads: Payloads, counts: Ints, part: Ints) -> float:
    """When the samples of consecutive payloads end, s. The last one may hold fewer: the recording was stopped."""
    if not len(part):
        return 0.0
    last, before = part[-1], part[:-1]
    end = float(payloads.begin[last] + payloads.span[last])
    rate = float(counts[before].sum() / payloads.span[before].sum()) if len(before) else 0.0
    short = counts[last] < SHORT * rate * payloads.span[last]
    return float(payloads.begin[last] + counts[last] / rate) if short else end


def _first_frame(video: Track) -> tuple[float, float]:
    """When the first frame that is shown is presented, s, and the mean rate of frames, Hz."""
    shown = np.sort(video.media_times() - video.start())
    if not len(shown):
        return 0.0, 0.0
    after = shown[shown >= -1e-6]
    length = float(video.durations().sum())
    return float((after if len(after) else shown)[0]), len(shown) / length if length > 0 else 0.0


def _count(payload: bytes) -> dict[bytes, int]:
    """The numbers of samples of the streams of a payload."""
    found: dict[bytes, int] = {}
    for key, _, device in _entries(payload):
        for kind, _, stream in _entries(device) if key == b"DEVC" else ():
            for name, repeat, _ in _entries(stream) if kind == b"STRM" else ():
                if name in SENSORS.values():
                    found[name] = found.get(name, 0) + repeat
    return found


def _entries(data: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """Yield key, number of samples and content of each entry (key, type, size of a sample, repeats)."""
    place = 0
    while place + 8 <= len(data):
        key, _, size, repeat = struct.unpack_from(">4sBBH", data, place)
        length = size * repeat
        yield key, repeat, data[place + 8 : place + 8 + length]
        place += 8 + (length + 3) // 4 * 4
