"""The config: one pydantic model per block, the single source of schema, defaults and docs.

`load` turns the merged YAML into a `Config` or raises `ConfigError` with one line per fault, each naming the key.
Imported by every Snakemake process, so it imports nothing heavy.
"""

from __future__ import annotations

import difflib
import itertools
import math
import os
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from comodo.text import inert

SPLITS = ("train", "val", "test")
# folders of results/
RESERVED_NAMES = {"experiments", "teachers", "report", "published", "commands", "unsupervised_result"}


class ConfigError(ValueError):
    """A config that cannot run; its message has one line per fault."""


def _name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+=-]*", value):
        raise ValueError(
            "a name becomes a folder: use letters, digits and _ . + = - only, a letter or digit first"
        )
    if value in RESERVED_NAMES:
        raise ValueError(f"{value!r} is a folder of results/ already")
    return value


def _expand(value: str) -> str:
    """Replace `${NAME}` and `${NAME:-default}` by environment variables, and a leading `~`."""

    def variable(match: re.Match[str]) -> str:
        found = os.environ.get(match[1], match[2])
        if found is None:
            raise ValueError(f"the environment variable {match[1]} is not set")
        return found

    return os.path.expanduser(re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", variable, value))


def _sorted(value: Any) -> Any:
    """Mappings in the order of their keys: a config whose lines were moved about is the same config."""
    return {key: _sorted(value[key]) for key in sorted(value, key=str)} if isinstance(value, dict) else value


Name = Annotated[str, AfterValidator(_name)]
Precision = Literal["float32", "bfloat16"]
PathStr = Annotated[str, AfterValidator(_expand)]


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class VideoSettings(_Block):
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


class ImuCsvColumns(_Block):
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
        return self


class ImuSettings(_Block):
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


class SimulateSettings(_Block):
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


class DatasetSettings(_Block):
    """One dataset: where it lies, how it is cut into clips."""

    layout: Literal["ego4d", "egoexo4d", "uestc", "table"] = Field(description="how the dataset lies on disk")
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

    @model_validator(mode="after")
    def _consistent(self) -> DatasetSettings:
        if (self.layout == "table") != (self.table is not None):
            raise ValueError("`table` (a csv of recordings) belongs to layout `table`, and only there")
        if self.imu.csv is not None and self.layout != "table":
            raise ValueError("`imu.csv` belongs to layout `table`: other layouts know their columns")
        if self.simulate is not None and self.layout != "ego4d":
            raise ValueError("`simulate` writes the layout `ego4d`")
        if self.clip_s is not None and self.video is not None:
            frames = self.clip_s * self.video.fps
            if abs(frames - round(frames)) > 1e-6:
                raise ValueError(f"clip_s × video.fps = {frames:g} must be a whole number of frames")
        return self


class PretrainingSettings(_Block):
    """Supervised training of a small teacher on a simulated world of its own."""

    world: SimulateSettings = Field(description="the world to learn from; give it a seed of its own")
    clip_s: float = Field(5.0, gt=0, description="length of a clip, s")
    epochs: int = Field(10, ge=1, description="passes over the world's train clips")
    batch_size: int = Field(32, ge=2, description="clips per step")
    learning_rate: float = Field(1e-3, gt=0, description="peak learning rate (AdamW, one cycle)")


class ModelSettings(_Block):
    """A model: an existing checkpoint, or an architecture with fresh weights."""

    checkpoint: PathStr | None = Field(None, description="hub id or local folder, for `from_pretrained`")
    revision: str | None = Field(None, description="pinned revision of the hub id")
    architecture: str | None = Field(None, description="family of a model with fresh weights")
    architecture_config: Annotated[dict[str, Any], AfterValidator(_sorted)] = Field(
        default_factory=dict, description="its config, in the family's keys"
    )

    @model_validator(mode="after")
    def _one_source(self) -> ModelSettings:
        if (self.checkpoint is None) == (self.architecture is None):
            raise ValueError("give either `checkpoint` (hub id or folder) or `architecture` (fresh weights)")
        return self


class TeacherSettings(ModelSettings):
    """A frozen video or image model."""

    architecture: Literal["videomae", "timesformer"] | None = Field(
        None, description="family with fresh weights"
    )
    seed: int = Field(0, description="seed of fresh weights and of their pretraining")
    pretraining: PretrainingSettings | None = Field(
        None, description="train the fresh weights on a simulated world"
    )
    batch_size: int = Field(
        32, ge=1, description="clips encoded at once; halved by itself where the GPU has no room"
    )
    precision: Precision = Field(
        "float32", description="bfloat16 (autocast) is about twice as fast where the hardware has it"
    )
    compile: bool = Field(False, description="torch.compile: minutes at the start of each job, then faster")
    n_frames: int | None = Field(
        None, ge=1, description="frames per clip; default the model's own, 8 for an image model (frame mean)"
    )
    flip: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of train clips seen mirrored (published: 0.5, drawn anew each run)",
    )

    @model_validator(mode="after")
    def _fresh(self) -> TeacherSettings:
        if self.pretraining is not None and self.architecture is None:
            raise ValueError("`pretraining` needs an `architecture`: a checkpoint is used as it is")
        return self


class StudentSettings(ModelSettings):
    """An IMU encoder."""

    architecture: (
        Literal["mantis", "mantis-v2", "moment", "chronos-bolt"]
        | Literal["dlinear", "timesnet", "informer", "minirocket"]
        | None
    ) = Field(None, description="family with fresh weights")
    reduction: Literal["concat", "mean"] = Field("concat", description="how channels become one embedding")
    gradient_checkpointing: bool = Field(False, description="MOMENT: less memory, slower")


class ExperimentSettings(_Block):
    """dataset × teacher × student × objective × settings. Any but the last two may be a list: a sweep."""

    dataset: str = Field(description="a name under `datasets`")
    teacher: str | None = Field(
        None, description="a name under `teachers`; not needed by objectives `supervised` and `none`"
    )
    student: str = Field(description="a name under `students`")
    objective: Literal["comodo", "infonce", "l2", "supervised", "none"] = Field(
        "comodo", description="training objective; none: the student as it is"
    )
    queue_size: int = Field(16384, ge=1, description="teacher embeddings in the queue")
    student_temperature: float = Field(0.05, gt=0, description="softmax temperature of the student")
    teacher_temperature: float = Field(0.1, gt=0, description="softmax temperature of the teacher")
    infonce_temperature: float = Field(0.1, gt=0, description="infonce: softmax temperature")
    infonce_symmetric: bool = Field(False, description="infonce: the clip shall find its window, too")
    labels_per_class: int | None = Field(
        None, ge=1, description="supervised: labelled train windows of each class; null: all"
    )
    clips_per_recording: int = Field(
        0, ge=0, description="train on that many pairs of each recording; 0: on all"
    )
    projection: Literal["random", "pca", "none"] = Field(
        "random", description="comodo: how teacher embeddings are projected (published: a random MLP)"
    )
    student_head: Literal["mlp", "linear"] = Field(
        "mlp", description="comodo: what projects the student while it learns (published: an MLP)"
    )
    projection_hidden: int = Field(2048, ge=1, description="hidden width of the projection MLPs")
    projection_dim: int = Field(128, ge=1, description="output width of the projection MLPs")
    learning_rate: float = Field(3e-4, gt=0, description="peak learning rate (AdamW)")
    epochs: int = Field(20, ge=1, description="passes over the train clips")
    batch_size: int = Field(128, ge=2, description="windows per step")
    precision: Precision = Field(
        "float32", description="of the forward pass in training (bfloat16: autocast)"
    )
    compile: bool = Field(False, description="torch.compile: minutes at the start, then faster steps")
    schedule: Literal["linear", "reference"] = Field(
        "linear", description="warm-up and decay over the true number of steps, or over the published total"
    )
    eval_datasets: tuple[str, ...] = Field(
        (), description="datasets to evaluate on; default the experiment's own"
    )
    baseline: str | None = Field(
        None, description="experiment that the report compares this one with (paired bootstrap)"
    )

    @model_validator(mode="after")
    def _consistent(self) -> ExperimentSettings:
        if self.objective in ("comodo", "infonce", "l2") and self.teacher is None:
            raise ValueError(f"objective {self.objective!r} learns from a teacher: name one")
        if self.labels_per_class is not None and self.objective != "supervised":
            raise ValueError("`labels_per_class` belongs to objective `supervised`: no other one sees labels")
        return self

    @property
    def sees_video(self) -> bool:
        """Whether a teacher takes part: in the training, or (objective `none`) in the zero-shot measurement."""
        return self.teacher is not None and self.objective != "supervised"


class EvaluationSettings(_Block):
    """What every trained student is measured by."""

    labels_per_class: tuple[int | Literal["all"], ...] = Field(
        (1, 5, 10, "all"), description="the label-efficiency curve"
    )
    label_draws: int = Field(5, ge=1, description="seeded draws averaged where labels are few")
    max_train_windows: int = Field(
        10_000, ge=1, description="larger SVM train sets are subsampled, stratified"
    )


class Config(_Block):
    """The whole config."""

    datasets: dict[Name, DatasetSettings] = Field(min_length=1, description="datasets by name")
    teachers: dict[Name, TeacherSettings] = Field(
        default_factory=dict, description="video or image models by name"
    )
    students: dict[Name, StudentSettings] = Field(min_length=1, description="IMU encoders by name")
    defaults: dict[str, Any] = Field(default_factory=dict, description="settings all experiments start from")
    experiments: dict[Name, ExperimentSettings] = Field(
        min_length=1, description="experiments by name, sweeps expanded"
    )
    seeds: tuple[int, ...] = Field((42,), min_length=1, description="each experiment runs once per seed")
    evaluation: EvaluationSettings = Field(default_factory=EvaluationSettings, description="protocols")

    @model_validator(mode="before")
    @classmethod
    def _expand_experiments(cls, raw: Any) -> Any:
        """Lay every experiment over `defaults` and turn lists into one experiment per value."""
        if not isinstance(raw, Mapping) or not isinstance(raw.get("experiments"), Mapping):
            return raw
        defaults = raw.get("defaults") or {}
        if not isinstance(defaults, Mapping):
            raise ValueError("defaults: give settings as `key: value` lines")
        for key in defaults:
            if key not in ExperimentSettings.model_fields:
                raise ValueError(
                    f"defaults.{key}: unknown key{_hint(str(key), ExperimentSettings.model_fields)}"
                )
        points: dict[str, list[tuple[str, dict[str, Any]]]] = {}
        for name, settings in raw["experiments"].items():
            if not isinstance(settings, Mapping):
                raise ValueError(f"experiments.{name}: give settings as `key: value` lines")
            points[name] = list(_sweep(name, {**defaults, **settings}))
        expanded = {point: settings for group in points.values() for point, settings in group}
        for settings in expanded.values():
            baseline = settings.get("baseline")
            if isinstance(baseline, str) and baseline in points and baseline not in expanded:
                # the baseline is a sweep, too: the one point of it that shares this point's values
                keys = SWEPT & raw["experiments"][baseline].keys()
                near = [
                    point
                    for point, other in points[baseline]
                    if all(settings.get(key) == other[key] for key in keys - {"objective"})
                ]
                if len(near) == 1:
                    settings["baseline"] = near[0]
        return {**raw, "experiments": expanded}

    @model_validator(mode="after")
    def _names_exist(self) -> Config:
        faults = []
        for name, experiment in self.experiments.items():
            asked: list[tuple[str, str, Mapping[str, Any]]] = [
                ("dataset", experiment.dataset, self.datasets),
                ("student", experiment.student, self.students),
            ]
            if experiment.teacher is not None:
                asked.append(("teacher", experiment.teacher, self.teachers))
            asked += [("eval_datasets", other, self.datasets) for other in experiment.eval_datasets]
            if experiment.baseline is not None:
                asked.append(("baseline", experiment.baseline, self.experiments))
            for key, value, known in asked:
                if value not in known:
                    block = (
                        "experiments" if key == "baseline" else key.removeprefix("eval_").rstrip("s") + "s"
                    )
                    faults.append(
                        f"experiments.{name}.{key}: {value!r} is not under {block}{_hint(value, known)}"
                    )
            data, student = self.datasets.get(experiment.dataset), self.students.get(experiment.student)
            if data is not None and data.video is None and experiment.sees_video:
                faults.append(
                    f"experiments.{name}.teacher: dataset {experiment.dataset!r} has no video (`video: null`) "
                    "for a teacher to see"
                )
            if (
                student is not None
                and student.architecture == "minirocket"
                and experiment.objective not in ("supervised", "none")
            ):
                faults.append(
                    f"experiments.{name}.objective: minirocket has no weights to distil into: "
                    "take `supervised` or `none`"
                )
        if faults:
            raise ValueError("\n".join(faults))
        return self

    def evaluated_on(self, experiment: str) -> tuple[str, ...]:
        """Names of the datasets an experiment is evaluated on."""
        settings = self.experiments[experiment]
        return settings.eval_datasets or (settings.dataset,)

    def protocols(self, experiment: str, dataset: str) -> tuple[str, ...]:
        """How an experiment is measured on a dataset: `svm`, `anchors` (zero-shot), `head` (its own classifier)."""
        settings = self.experiments[experiment]
        zero_shot = settings.sees_video and self.datasets[dataset].video is not None
        own_head = settings.objective == "supervised" and dataset == settings.dataset
        return ("svm", *["anchors"] * zero_shot, *["head"] * own_head)

    def used_settings(self, experiment: str) -> dict[str, Any]:
        """The settings that an experiment's student depends on, and no others, as plain values."""
        settings = self.experiments[experiment]
        used = {"dataset", "student", "objective"} | ({"teacher"} if settings.sees_video else set())
        if settings.objective != "none":
            used |= {"learning_rate", "epochs", "batch_size", "schedule", "clips_per_recording"}
            used |= {"precision", "compile"}
        if settings.schedule == "reference":
            used |= {"queue_size"}
        if settings.objective == "comodo":
            used |= {"queue_size", "student_temperature", "teacher_temperature"}
        if settings.objective in ("comodo", "none") and settings.sees_video:
            used |= {"projection", "student_head", "projection_hidden", "projection_dim"}
        if settings.objective == "infonce":
            used |= {"infonce_temperature", "infonce_symmetric"}
        if settings.objective == "supervised":
            used |= {"labels_per_class"}
        return settings.model_dump(mode="json", include=used)


MOST_POINTS = 10_000  # of a sweep
SWEPT = set(ExperimentSettings.model_fields) - {"eval_datasets", "baseline"}


def _sweep(name: str, settings: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    swept = [key for key in sorted(SWEPT & settings.keys()) if isinstance(settings[key], list)]
    if (points := math.prod(len(settings[key]) for key in swept)) > MOST_POINTS:
        raise ValueError(f"experiments.{name}: a sweep of {points} points, more than {MOST_POINTS}")
    for values in itertools.product(*(settings[key] for key in swept)):
        point = dict(zip(swept, values, strict=True))
        suffix = "".join(f"-{key}={value}" for key, value in point.items())
        yield f"{name}{suffix}", {**settings, **point}


def load(raw: Mapping[str, Any]) -> Config:
    """Validate a merged config.

    Raises:
        ConfigError: one line per fault, each naming its key and, for an unknown key, the nearest known one.
    """
    try:
        return Config.model_validate(dict(raw) if isinstance(raw, Mapping) else raw)
    except ValidationError as error:
        raise ConfigError("\n".join(inert(_fault(fault)) for fault in error.errors())) from None


def _fault(fault: Any) -> str:
    key = ".".join(str(part) for part in fault["loc"]).replace(".[key]", "")
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        return f"{key}: unknown key{_hint(str(fault['loc'][-1]), _keys_beside(fault['loc']))}"
    if fault["type"] == "missing":
        return f"{key}: missing"
    given = fault["input"]
    shown = f" (got {given!r})" if isinstance(given, (str, int, float)) else ""
    return f"{key}: {message}{shown}" if key else message


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    """Known keys of the block that an unknown key stands in."""
    block: type[_Block] = Config
    for part in location[:-1]:
        if part in block.model_fields:  # else it is a name in a dict of blocks
            nested = [
                kind for kind in _flatten(block.model_fields[str(part)].annotation) if isinstance(kind, type)
            ]
            block = next((kind for kind in nested if issubclass(kind, _Block)), block)
    return list(block.model_fields)


def _flatten(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from _flatten(part)


def _hint(value: str, known: Any) -> str:
    near = difflib.get_close_matches(value, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(sorted(known))}"
