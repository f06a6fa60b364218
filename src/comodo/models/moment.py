"""MOMENT as a student."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from comodo.errors import ModelError
from comodo.models.base import Student, StudentOptions, pad_left


class MomentStudent(Student):
    """MOMENT (Goswami et al. 2024): patches of 8 samples, a T5 encoder per channel, mean over all patches."""

    family = "moment"
    MIN_LENGTH = 512
    # Embedder and encoder are trained. Tasks differ only in the head, which `embed` does not use. The pretrained head
    # is kept (no `.init()`), so that a saved student is a complete MOMENT.
    _UNFROZEN: ClassVar = {"freeze_embedder": False, "freeze_encoder": False}
    _DEFAULTS: ClassVar = {
        "model_name": "MOMENT",
        "task_name": "reconstruction",
        "transformer_type": "encoder_only",
        "transformer_backbone": "google/flan-t5-small",  # a name only: the encoder is built from t5_config
        "seq_len": 512,
        "patch_len": 8,
        "patch_stride_len": 8,
    }

    def embed(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """Embed windows (B, C, T). Padding is masked in attention but included in the mean, as published."""
        patches = self.model.embed(x_enc=windows, input_mask=mask, reduction="none").embeddings
        channels = patches.mean(dim=2)  # (B, C, patches, D) → (B, C, D)
        # The published concatenation keeps the channels of one feature adjacent.
        return channels.mean(dim=1) if self.reduction == "mean" else channels.transpose(1, 2).flatten(1)

    def collate(self, windows: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor | None]:
        """Left-pad windows with zeros to the longest one, at least to 512 samples; the mask is None without padding."""
        batch, mask = (torch.from_numpy(array) for array in pad_left(self.checked(windows), self.MIN_LENGTH))
        return batch, None if bool(mask.all()) else mask

    def config(self) -> dict[str, Any]:
        """Return the content of config.json, without the model arguments of this process."""
        return {**super().config(), "model_kwargs": {}}

    @classmethod
    def fresh(cls, config: Mapping[str, Any], options: StudentOptions) -> Student:
        """Create a student with random weights; `config` must have `t5_config`."""
        from momentfm import MOMENTPipeline

        if "d_model" not in config.get("t5_config", {}):
            raise ModelError(
                "architecture_config of a moment student needs t5_config with d_model, num_layers, …"
            )
        whole = {**cls._DEFAULTS, "d_model": config["t5_config"]["d_model"], **config}
        kwargs = {**cls._UNFROZEN, "enable_gradient_checkpointing": options.gradient_checkpointing}
        model = MOMENTPipeline(whole, model_kwargs=kwargs)
        return cls(model, whole["d_model"], options)

    @classmethod
    def sketch(cls, config: Mapping[str, Any], options: StudentOptions) -> object:
        """Build the model that config.json describes."""
        from momentfm import MOMENTPipeline

        return MOMENTPipeline(dict(config), model_kwargs=dict(cls._UNFROZEN))

    @classmethod
    def pretrained(cls, folder: str, revision: str | None, options: StudentOptions) -> Student:
        """Load a checkpoint with `MOMENTPipeline.from_pretrained`."""
        from momentfm import MOMENTPipeline

        kwargs = {**cls._UNFROZEN, "enable_gradient_checkpointing": options.gradient_checkpointing}
        model = MOMENTPipeline.from_pretrained(folder, revision=revision, model_kwargs=kwargs)
        return cls(model, model.config.d_model, options)
