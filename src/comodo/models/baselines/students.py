"""The baselines of `comodo.models.baselines` as students."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
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
from comodo.models.baselines.cnn import SmallCnn
from comodo.models.baselines.dlinear import DLinear
from comodo.models.baselines.informer import Informer
from comodo.models.baselines.minirocket import MiniRocket
from comodo.models.baselines.timesnet import TimesNet
from comodo.models.checkpoints import read_json


class BaselineStudent(Student):
    """Network that embeds all channels jointly; windows are stretched to its `seq_len` samples."""

    network: ClassVar[type[Any]]

    def __init__(self, config: Mapping[str, Any], options: StudentOptions) -> None:
        """Create a student with random weights from the arguments of the network."""
        defaults = keywords(self.network)
        check_keys(self.family, config, set(defaults) - {"channels"})
        if options.reduction != "concat":
            raise ModelError(
                f"{self.family} embeds all channels jointly, so there is nothing to reduce: leave `reduction` out"
            )
        self._config = {**defaults, **config, "channels": options.channels}
        try:
            model = self.network(**self._config)
        except ValueError as error:
            raise ModelError(f"architecture_config of a {self.family} student: {error}") from error
        super().__init__(model, model.dim, options)
        self.dim = model.dim

    def embed(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """Embed windows (B, C, T) of any length T. Windows are stretched and not padded, so `mask` has no zeros."""
        refuse_padding(mask, self.family)
        embeddings: Tensor = self.model(stretch(windows, self._config["seq_len"]))
        return embeddings

    def collate(self, windows: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor | None]:
        """Stretch every window to the network's length."""
        length = self._config["seq_len"]
        return torch.cat(
            [stretch(torch.as_tensor(window)[None], length) for window in self.checked(windows)]
        ), None

    def config(self) -> dict[str, Any]:
        """Return the family and all arguments of the network."""
        return {"family": self.family, **self._config}

    def save(self, folder: Path) -> None:
        """Write config.json and model.safetensors."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(self.config(), indent=2) + "\n")
        weights = {name: weight.contiguous() for name, weight in self.model.state_dict().items()}
        save_file(weights, folder / "model.safetensors")

    @classmethod
    def fresh(cls, config: Mapping[str, Any], options: StudentOptions) -> Student:
        """Create a student with random weights from the arguments of the network."""
        return cls(config, options)

    @classmethod
    def sketch(cls, config: Mapping[str, Any], options: StudentOptions) -> BaselineStudent:
        """Build the model that config.json describes."""
        return cls(
            {key: value for key, value in config.items() if key not in ("family", "channels")}, options
        )

    @classmethod
    def pretrained(cls, folder: str, revision: str | None, options: StudentOptions) -> Student:
        """Load a folder of `save`."""
        student = cls.sketch(read_json(fetch(folder, "config.json", revision), dict), options)
        student.model.load_state_dict(load_file(fetch(folder, "model.safetensors", revision)), strict=False)
        return student


class DLinearStudent(BaselineStudent):
    """DLinear; see `comodo.models.baselines.dlinear`."""

    family, network = "dlinear", DLinear


class TimesNetStudent(BaselineStudent):
    """TimesNet; see `comodo.models.baselines.timesnet`."""

    family, network = "timesnet", TimesNet


class InformerStudent(BaselineStudent):
    """Informer's encoder; see `comodo.models.baselines.informer`."""

    family, network = "informer", Informer


class CnnStudent(BaselineStudent):
    """A small network for devices; see `comodo.models.baselines.cnn`."""

    family, network = "cnn", SmallCnn


class MiniRocketStudent(BaselineStudent):
    """MiniRocket, which is fitted without gradient descent; see `comodo.models.baselines.minirocket`."""

    family, network = "minirocket", MiniRocket
    fitted = True

    def fit(self, windows: NDArray[np.float32]) -> None:
        """Fit dilations and biases to collated train windows (n, C, T)."""
        self.model.fit(windows)
