"""The block `datasets`: location of each dataset, and how it is cut into clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from comodo.config.block import Block, ByClass, PathStr

SPLITS = ("train", "val", "test")


class VideoSettings(Block):
    """How raw video becomes small clips (the published chain: fps, centre crop, scale)."""

    fps: float = Field(10.0, gt=0, description="frames per second of the extracted clips")
    size: int = Field(
        224, ge=32, multiple_of=2, description="side of the square frames, pixels; not 48 or 72"
    )
    crf: int = Field(
        18, ge=0, le=51, description="x264 quality of the extracted clips; lower is better and larger"
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
    time_unit: Literal["s", "ms", "us", "ns"] = Field("s", description="unit of the timestamps")
    rate_hz: float | None = Field(None, gt=0, description="sampling rate where there is no time column, Hz")
    accel: tuple[str, str, str] = Field(
        ("accel_x", "accel_y", "accel_z"), description="accelerometer columns"
    )
    gyro: tuple[str, str, str] = Field(("gyro_x", "gyro_y", "gyro_z"), description="gyroscope columns")
    accel_unit: Literal["m/s2", "g"] = Field("m/s2", description="unit of the accelerometer columns")
    gyro_unit: Literal["rad/s", "deg/s"] = Field("rad/s", description="unit of the gyroscope columns")

    @model_validator(mode="after")
    def _clock(self) -> ImuCsvColumns:
        if (self.time is None) == (self.rate_hz is None):
            raise ValueError("give either `time` (a column) or `rate_hz`")
        named = [name for name in (self.time, *self.accel, *self.gyro) if name is not None]
        if repeated := sorted({name for name in named if named.count(name) > 1}):
            raise ValueError(f"column {', '.join(repeated)} is named more than once")
        return self


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


class SimulateSettings(Block):
    """A simulated dataset in the Ego4D layout."""

    seed: int = Field(0, description="seed of the world")
    train_subjects: int = Field(40, ge=1, description="subjects in train")
    val_subjects: int = Field(8, ge=1, description="subjects in val")
    test_subjects: int = Field(12, ge=1, description="subjects in test")
    activities: int = Field(8, ge=2, description="number of activities (classes); the simulated ones are 8")
    duration_s: float = Field(
        30.0, gt=0, description="length of each recording, s; one per subject and activity"
    )
    fps: float = Field(10.0, gt=0, description="frame rate of the rendered camera")
    size: int = Field(64, ge=16, multiple_of=2, description="side of the rendered frames, pixels")
    trajectory_imu: PathStr | None = Field(
        None,
        description="folder of recorded IMU, `<label>/<subject>.csv` with Ego4D's columns, that drives the rig instead",
    )

    @model_validator(mode="after")
    def _known_activities(self) -> SimulateSettings:
        if self.trajectory_imu is None and self.activities > 8:
            raise ValueError("activities: only 8 are simulated; more need recorded motion (trajectory_imu)")
        return self


class DatasetSettings(ByClass):
    """One dataset: its location, and how it is cut into clips."""

    layout: Literal["ego4d", "egoexo4d", "uestc", "table"] | None = Field(
        None, description="format of the dataset on disk; give this or `class`"
    )
    root: PathStr = Field(description="folder of the raw data")
    splits: PathStr | None = Field(
        None,
        description="folder of train.txt, val.txt, test.txt (IMU only: val may be missing); default `<root>/splits`",
    )
    table: PathStr | None = Field(None, description="csv of recordings (layout `table` only)")
    simulate: SimulateSettings | None = Field(
        None, description="make the raw data first (layout `ego4d` only)"
    )
    shards: int = Field(1, ge=1, description="jobs the preparation is divided into")
    clip_s: float | None = Field(
        5.0, gt=0, description="length of a clip and its IMU window, s; null: the whole recording is one clip"
    )
    windows: Literal["full", "reference"] = Field(
        "full", description="every full window, or the published rule"
    )
    alignment: Literal["timestamps", "reference"] = Field(
        "timestamps", description="pair by time, or by index"
    )
    clips_per_recording: int = Field(
        0, ge=0, description="keep that many clips (IMU only: windows) of each recording; 0 keeps all"
    )
    max_bad_fraction: float = Field(
        0.1, ge=0, le=1, description="fail when more recordings than this yield no clip (IMU only: no window)"
    )
    video: VideoSettings | None = Field(
        default_factory=VideoSettings, description="extracted clips; null: IMU only, no video is touched"
    )
    imu: ImuSettings = Field(default_factory=ImuSettings, description="resampled IMU")

    def used(self, keys: set[str]) -> dict[str, Any]:
        """Return settings as plain values; one that has no effect has its default, so that it reruns nothing."""
        changes: dict[str, Any] = {}
        if self.splits is not None and Path(self.splits) == Path(self.root, "splits"):
            changes["splits"] = None
        if self.layout != "uestc" and self.class_path is None:
            counts = ("accel_counts_per_g", "gyro_counts_per_dps")
            usual = {key: ImuSettings.model_fields[key].default for key in counts}
            changes["imu"] = self.imu.model_copy(update=usual)
        return self.model_copy(update=changes).model_dump(mode="json", include=keys)

    @model_validator(mode="after")
    def _consistent(self) -> DatasetSettings:
        if (self.layout is None) == (self.class_path is None):
            raise ValueError("give either `layout` or `class` (a layout of your own)")
        if self.class_path is None and (self.layout == "table") != (self.table is not None):
            raise ValueError("`table` (a csv of recordings) belongs to layout `table`, and only there")
        if self.imu.csv is not None and self.layout not in ("table", None):
            raise ValueError("`imu.csv` belongs to layout `table`: other layouts have fixed columns")
        if self.simulate is not None and self.layout != "ego4d":
            raise ValueError("`simulate` writes the layout `ego4d`")
        if self.clip_s is not None and self.video is not None:
            frames = self.clip_s * self.video.fps
            if abs(frames - round(frames)) > 1e-6:
                raise ValueError(f"clip_s × video.fps = {frames:g} must be a whole number of frames")
        return self
