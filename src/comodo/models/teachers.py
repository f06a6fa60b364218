"""Teachers: frozen video models from `transformers`, by hub id or local folder.

A new family is one line in `FAMILIES`: its class, and how its tokens become one embedding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor

from comodo.versions import VERSIONS


class Family(NamedTuple):
    """A kind of video model: the class in `transformers`, and (tokens (B, N, D), config) → (B, D)."""

    model: str
    pool: Callable[[Tensor, Any], Tensor]


FAMILIES = {
    "videomae": Family(
        "VideoMAEModel",
        lambda tokens, config: tokens.mean(dim=1) if config.use_mean_pooling else tokens[:, 0],
    ),
    "timesformer": Family(
        "TimesformerModel", lambda tokens, config: tokens.mean(dim=1)
    ),  # class token included
}
"""Known families by the `model_type` of their config; pooling as published."""


class Teacher:
    """A frozen video model that turns the frames of a clip into one embedding.

    Attributes:
        n_frames: frames per clip, T.
        dim: width of an embedding.
        image_size: side of the square frames, pixels.
        device: where the model lies and computes.
        identity: what made the embeddings (model, revision or digest of the weights, preprocessing): plain values,
            for the attributes of a store.
    """

    def __init__(
        self, model: Any, preprocessing: dict[str, Any], identity: dict[str, Any], device: str
    ) -> None:
        """Wrap a `transformers` model of a known family; `load_teacher` makes one from an id or a folder."""
        config = model.config
        self.n_frames: int = config.num_frames
        self.dim: int = config.hidden_size
        self.image_size: int = preprocessing["image_size"]
        self.device = torch.device(device)
        self.identity = {**identity, "preprocessing": preprocessing}
        self._mean = torch.tensor(preprocessing["mean"], device=self.device)
        self._std = torch.tensor(preprocessing["std"], device=self.device)
        self._pool = FAMILIES[config.model_type].pool
        self._model = model.to(self.device).eval().requires_grad_(False)

    def normalise(self, frames: NDArray[np.uint8] | Tensor) -> Tensor:
        """Turn frames (B, T, H, W, 3), uint8, into pixels (B, T, 3, S, S), float32, on the teacher's device.

        Scaled to [0, 1], then by the checkpoint's mean and standard deviation; frames of another size than the
        model's are resized afterwards (bilinear, antialiased), as published.
        """
        on_device = torch.as_tensor(frames).to(self.device)
        pixels = ((on_device / 255 - self._mean) / self._std).movedim(-1, 2)
        if pixels.shape[-2:] != (self.image_size, self.image_size):
            size = (self.image_size, self.image_size)
            resized = F.interpolate(pixels.flatten(0, 1), size, mode="bilinear", antialias=True)
            pixels = resized.unflatten(0, pixels.shape[:2])
        return pixels.contiguous()

    def encode(self, pixels: Tensor) -> Tensor:
        """Embed normalised clips (B, T, 3, H, W) → (B, dim), pooled as published, of any length.

        Raises:
            ValueError: when a clip has another number of frames than the model takes.
        """
        if pixels.ndim != 5 or pixels.shape[1:3] != (self.n_frames, 3):
            raise ValueError(
                f"pixels have the shape {tuple(pixels.shape)}; the teacher {self.identity['model']} takes "
                f"(B, {self.n_frames}, 3, H, W)"
            )
        with torch.inference_mode():
            tokens = self._model(pixel_values=pixels.to(self.device)).last_hidden_state
            pooled = self._pool(tokens, self._model.config)
        return pooled.clone()  # an ordinary tensor, which autograd may see


def load_teacher(id_or_folder: str | Path, revision: str | None = None, device: str = "cpu") -> Teacher:
    """Load a frozen teacher by `from_pretrained`.

    Args:
        id_or_folder: a hub id, or a folder with config.json, weights and preprocessor_config.json.
        revision: pinned revision of a hub id.
        device: a torch device.

    Raises:
        ValueError: when there is no such model, its family is unknown, or weights are missing.
    """
    import transformers
    from transformers.image_processing_base import ImageProcessingMixin

    name = str(id_or_folder)
    try:
        config = transformers.AutoConfig.from_pretrained(name, revision=revision)
    except (OSError, ValueError) as error:
        raise ValueError(f"teacher {name!r}: no config could be read: {_first_line(error)}") from error
    family = FAMILIES.get(config.model_type)
    if family is None:
        raise ValueError(
            f"teacher {name!r} is a {config.model_type!r} model; known are {', '.join(sorted(FAMILIES))}"
        )
    try:
        processor, _ = ImageProcessingMixin.get_image_processor_dict(name, revision=revision)
        mean, std = processor["image_mean"], processor["image_std"]
    except (OSError, KeyError) as error:
        raise ValueError(
            f"teacher {name!r}: preprocessor_config.json with image_mean and image_std is needed: {_first_line(error)}"
        ) from error
    # Attention is left to `transformers`: SDPA wherever the family has it.
    model_class = getattr(transformers, family.model)
    try:
        model, info = model_class.from_pretrained(name, revision=revision, output_loading_info=True)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ValueError(f"teacher {name!r}: the weights cannot be loaded: {_first_line(error)}") from error
    if missing := sorted(info["missing_keys"]):  # `transformers` leaves them random and warns
        raise ValueError(f"teacher {name!r}: {len(missing)} weights are missing, first {missing[0]!r}")
    size = config.image_size if isinstance(config.image_size, int) else config.image_size[0]
    identity = {"model": name, "family": config.model_type, "version": VERSIONS["encode_video"]}
    if Path(name).is_dir():
        identity["weights"] = folder_digest(Path(name))
    else:
        identity["revision"] = getattr(config, "_commit_hash", None) or revision or "main"
    preprocessing = {"mean": list(mean), "std": list(std), "image_size": size}
    return Teacher(model, preprocessing, identity, device)


def folder_digest(folder: Path) -> str:
    """Digest of a checkpoint folder: its configs and weights, by name and content."""
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.suffix in {".json", ".safetensors", ".bin"}:
            with file.open("rb") as stream:
                digest.update(f"{file.name}:{hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
