"""The settings of each objective: the keys of a user, and the dependencies of a student.

Users write all keys flat in an experiment. The groups of keys come first, then one model per objective, made of the
groups that it uses. A key of another objective is ignored. No torch here: every dry run reads this module.
"""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from pydantic import Field

from comodo.config.block import Block, Precision


class QueueKeys(Block):
    """The size of the queue."""

    queue_size: int = Field(16384, ge=1, description="teacher embeddings in the queue")


class ComodoKeys(Block):
    """Keys of `comodo` alone."""

    student_temperature: float = Field(0.05, gt=0, description="softmax temperature of the student")
    teacher_temperature: float = Field(0.1, gt=0, description="softmax temperature of the teacher")


class InfonceKeys(Block):
    """Keys of `infonce` alone."""

    infonce_temperature: float = Field(0.1, gt=0, description="infonce: softmax temperature")
    infonce_symmetric: bool = Field(
        False, description="infonce: also contrast clips against windows (symmetric loss)"
    )


class SupervisedKeys(Block):
    """Keys of `supervised` alone."""

    labels_per_class: int | None = Field(
        None, ge=1, description="supervised: labelled train windows of each class; null: all"
    )


class ClipsKeys(Block):
    """Which clips are trained on."""

    clips_per_recording: int = Field(
        0, ge=0, description="train on that many pairs of each recording; 0: on all"
    )


class ProjectionKeys(Block):
    """How student and teacher embeddings are brought to one width."""

    projection: Literal["random", "pca", "none"] = Field(
        "random", description="comodo: how teacher embeddings are projected (published: a random MLP)"
    )
    student_head: Literal["mlp", "linear"] = Field(
        "mlp", description="comodo: what projects the student while it learns (published: an MLP)"
    )
    projection_hidden: int = Field(2048, ge=1, description="hidden width of the projection MLPs")
    projection_dim: int = Field(128, ge=1, description="output width of the projection MLPs")


class TrainingKeys(ClipsKeys, QueueKeys):
    """The training loop. The queue's size is among them, since the published schedule counts it."""

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


class ObjectiveSettings(Block):
    """The settings of one objective; its subclasses add their keys."""

    teacher: ClassVar[Literal["required", "optional", "unused"]] = "required"
    """Whether an experiment must name a teacher; with `none`, a teacher only serves the zero-shot evaluation."""
    train_on: ClassVar[Literal["pairs", "windows"]] = "pairs"
    """Pairs of video and IMU, or all whole IMU windows with their labels."""
    classifies: ClassVar[bool] = False
    """Whether the student gets a classifier of its own."""

    @property
    def train_epochs(self) -> int:
        """Epochs of training; 0 where nothing is trained."""
        return 0

    @property
    def withheld(self) -> int:
        """Number of train clips that fill the queue at the start and join the training in epoch 1."""
        return 0

    def used_keys(self, sees_video: bool) -> set[str]:
        """Return the keys that a student depends on; `sees_video`: a teacher takes part."""
        return set(type(self).model_fields)


class _Trained(TrainingKeys, ObjectiveSettings):
    """An objective that the training loop minimises."""

    @property
    def train_epochs(self) -> int:
        return self.epochs

    def used_keys(self, sees_video: bool) -> set[str]:
        counts_queue = self.withheld or self.schedule == "reference"
        return set(type(self).model_fields) - (set() if counts_queue else {"queue_size"})


class ComodoSettings(ComodoKeys, ProjectionKeys, _Trained):
    """Match the teacher's similarities to a queue of teacher embeddings (Chen et al. 2025)."""

    @property
    def withheld(self) -> int:
        """The queue starts with the embeddings of that many train clips."""
        return self.queue_size


class InfonceSettings(InfonceKeys, _Trained):
    """Contrast windows against the clips of the batch (the IMU2CLIP baseline)."""


class L2Settings(_Trained):
    """Mean squared error between unit embeddings."""


class SupervisedSettings(SupervisedKeys, _Trained):
    """Cross entropy of a linear classifier on labelled windows."""

    teacher: ClassVar[Literal["required", "optional", "unused"]] = "unused"
    train_on: ClassVar[Literal["pairs", "windows"]] = "windows"
    classifies: ClassVar[bool] = True


class UntrainedSettings(ProjectionKeys, ObjectiveSettings):
    """No training: the student as it is; with a teacher, the projections that measure it before training."""

    teacher: ClassVar[Literal["required", "optional", "unused"]] = "optional"

    def used_keys(self, sees_video: bool) -> set[str]:
        """Return the projection keys where a teacher takes part, else nothing."""
        return super().used_keys(sees_video) if sees_video else set()


class ClassSettings(ProjectionKeys, _Trained):
    """An objective of the user's own: a loss module, or a class with `lesson` (`comodo.objectives.by_class`)."""

    teacher: ClassVar[Literal["required", "optional", "unused"]] = "optional"


OBJECTIVES: Final[dict[str, type[ObjectiveSettings]]] = {
    "comodo": ComodoSettings,
    "infonce": InfonceSettings,
    "l2": L2Settings,
    "supervised": SupervisedSettings,
    "none": UntrainedSettings,
}
"""The settings of every objective by the name that an experiment gives."""
