"""Chronos-Bolt as a student."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from comodo.models.base import Student, StudentOptions, check_keys, keywords, pad_left


class ChronosBoltStudent(Student):
    """Chronos-Bolt (Ansari et al. 2024): each channel standardised separately, patches of 16 samples, a T5 encoder.

    The embedding of a channel is the mean of the encoder output over patches that hold samples, without the [REG]
    token. Windows longer than `context_length` are cut to their last samples, as in the package. The decoder is not
    used, but it is kept: a saved student is a complete Chronos-Bolt.
    """

    family = "chronos-bolt"
    # Sizes of amazon/chronos-bolt-tiny
    _DEFAULTS: ClassVar = {
        "d_model": 256,
        "d_ff": 1024,
        "d_kv": 64,
        "num_heads": 4,
        "num_layers": 4,
        "decoder_start_token_id": 0,
    }
    _BOLT_DEFAULTS: ClassVar = {
        "context_length": 2048,
        "prediction_length": 64,
        "input_patch_size": 16,
        "input_patch_stride": 16,
        "quantiles": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
        "use_reg_token": True,
    }

    def embed(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """Embed windows (B, C, T). Padding is replaced by NaN, which the package treats as missing."""
        if mask is not None:
            windows = windows.masked_fill(mask[:, None] == 0, torch.nan)
        tokens, _, _, holds_samples = self.model.encode(windows.flatten(0, 1))
        if self.model.chronos_config.use_reg_token:
            tokens, holds_samples = tokens[:, :-1], holds_samples[:, :-1]
        weights = holds_samples[..., None].to(tokens.dtype)
        return self.join((tokens * weights).sum(dim=1) / weights.sum(dim=1))

    def collate(self, windows: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor | None]:
        """Left-pad windows to the longest one; the mask is None if nothing is padded."""
        batch, mask = (torch.from_numpy(array) for array in pad_left(self.checked(windows), min_length=1))
        return batch, None if bool(mask.all()) else mask

    def weights(self) -> set[str]:
        """Return the names of the weights that a checkpoint must hold; tied weights are stored once."""
        return super().weights() - set(self.model.all_tied_weights_keys)

    def save(self, folder: Path) -> None:
        """Write config.json and model.safetensors."""
        self.model.save_pretrained(folder)

    @classmethod
    def fresh(cls, config: Mapping[str, Any], options: StudentOptions) -> Student:
        """Create a student with random weights from the arguments of `T5Config` and from `chronos_config`."""
        from chronos.chronos_bolt import ChronosBoltConfig, ChronosBoltModelForForecasting
        from transformers import T5Config

        own = config.get("chronos_config", {})
        check_keys(cls.family, config, {*keywords(T5Config), "decoder_start_token_id", "chronos_config"})
        check_keys(f"{cls.family} (chronos_config)", own, set(keywords(ChronosBoltConfig)))
        whole = {**cls._DEFAULTS, **config, "chronos_config": {**cls._BOLT_DEFAULTS, **own}}
        model = ChronosBoltModelForForecasting(T5Config(**whole))
        return cls(model, model.config.d_model, options)

    @classmethod
    def sketch(cls, config: Mapping[str, Any], options: StudentOptions) -> object:
        """Build the model that config.json describes."""
        from chronos.chronos_bolt import ChronosBoltModelForForecasting
        from transformers import T5Config

        return ChronosBoltModelForForecasting(T5Config.from_dict(dict(config)))

    @classmethod
    def pretrained(cls, folder: str, revision: str | None, options: StudentOptions) -> Student:
        """Load a checkpoint with `ChronosBoltModelForForecasting.from_pretrained`, as float32."""
        from chronos.chronos_bolt import ChronosBoltModelForForecasting

        model = ChronosBoltModelForForecasting.from_pretrained(
            folder, revision=revision, dtype=torch.float32, trust_remote_code=False
        )
        return cls(model, model.config.d_model, options)
