"""Mantis as a student, versions 1 and 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from comodo.errors import ModelError
from comodo.models.base import (
    Student,
    StudentOptions,
    check_keys,
    fetch,
    keywords,
    refuse_padding,
    stretch,
)
from comodo.models.checkpoints import read_json
from comodo.models.mantis_forward import class_token, patch_tokens

TOKENS = ("cls_token", "mean_token", "combined")


class MantisStudent(Student):
    """Mantis (Feofanov et al. 2025): class token of each channel, for windows stretched to the model's length."""

    family = "mantis"
    fast: ClassVar[bool] = True  # use `class_token`: the same result with fewer operations

    @property
    def length(self) -> int:
        """Number of samples of the model's input."""
        return int(self.model.seq_len)

    def embed(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """Embed windows (B, C, T) of any length T. Windows are stretched and not padded, so `mask` has no zeros.

        The encoder receives all channels as one batch of B·C series.
        """
        refuse_padding(mask, "Mantis")
        stretched = stretch(windows, self.length)
        return self.join(self.encode(stretched.flatten(0, 1)))

    def encode(self, series: Tensor) -> Tensor:
        """Embed series (N, length), each one channel of a window. Equivalent to `model(series[:, None])`."""
        model = self.model
        tokens = patch_tokens(model.tokgen_unit, series)
        embeddings: Tensor
        if self.fast and (model.output_token, model.return_transf_layer) == ("cls_token", -1):
            embeddings = class_token(model.transf_unit, tokens)
        else:
            embeddings = model.transf_unit(
                tokens, output_token=model.output_token, return_layer=model.return_transf_layer
            )
        return model.prj(embeddings) if model.pre_training else embeddings

    def collate(self, windows: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor | None]:
        """Stretch every window to the model's length."""
        rows = [stretch(torch.as_tensor(window)[None], self.length) for window in self.checked(windows)]
        return torch.cat(rows), None

    @classmethod
    def renamed(cls, stored: set[str]) -> set[str]:
        """Rename `vit_unit`, the transformer in checkpoints of mantis-tsfm before 1.1."""
        return {name.replace("vit_unit.", "transf_unit.") for name in stored}

    @classmethod
    def network(cls) -> Any:
        """Return the package's class of the model."""
        from mantis.architecture import MantisV1

        return MantisV1

    @classmethod
    def fresh(cls, config: Mapping[str, Any], options: StudentOptions) -> Student:
        """Create a student with random weights from the arguments of the model."""
        network = cls.network()
        defaults = keywords(network)
        check_keys(cls.family, config, set(defaults) - {"device"})
        whole = {**defaults, **config}
        if whole["output_token"] not in TOKENS:
            raise ModelError(f"output_token of a {cls.family} student must be one of {', '.join(TOKENS)}")
        if not -1 <= whole["return_transf_layer"] < whole["transf_depth"]:
            raise ModelError(
                f"return_transf_layer of a {cls.family} student of {whole['transf_depth']} layers must be from -1 "
                f"(the last) to {whole['transf_depth'] - 1}"
            )
        model = network(**config, device="cpu")
        return cls(model, model.hidden_dim, options)

    @classmethod
    def sketch(cls, config: Mapping[str, Any], options: StudentOptions) -> object:
        """Build the model that config.json describes."""
        network = cls.network()
        own = {key: value for key, value in config.items() if key in keywords(network)}
        model = network(**{**own, "device": "meta"})
        layer, depth = model.return_transf_layer, len(model.transf_unit.transformer.layers)
        if type(layer) is not int or not -1 <= layer < depth:
            raise ModelError(f"config.json: return_transf_layer: {layer!r} is not from -1 to {depth} - 1")
        return model

    @classmethod
    def pretrained(cls, folder: str, revision: str | None, options: StudentOptions) -> Student:
        """Load a checkpoint with `from_pretrained` of a model instance, which provides some of the settings."""
        network = cls.network()
        stored = read_json(fetch(folder, "config.json", revision), dict)
        config = {key: value for key, value in stored.items() if key in keywords(network)}
        template = network(**{**config, "device": "cpu"})
        model = template.from_pretrained(folder, revision=revision, device="cpu")
        return cls(model, model.hidden_dim, options)


class MantisV2Student(MantisStudent):
    """Mantis, version 2 (mantis-tsfm 1.1): like version 1, with windows of 512 samples.

    For frozen features, its authors recommend the third layer and both kinds of token: `return_transf_layer: 2` and
    `output_token: combined`. That embedding is twice as wide.
    """

    family = "mantis-v2"
    fast = False
    length = 512  # length of the pretraining windows; not in the config

    @classmethod
    def network(cls) -> Any:
        """Return the package's class of the model."""
        from mantis.architecture import MantisV2

        return MantisV2

    @classmethod
    def fresh(cls, config: Mapping[str, Any], options: StudentOptions) -> Student:
        """Create a student with random weights from the arguments of the model."""
        student = super().fresh(config, options)
        if cls.length % student.model.num_patches:
            raise ModelError(
                f"architecture_config of a {cls.family} student: num_patches is {student.model.num_patches}, "
                f"which does not divide {cls.length} samples"
            )
        return student
