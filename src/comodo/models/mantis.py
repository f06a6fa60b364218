"""Mantis, both versions, as students."""

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
    """Mantis (Feofanov et al. 2025): windows stretched to its length, the class token of each channel."""

    family = "mantis"
    fast: ClassVar[bool] = True  # `class_token` computes the same with less work

    @property
    def length(self) -> int:
        """Samples that the model takes."""
        return int(self.model.seq_len)

    def embed(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """Embed windows (B, C, T) of any length T; there is no mask, since windows are stretched and never padded.

        All channels go through the encoder as one batch of B·C.
        """
        refuse_padding(mask, "Mantis")
        stretched = stretch(windows, self.length)
        return self.join(self.encode(stretched.flatten(0, 1)))

    def encode(self, series: Tensor) -> Tensor:
        """Embed series (N, length), one channel of a window each, as `model(series[:, None])` does."""
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
        """Checkpoints of mantis-tsfm before 1.1 call the transformer `vit_unit`."""
        return {name.replace("vit_unit.", "transf_unit.") for name in stored}

    @classmethod
    def network(cls) -> Any:
        """Return the package's class of the model."""
        from mantis.architecture import MantisV1

        return MantisV1

    @classmethod
    def fresh(cls, config: Mapping[str, Any], options: StudentOptions) -> Student:
        """Make one with random weights from the arguments of the model."""
        network = cls.network()
        defaults = keywords(network)
        check_keys(cls.family, config, set(defaults) - {"device"})
        whole = {**defaults, **config}
        if whole["output_token"] not in TOKENS:
            raise ModelError(f"output_token of a {cls.family} student is one of {', '.join(TOKENS)}")
        if not -1 <= whole["return_transf_layer"] < whole["transf_depth"]:
            raise ModelError(
                f"return_transf_layer of a {cls.family} student of {whole['transf_depth']} layers is -1 (the last) "
                f"to {whole['transf_depth'] - 1}"
            )
        model = network(**config, device="cpu")
        return cls(model, model.hidden_dim, options)

    @classmethod
    def sketch(cls, config: Mapping[str, Any], options: StudentOptions) -> object:
        """Make the model of a config.json."""
        network = cls.network()
        own = {key: value for key, value in config.items() if key in keywords(network)}
        model = network(**{**own, "device": "meta"})
        layer, depth = model.return_transf_layer, len(model.transf_unit.transformer.layers)
        if type(layer) is not int or not -1 <= layer < depth:
            raise ModelError(f"config.json: return_transf_layer: {layer!r} is none of {depth} layers, nor -1")
        return model

    @classmethod
    def pretrained(cls, folder: str, revision: str | None, options: StudentOptions) -> Student:
        """Load one by the `from_pretrained` of a model, which gives the loaded one some settings of its own."""
        network = cls.network()
        stored = read_json(fetch(folder, "config.json", revision), dict)
        config = {key: value for key, value in stored.items() if key in keywords(network)}
        template = network(**{**config, "device": "cpu"})
        model = template.from_pretrained(folder, revision=revision, device="cpu")
        return cls(model, model.hidden_dim, options)


class MantisV2Student(MantisStudent):
    """Mantis, version 2 (mantis-tsfm 1.1): as version 1, windows of 512 samples.

    Its authors advise for frozen features the third layer and both kinds of token: `return_transf_layer: 2`,
    `output_token: combined`; that embedding is twice as wide.
    """

    family = "mantis-v2"
    fast = False
    length = 512  # what it was pretrained on; the config does not say

    @classmethod
    def network(cls) -> Any:
        """Return the package's class of the model."""
        from mantis.architecture import MantisV2

        return MantisV2

    @classmethod
    def fresh(cls, config: Mapping[str, Any], options: StudentOptions) -> Student:
        """Make one with random weights from the arguments of the model."""
        student = super().fresh(config, options)
        if cls.length % student.model.num_patches:
            raise ModelError(
                f"architecture_config of a {cls.family} student: num_patches is {student.model.num_patches}, "
                f"which does not divide {cls.length} samples"
            )
        return student
