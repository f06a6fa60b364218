"""The blocks `teachers` and `students`: models by checkpoint or by architecture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, TypeVar

from pydantic import AfterValidator, Field, model_validator

from comodo.config.block import Block, ByClass, PathStr, Precision, in_key_order
from comodo.config.datasets import SimulateSettings
from comodo.storage.files import json_digest


class PretrainingSettings(Block):
    """Supervised training of a small teacher on a simulated world of its own."""

    world: SimulateSettings = Field(description="the world to learn from; give it a seed of its own")
    clip_s: float = Field(5.0, gt=0, description="length of a clip, s")
    epochs: int = Field(10, ge=1, description="passes over the world's train clips")
    batch_size: int = Field(32, ge=2, description="clips per step")
    learning_rate: float = Field(1e-3, gt=0, description="peak learning rate (AdamW, one cycle)")


Settings = TypeVar("Settings", bound="ModelSettings")


class ModelSettings(ByClass):
    """A model: an existing checkpoint, an architecture with fresh weights, or a class of the user's own."""

    sources: ClassVar[Mapping[str, str]] = {
        "checkpoint": "checkpoint",
        "architecture": "architecture",
        "class": "class_path",
    }
    """Sources of a model: keys, and the fields that hold them."""

    checkpoint: PathStr | None = Field(None, description="hub id or local folder, for `from_pretrained`")
    revision: str | None = Field(None, description="pinned revision of the hub id")
    architecture: str | None = Field(None, description="family of a model with fresh weights")
    architecture_config: Annotated[dict[str, Any], AfterValidator(in_key_order)] = Field(
        default_factory=dict, description="its config, in the family's keys"
    )

    @model_validator(mode="after")
    def _one_source(self) -> ModelSettings:
        if sum(getattr(self, field) is not None for field in self.sources.values()) != 1:
            raise ValueError(f"give exactly one of {', '.join(f'`{key}`' for key in self.sources)}")
        return self

    def refuse_beside(self, source: str, keys: set[str]) -> None:
        """Raise `ValueError` for a key that has no effect beside a source of the model."""
        for key in sorted(keys):
            if getattr(self, key) != type(self).model_fields[key].get_default(call_default_factory=True):
                raise ValueError(f"`{key}` has no effect beside `{source}`: leave it out")


def _usual(settings: Settings, keys: set[str]) -> Settings:
    """Return settings with the defaults of `keys`."""
    return settings.model_copy(update={key: type(settings).model_fields[key].default for key in keys})


FRAMES: Final = {"videomae": 16, "timesformer": 8}  # of the architectures' default configs


class TeacherSettings(ModelSettings):
    """A frozen video or image model, or its embeddings made elsewhere."""

    new_keys = ModelSettings.new_keys | {"embeddings"}
    sources: ClassVar[Mapping[str, str]] = {**ModelSettings.sources, "embeddings": "embeddings"}

    embeddings: PathStr | None = Field(
        None, description="HDF5 file of embeddings made elsewhere, in place of a model; see docs/extend.md"
    )

    architecture: Literal["videomae", "timesformer"] | None = Field(
        None, description="family with fresh weights"
    )
    seed: int = Field(0, description="seed of fresh weights and of their pretraining")
    pretraining: PretrainingSettings | None = Field(
        None, description="train the fresh weights on a simulated world"
    )
    batch_size: int = Field(32, ge=1, description="clips encoded at once; halved where the GPU has no room")
    precision: Precision = Field(
        "float32", description="bfloat16 (autocast) is about twice as fast where the hardware has it"
    )
    compile: bool = Field(False, description="torch.compile: minutes at the start of each job, then faster")
    n_frames: int | None = Field(
        None, ge=1, description="frames per clip; default the model's own, 8 for an image model (frame mean)"
    )
    pooling: Literal["mean", "first"] | None = Field(
        None,
        description="VideoMAE: embed a clip by the mean over its tokens or by the first; default: as its config says",
    )
    flip: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of train clips that are mirrored (published: 0.5, drawn anew each run)",
    )

    def job_settings(self) -> dict[str, Any]:
        """Return the settings that an encoding job needs beside `embedding_settings`, as plain values.

        `batch_size` and `compile` do not change embeddings (but for rounding). Other `pretraining` makes another
        teacher, which is encoded again because it is an input; the job compares it with what the teacher carries.
        """
        return self.model_dump(mode="json", include={"batch_size", "compile", "pretraining"})

    def made_by(self) -> str:
        """Return a digest of the settings of fresh weights and their pretraining: a made teacher carries it."""
        keys = {"architecture", "architecture_config", "seed", "pretraining"}
        return json_digest(self.model_dump(mode="json", include=keys))

    def embedding_settings(self) -> dict[str, Any]:
        """Return the settings that embeddings depend on, as plain values.

        Others have their default: embeddings do not depend on `batch_size`, by rounding only on `compile`, nor on the
        seed of a checkpoint or the revision of fresh weights. Stores of the first version were made with these keys
        among the params, and another text of the params would encode everything again.
        """
        without_effect = {"batch_size", "compile", "seed" if self.checkpoint is not None else "revision"}
        own_frames = self.architecture_config.get("num_frames", FRAMES.get(self.architecture or ""))
        if self.architecture is not None and self.n_frames == own_frames:
            without_effect.add("n_frames")
        # A key without a value is left out: it did not exist when the stores of older versions were made.
        absent = {"pooling"} if self.pooling is None else set()
        return _usual(self, without_effect).model_dump(mode="json", exclude={"pretraining", *absent})

    @model_validator(mode="after")
    def _fresh(self) -> TeacherSettings:
        if self.pretraining is not None and self.architecture is None:
            raise ValueError("`pretraining` needs an `architecture`: a checkpoint is used as it is")
        if self.class_path is not None:
            self.refuse_beside("class", {"revision", "architecture_config", "n_frames", "compile", "pooling"})
        if self.embeddings is not None:
            keys = {"revision", "architecture_config", "n_frames", "compile", "flip", "precision", "pooling"}
            self.refuse_beside("embeddings", keys)
        if self.pooling is not None and self.architecture not in (None, "videomae"):
            raise ValueError(f"`pooling`: only VideoMAE has a choice, not {self.architecture}: leave it out")
        return self


class StudentSettings(ModelSettings):
    """An IMU encoder."""

    architecture: (
        Literal["mantis", "mantis-v2", "moment", "chronos-bolt"]
        | Literal["dlinear", "timesnet", "informer", "minirocket", "cnn"]
        | None
    ) = Field(None, description="family with fresh weights")
    reduction: Literal["concat", "mean"] = Field("concat", description="how channels become one embedding")
    gradient_checkpointing: bool = Field(False, description="MOMENT: less memory, slower")

    @model_validator(mode="after")
    def _beside_class(self) -> StudentSettings:
        if self.class_path is not None:
            keys = {"revision", "architecture_config", "reduction", "gradient_checkpointing"}
            self.refuse_beside("class", keys)
        return self

    def used(self) -> dict[str, Any]:
        """Return the settings that a student depends on, as plain values; others have their default."""
        without_effect = set()
        if self.architecture is not None:
            without_effect |= {"revision"} | (
                {"gradient_checkpointing"} if self.architecture != "moment" else set()
            )
        return _usual(self, without_effect).model_dump(mode="json")


def model_name(settings: ModelSettings) -> str:
    """The last part of a model's checkpoint, its architecture, its class, or the name of its file of embeddings."""
    if settings.class_path is not None:
        return settings.class_path.rpartition(":")[2]
    if isinstance(settings, TeacherSettings) and settings.embeddings is not None:
        return Path(settings.embeddings).stem
    return (settings.checkpoint or settings.architecture or "").rstrip("/").rsplit("/", 1)[-1]
