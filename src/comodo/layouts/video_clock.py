"""The time of day of a video's first frame, which places an IMU clock in epoch time."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from comodo.errors import ImuError, VideoError

CREATION_TIME: Final = "creation_time"
"""Cell of `video_start` that takes the time from the video file."""
EPOCH_S: Final = 1e8
"""Times above this, s, are no seconds of a recording: a clock in epoch time."""


def epoch_seconds(text: str) -> float:
    """Return a time of day as seconds since 1970-01-01 UTC.

    Args:
        text: ISO 8601 with a time zone, or a number of seconds.

    Raises:
        ValueError: the text is neither, or has no time zone.
    """
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is neither ISO 8601 (2026-03-01T09:30:00.5+01:00) nor epoch seconds"
        ) from None
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone: append Z for UTC, or an offset such as +01:00")
    return moment.timestamp()


def creation_time(path: Path) -> float:
    """Return when a video file says that it was created, in seconds since 1970-01-01 UTC, a whole number.

    Many cameras write their local time there as if it were UTC.

    Raises:
        ImuError: the file cannot be read or has no creation time.
    """
    from comodo.layouts.media import open_video

    try:
        with open_video(path) as container:
            tags = [container.metadata, *(stream.metadata for stream in container.streams)]
    except VideoError as error:
        raise ImuError("imu_clock", f"video_start: {error}") from None
    found = next((tag["creation_time"] for tag in tags if "creation_time" in tag), "")
    try:
        return datetime.fromisoformat(found).astimezone(UTC).timestamp()
    except ValueError:
        raise ImuError(
            "imu_clock", f"video_start: {path} has no creation time; give the time itself, or offset_s"
        ) from None


def clock_hint(first_s: float) -> str:
    """Return the end of a message on IMU that begins at `first_s`, s, and not with its video."""
    if first_s > EPOCH_S:
        return ": the IMU's clock is in epoch time; give the table a column video_start or offset_s"
    return ": if the clocks differ, give the table a column offset_s"
