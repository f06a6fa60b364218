"""The blocks `video` and `imu` of a dataset: how raw recordings become small video and resampled IMU."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from comodo.config.block import Block


class VideoSettings(Block):
    """How raw video becomes small clips (the published chain: fps, centre crop, scale)."""

    fps: float = Field(10.0, gt=0, description="frames per second of the extracted clips")
    size: int = Field(
        224, ge=32, multiple_of=2, description="side of the square frames, pixels; not 48 or 72"
    )
    crf: int = Field(
        18, ge=0, le=51, description="x264 quality of the extracted clips; lower is better and larger"
    )

    hwaccel: Literal["none", "cuda"] = Field(
        "none",
        exclude=True,  # how pictures are decoded is no part of what they are
        description="device that decodes raw video; software decodes what it refuses",
    )

    @model_validator(mode="after")
    def _readable(self) -> VideoSettings:
        if self.size in (48, 72):  # seen with decord 0.6.0: it pads their rows and then refuses its own array
            raise ValueError(f"size: decord cannot read frames of {self.size} pixels: take 64 or 80")
        return self


class ImuCsvColumns(Block):
    """How to read the IMU csv files of a `table` dataset."""

    time: str | None = Field(
        None, description="column of timestamps; none: samples are `rate_hz` apart from 0 s"
    )
    time_unit: Literal["s", "ms", "us", "ns", "iso8601"] = Field(
        "s",
        description="unit of the timestamps; iso8601: times of day, with a zone where the dataset has video",
    )
    rate_hz: float | None = Field(None, gt=0, description="sampling rate where there is no time column, Hz")
    accel: tuple[str, str, str] = Field(
        ("accel_x", "accel_y", "accel_z"), description="accelerometer columns"
    )
    gyro: tuple[str, str, str] = Field(("gyro_x", "gyro_y", "gyro_z"), description="gyroscope columns")
    accel_unit: Literal["m/s2", "g"] = Field("m/s2", description="unit of the accelerometer columns")
    gyro_unit: Literal["rad/s", "deg/s"] = Field("rad/s", description="unit of the gyroscope columns")
    label: str | None = Field(
        None, description="column of labels, of which `comodo segments` makes `segments`"
    )

    @model_validator(mode="after")
    def _clock(self) -> ImuCsvColumns:
        if (self.time is None) == (self.rate_hz is None):
            raise ValueError("give either `time` (a column) or `rate_hz`")
        repeated: set[str] = set()
        for sensor in (self.accel, self.gyro):  # each may have a file of its own, with the same names
            named = [name for name in (self.time, *sensor) if name is not None]
            repeated |= {name for name in named if named.count(name) > 1}
        if repeated:
            raise ValueError(f"column {', '.join(sorted(repeated))} is named more than once")
        return self

    @model_serializer(mode="wrap")
    def _without_label(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        dumped: dict[str, Any] = handler(self)
        dumped.pop("label", None)  # it makes the csv of segments and has no other effect
        return dumped


class ImuSettings(Block):
    """How raw IMU becomes a signal on one clock."""

    rate_hz: float = Field(200.0, gt=0, description="sampling rate after resampling, Hz")
    max_gap_s: float = Field(
        0.1, gt=0, description="a longer hole in the IMU drops the windows it touches, s"
    )
    csv: ImuCsvColumns | None = Field(None, description="columns of IMU csv files (layout `table` only)")
    accel_counts_per_g: float = Field(
        16384.0, gt=0, description="accelerometer scale, counts per g (layout `uestc` only; others use 8192)"
    )
    gyro_counts_per_dps: float = Field(
        16.4, gt=0, description="gyroscope scale, counts per deg/s (layout `uestc` only)"
    )
