"""The types of a layout: recordings, raw IMU samples, and the protocol of a reader."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STANDARD_GRAVITY = 9.80665  # m/s² per g
SIDECARS = (".gcsv", ".bbl", ".bfl")  # files of IMU beside a video; read only where a table names one


@dataclass(frozen=True, slots=True)
class Recording:
    """One video with its IMU, one label, one split; of an IMU-only dataset (`video: null`) the IMU alone."""

    id: str
    split: str  # "train", "val", "test" or "predict"
    label: str  # may be "" in predict
    video: Path | None  # None in an IMU-only dataset; may be None in predict
    imu: Path  # the same as `video` where the camera file holds the IMU
    group: str = ""  # session or subject, "" where unknown
    start_s: float = 0.0  # the part of the file that is this recording
    end_s: float | None = None
    offset_s: float | None = 0.0  # the IMU's clock at the first video frame; None: the video's creation time
    chapters: tuple[Path, ...] = ()  # further files of `video`, in order, where a camera wrote several
    gyro: Path | None = None  # the gyroscope's file, where `imu` is the accelerometer's alone

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of video and IMU, each once."""
        named = (self.video, self.imu, *self.chapters, self.gyro)
        return tuple(dict.fromkeys(path for path in named if path is not None))


@dataclass(slots=True)
class ImuSamples:
    """Raw IMU of one component, in file order and uncleaned (NaN allowed); float64.

    Times are seconds relative to the first frame of the recording's video, or to the first sample where an IMU-only
    dataset has no such clock; NaN where the file has none. Give the same array as `accel_t` and `gyro_t` where the two
    sensors share a clock.
    """

    accel_t: NDArray[np.float64]  # (Na,) s
    accel: NDArray[np.float64]  # (3, Na) m/s²
    gyro_t: NDArray[np.float64]  # (Ng,) s
    gyro: NDArray[np.float64]  # (3, Ng) rad/s
    notes: list[str] = field(default_factory=list)  # `kind: detail`, for the quality report
    rate_hz: int | None = None  # the nominal rate, where the times are counted from it
    origin_s: float = 0.0  # time 0 on the file's own clock, where that is another one
    gravity: float = 9.81  # |accel| at rest: 1 where the published scaling leaves it in g


class Layout(Protocol):
    """A reader of raw data."""

    def recordings(self) -> list[Recording]:
        """List all recordings, those of the split `predict` included; opens no media. Raises `LayoutError`."""
        ...

    def clock_files(self, recording: Recording) -> list[Path]:
        """Name the files beside `video` and `imu` that `read_imu` opens: those that set the clock. Opens none."""
        ...

    def read_imu(self, recording: Recording) -> list[ImuSamples]:
        """Read the raw IMU of a recording, one entry per component. Raises `ImuError`."""
        ...
