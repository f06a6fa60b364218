"""Notes on a recording: every kind of fault that is repaired or only reported, with its effect.

A note is a text `kind: detail`. Faults that drop windows or recordings have reasons (`comodo.clips.REASONS`) instead.
Docs page "Recordings" is written from both lists.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple


class Kind(NamedTuple):
    """A kind of fault: its description, and the effect on the recording."""

    found: str
    effect: str


NOTES: Final = {
    # the clock
    "imu_packets": Kind(
        "several samples share one timestamp (BLE or USB packets, whole seconds, a spreadsheet's rounding)",
        "they are spread evenly up to the next timestamp; their times may be off by one such interval",
    ),
    "imu_duplicates": Kind("rows are in the file more than once", "each is used once"),
    "imu_restart": Kind(
        "the clock restarts inside the file, so that two stretches have the same times",
        "the longer stretch is used; only one of them can be aligned with the video",
    ),
    "imu_step_back": Kind(
        "the clock steps back, or two components overlap: two moments have the same times",
        "the shared times become a hole",
    ),
    "imu_wrap": Kind("a counter of 8, 16, 24 or 32 bits wraps around", "it is unwrapped"),
    "imu_unordered": Kind("rows are out of order", "they are sorted by time"),
    "imu_no_times": Kind(
        "rows have values but no time",
        "times are interpolated between their neighbours, in gaps up to `max_gap_s` and where the rate fits; else the "
        "rows are left out",
    ),
    "imu_strays": Kind("samples lie hours away from the rest", "they are left out"),
    "imu_start_unknown": Kind(
        "Ego-Exo4D: the time of the first video frame is unknown", "the first IMU sample is taken for it"
    ),
    "imu_created": Kind(
        "the table says `video_start: creation_time`",
        "the IMU is placed by the video file's creation time, which is known to a second",
    ),
    "imu_synced": Kind(
        "`sync: correct`: video and IMU were out of step, by the motion that both show",
        "the IMU is moved by that much",
    ),
    "imu_payloads": Kind(
        "a GoPro file whose telemetry payloads cannot be counted",
        "the samples are spread evenly over the file",
    ),
    "imu_sidecar": Kind("the table names a file of IMU beside the video (.gcsv, .bbl, .bfl)", "it is used"),
    "imu_chapter": Kind(
        "the next chapter of a GoPro recording lies beside it and is not in the table (`video` may name several files)",
        "only this file is used",
    ),
    "imu_second": Kind(
        "Aria glasses: the first IMU has no samples",
        "the second one is used, rotated into the axes of the first by the calibration in the file",
    ),
    # columns and values
    "imu_row_numbers": Kind(
        "UESTC-MMEA-CL: the first of seven columns counts the rows", "the six columns after it are used"
    ),
    "imu_stuck": Kind(
        "all channels of a sensor repeat one sample, or are zero", "the stretch becomes a hole"
    ),
    "imu_flat_channel": Kind("a single channel never changes", "it is used as it is"),
    "imu_same_channels": Kind("two channels are identical", "they are used as they are"),
    "imu_same_sensor": Kind(
        "accelerometer and gyroscope are identical: columns mixed up?", "they are used as they are"
    ),
    "imu_accel_unit": Kind(
        "|accel| is far from gravity: a wrong unit or scale, or gravity was removed", "it is used as it is"
    ),
    "imu_gyro_unit": Kind(
        "|gyro| is faster than a body turns or a sensor measures: deg/s declared as rad/s?",
        "it is used as it is",
    ),
    "imu_out_of_range": Kind(
        "UESTC-MMEA-CL: counts outside of 16 bits", "these samples become a hole (`timestamps`)"
    ),
    "imu_clipped": Kind("UESTC-MMEA-CL: counts at the end of the 16-bit range", "they are used as they are"),
}


def note(kind: str, detail: str) -> str:
    """Return a note of a kind in `NOTES`. Raises `KeyError` for another kind."""
    NOTES[kind]
    return f"{kind}: {detail}"


def count_notes(details: Iterable[str]) -> Counter[str]:
    """Count recordings by the kinds of the notes in their details (joined by "; ")."""
    counts: Counter[str] = Counter()
    for detail in details:
        counts.update({kind for part in detail.split("; ") if (kind := part.partition(":")[0]) in NOTES})
    return counts
