"""The block `datasets`: location of each dataset, and how it is cut into clips."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from comodo.config.block import Block, ByClass, PathStr
from comodo.config.folds import GROUP_OF, FoldSettings, Splits
from comodo.config.raw_data import ImuSettings, VideoSettings

SPLITS = ("train", "val", "test")
PREDICT = "predict"  # split of recordings without labels, which the trained students classify


def _off(value: Any) -> Any:
    """YAML reads an unquoted `off` as false."""
    return "off" if value is False else value


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

    new_keys = ByClass.new_keys | {"segments", "stride_s", "sync"}

    layout: Literal["ego4d", "egoexo4d", "uestc", "table"] | None = Field(
        None, description="format of the dataset on disk; give this or `class`"
    )
    root: PathStr = Field(description="folder of the raw data")
    splits: Splits | None = Field(
        None,
        description="folder of train.txt, val.txt, test.txt (IMU only: val may be missing), default `<root>/splits`; "
        "or folds by group, see below; `loso`: one fold per group",
    )
    table: PathStr | None = Field(None, description="csv of recordings (layout `table` only)")
    segments: PathStr | None = Field(
        None, description="csv of labelled segments of the recordings (layout `table` only)"
    )
    simulate: SimulateSettings | None = Field(
        None, description="make the raw data first (layout `ego4d` only)"
    )
    shards: int = Field(1, ge=1, description="jobs the preparation is divided into")
    clip_s: float | None = Field(
        5.0, gt=0, description="length of a clip and its IMU window, s; null: the whole recording is one clip"
    )
    stride_s: float | None = Field(
        None,
        gt=0,
        description="from one window in train to the next, s; default: clip_s, so that none overlap",
    )
    windows: Literal["full", "reference"] = Field(
        "full", description="every full window, or the published rule"
    )
    alignment: Literal["timestamps", "reference"] = Field(
        "timestamps", description="pair by time, or by index"
    )
    sync: Annotated[Literal["off", "report", "correct"], BeforeValidator(_off)] = Field(
        "report",
        description="estimate by how much video and IMU are out of step, from the motion that both show; correct: "
        "move the IMU where that is known",
    )
    clips_per_recording: int = Field(
        0, ge=0, description="keep that many clips (IMU only: windows) of each recording; 0 keeps all"
    )
    max_bad_fraction: float = Field(
        0.1,
        ge=0,
        le=1,
        description="fail when more recordings than this, and more than one, yield no clip (IMU only: no window)",
    )
    video: VideoSettings | None = Field(
        default_factory=VideoSettings, description="extracted clips; null: IMU only, no video is touched"
    )
    imu: ImuSettings = Field(default_factory=ImuSettings, description="resampled IMU")

    def used(self, keys: set[str]) -> dict[str, Any]:
        """Return settings as plain values; one that has no effect has its default, so that it reruns nothing."""
        changes: dict[str, Any] = {}
        if self.splits is not None and Path(self.split_folder) == Path(self.root, "splits"):
            changes["splits"] = None
        elif self.folds is not None:  # clips, IMU and embeddings are those of the listed recordings
            changes["splits"] = self.folds.files
        if (
            self.folds is not None
            and self.folds.by is not None
            and self.layout == "table"
            and "groups" in keys
        ):
            changes["splits"] = FoldSettings(by=self.folds.by)
        if self.layout != "uestc" and self.class_path is None:
            counts = ("accel_counts_per_g", "gyro_counts_per_dps")
            usual = {key: ImuSettings.model_fields[key].default for key in counts}
            changes["imu"] = self.imu.model_copy(update=usual)
        return self.model_copy(update=changes).model_dump(mode="json", include=keys)

    @property
    def folds(self) -> FoldSettings | None:
        """The settings of folds by group; None for one fixed split."""
        return self.splits if isinstance(self.splits, FoldSettings) else None

    @property
    def split_folder(self) -> str:
        """Folder of the split files that list the recordings; layout `table` has none."""
        given = self.splits.files if isinstance(self.splits, FoldSettings) else self.splits
        return given or str(Path(self.root, "splits"))

    @model_validator(mode="after")
    def _grouped(self) -> DatasetSettings:
        if self.folds is None:
            return self
        if self.layout == "uestc":
            raise ValueError("splits: layout `uestc` has no groups to make folds of")
        own = GROUP_OF.get(self.layout or "")
        if self.layout != "table" and self.folds.by not in (None, own):
            raise ValueError(
                f"splits.by: the groups of this layout are its own{own and f' ({own})'}: leave it out"
            )
        if self.layout == "table" and self.folds.files is not None:
            raise ValueError("splits.files: the recordings of layout `table` are in its table: leave it out")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> DatasetSettings:
        if (self.layout is None) == (self.class_path is None):
            raise ValueError("give either `layout` or `class` (a layout of your own)")
        if self.class_path is None and (self.layout == "table") != (self.table is not None):
            raise ValueError("`table` (a csv of recordings) belongs to layout `table`, and only there")
        if self.segments is not None and self.layout != "table":
            raise ValueError("`segments` belongs to layout `table`")
        self._check_stride()
        if self.sync == "correct" and not (self.synced and self.clip_s):
            raise ValueError("`sync: correct` needs video, a clip_s, and `alignment: timestamps`")
        if self.imu.csv is not None and self.layout not in ("table", None):
            raise ValueError("`imu.csv` belongs to layout `table`: other layouts have fixed columns")
        if self.simulate is not None and self.layout != "ego4d":
            raise ValueError("`simulate` writes the layout `ego4d`")
        if self.clip_s is not None and self.video is not None:
            frames = self.clip_s * self.video.fps
            if abs(frames - round(frames)) > 1e-6:
                raise ValueError(f"clip_s × video.fps = {frames:g} must be a whole number of frames")
        return self

    @property
    def synced(self) -> bool:
        """Whether the sync of video and IMU is estimated."""
        return self.video is not None and self.alignment == "timestamps" and self.sync != "off"

    def _check_stride(self) -> None:
        if self.stride_s is None:
            return
        if self.folds is not None:
            raise ValueError(
                "stride_s and folds (`splits`) exclude each other: each recording is test in a fold"
            )
        if self.clip_s is None or self.windows == "reference" or self.stride_s > self.clip_s:
            raise ValueError("stride_s needs a clip_s that is not shorter, and `windows: full`")
        frames = self.stride_s * self.video.fps if self.video else 0.0
        if abs(frames - round(frames)) > 1e-6:
            raise ValueError(f"stride_s × video.fps = {frames:g} must be a whole number of frames")

    def step_s(self, split: str) -> float | None:
        """From one window of a split to the next, s; None: the whole recording is one window."""
        return self.stride_s if self.stride_s and split == "train" else self.clip_s
