"""Teachers: frozen video or image models from `transformers`, by hub id or local folder."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from comodo.errors import ModelError
from comodo.jobs.devices import autocast, send
from comodo.jobs.versions import VERSIONS
from comodo.models.checkpoints import (
    check_depths,
    check_fetched,
    check_finite,
    check_unused,
    read_json,
    sketched,
)
from comodo.models.teacher_families import FAMILIES, IMAGE_MODEL, Family
from comodo.models.teacher_files import (
    check_size,
    colours,
    folder_digest,
    processed_size,
    read_preprocessor,
    weights_bytes,
)
from comodo.storage.artefacts import check_sums, read_whole
from comodo.text import first_line

log = logging.getLogger(__name__)

MOST_FRAMES = 1024
IMAGE_FRAMES = 8  # default frames per clip of an image model


class Teacher:
    """Frozen model that embeds the frames of a clip.

    Attributes:
        n_frames: T, frames per clip.
        dim: width of an embedding.
        image_size: side of the square frames, pixels. None: any size (user-defined classes).
        device: torch device of the model.
        precision: precision of matrix products, "float32" or "bfloat16". Embeddings are always float32.
        identity: provenance of the embeddings: model, revision or digest of the weights, and preprocessing. Its plain
            values become attributes of a store.
    """

    def __init__(
        self,
        model: Any,
        family: Family,
        n_frames: int,
        preprocessing: dict[str, Any],
        identity: dict[str, Any],
        device: str,
        precision: str = "float32",
    ) -> None:
        """Wrap a `transformers` model; use `load_teacher` for a hub id or a folder."""
        self.n_frames = n_frames
        self.image_size: int | None = preprocessing["image_size"]
        self.device = torch.device(device)
        self.precision = precision
        self.identity = {**identity, "preprocessing": preprocessing}
        if precision != "float32":
            self.identity["precision"] = precision
        self._mean = torch.tensor(preprocessing["mean"], device=self.device)
        self._std = torch.tensor(preprocessing["std"], device=self.device)
        self._embed = family.embed
        self._model = model.to(self.device).eval().requires_grad_(False)
        side = preprocessing["image_size"]
        self.dim: int = model.config.hidden_size if family.frames else self._try_one_frame(side)

    def normalise(self, frames: NDArray[np.uint8] | Tensor) -> Tensor:
        """Convert frames (B, T, H, W, 3), uint8, to pixels (B, T, 3, S, S), float32, on the teacher's device.

        Values are scaled to [0, 1], then standardised by the checkpoint's mean and standard deviation. If needed,
        frames are then resized to the model's size (bilinear, antialiased), as published. They are not cropped,
        because extracted clips are already the square centre of their video.
        """
        on_device = send(torch.as_tensor(frames), self.device)
        pixels = ((on_device / 255 - self._mean) / self._std).movedim(-1, 2)
        if self.image_size is not None and pixels.shape[-2:] != (self.image_size, self.image_size):
            size = (self.image_size, self.image_size)
            resized = F.interpolate(pixels.flatten(0, 1), size, mode="bilinear", antialias=True)
            pixels = resized.unflatten(0, pixels.shape[:2])
        return pixels.contiguous()

    def encode(self, pixels: Tensor) -> Tensor:
        """Embed normalised clips (B, T, 3, H, W) → (B, dim), not scaled to unit length.

        Raises:
            ModelError: if the number of frames is not `n_frames`.
        """
        self._check_shape(pixels)
        with torch.inference_mode(), autocast(self.device, self.precision):
            pooled = self._embed(self._model, pixels.to(self.device))
        return pooled.float().clone()  # not an inference tensor, so usable with autograd

    def _check_shape(self, pixels: Tensor) -> None:
        if pixels.ndim != 5 or pixels.shape[1:3] != (self.n_frames, 3):
            raise ModelError(
                f"pixels have the shape {tuple(pixels.shape)}; the teacher {self.identity['model']} requires "
                f"(B, {self.n_frames}, 3, H, W)"
            )

    def compile(self) -> None:
        """Compile the model with torch.compile at the first batch; embeddings differ by rounding."""
        self._model.compile()

    def _try_one_frame(self, side: int) -> int:
        """Return the width of an image model's embeddings, after embedding a black frame twice."""
        frame = torch.zeros(1, 1, 3, side, side, device=self.device)
        name, kind = self.identity["model"], self.identity["family"]
        try:
            with torch.inference_mode():
                first, second = (self._embed(self._model, frame) for _ in range(2))
        except (TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise ModelError(
                f"teacher {name!r}: a {kind!r} model does not embed frames of {side} pixels, the "
                f"size in its preprocessor file: {first_line(error)}"
            ) from error
        if not torch.allclose(first, second, atol=1e-4, equal_nan=True):  # ViT-MAE masks random patches
            raise ModelError(
                f"teacher {name!r}: a {kind!r} model embeds the same frame differently each time: use another model"
            )
        return first.shape[1]


def load_teacher(
    id_or_folder: str | Path,
    revision: str | None = None,
    device: str = "cpu",
    n_frames: int | None = None,
    precision: str = "float32",
    pooling: Literal["mean", "first"] | None = None,
) -> Teacher:
    """Load a frozen teacher with `from_pretrained`.

    Args:
        id_or_folder: a hub id, or a folder with config.json, weights and preprocessor_config.json (or
            video_preprocessor_config.json). Only the image tower of a model for images and text is used.
        revision: pinned revision of a hub id.
        device: a torch device.
        n_frames: frames per clip. Default: the number in the video model's config, or 8 for an image model.
        precision: precision of matrix products, "float32" or "bfloat16".
        pooling: VideoMAE only: the mean over tokens, or the first token. Default: as the config says.

    Raises:
        ModelError: if the model does not exist, is not for videos or images, lacks weights, or does not support
            `n_frames` or `pooling`.
        DamageError: if the files of the folder do not match its `SHA256SUMS`.
    """
    name = str(id_or_folder)
    return read_whole(Path(name), lambda: _load(name, revision, device, n_frames, precision, pooling))


def _load(
    name: str, revision: str | None, device: str, n_frames: int | None, precision: str, pooling: str | None
) -> Teacher:
    import transformers

    check_fetched(Path(name), f"teacher {name!r}")
    check_sums(Path(name))
    if (file := Path(name, "config.json")).is_file():
        check_depths(read_json(file, dict), f"teacher {name!r}")
    try:
        config = transformers.AutoConfig.from_pretrained(name, revision=revision, trust_remote_code=False)
    except Exception as error:  # `transformers` raises any exception for an invalid config
        if "trust_remote_code" in str(error):
            raise ModelError(
                f"teacher {name!r} needs Python code of its own checkpoint, which is never run: wrap the model in a "
                "class of your own (config key `class`), or encode the clips elsewhere (`embeddings`)"
            ) from error
        raise ModelError(f"teacher {name!r}: no config could be read: {first_line(error)}") from error
    tower = getattr(config, "vision_config", None) or config
    if not isinstance(tower, transformers.PreTrainedConfig):
        raise ModelError(
            f"teacher {name!r}: config.json: vision_config: {str(tower)[:40]!r} does not describe a model"
        )
    family = _family_of(name, tower)
    _set_pooling(name, tower, pooling)
    taken = _n_frames(name, family, tower, n_frames)
    processor = read_preprocessor(name, revision)
    size = getattr(tower, family.size) if family.size else processed_size(name, processor)
    side = check_size(name, tower, size, taken)
    # `transformers` selects the attention: SDPA if the family supports it.
    model_class = getattr(transformers, family.model)
    try:
        if Path(name).is_dir():
            with sketched(weights_bytes(Path(name)), f"teacher {name!r}"):
                sketch = (model_class.from_config if family is IMAGE_MODEL else model_class)(tower)
                if family.frames:  # image models are checked by `_try_one_frame`
                    family.embed(sketch.eval(), torch.zeros(1, taken, 3, side, side))
        model, info = model_class.from_pretrained(
            name,
            config=tower,
            revision=revision,
            dtype=torch.float32,
            output_loading_info=True,
            trust_remote_code=False,
        )
    except ModelError:
        raise
    except Exception as error:  # `transformers` raises any exception for invalid weights
        raise ModelError(f"teacher {name!r}: the weights cannot be loaded: {first_line(error)}") from error
    missing = sorted(info["missing_keys"])  # `transformers` only warns, and leaves them random
    if missing and all(key.startswith("pooler.") for key in missing):
        model.pooler = None  # checkpoints of classifiers have no pooler; the class token is used
    elif missing:
        raise ModelError(f"teacher {name!r}: {len(missing)} weights are missing, first {missing[0]!r}")
    check_unused(info["unexpected_keys"], model.state_dict(), f"teacher {name!r}")
    check_finite(model.state_dict().items(), f"teacher {name!r}")
    identity = {"model": name, "family": config.model_type, "version": VERSIONS["encode_video"]}
    if family.step or not family.frames:
        identity["n_frames"] = taken
    if pooling is not None:
        identity["pooling"] = pooling
    if Path(name).is_dir():
        identity["weights"] = folder_digest(Path(name))
    else:
        identity["revision"] = getattr(config, "_commit_hash", None) or revision or "main"
    preprocessing = {
        "mean": colours(processor["image_mean"]),
        "std": colours(processor["image_std"]),
        "image_size": side,
    }
    return Teacher(model, family, taken, preprocessing, identity, device, precision)


def _family_of(name: str, config: Any) -> Family:
    """Return the family of a model; any other model for images is an image model."""
    from transformers import MODEL_MAPPING

    if config.model_type in FAMILIES:
        return FAMILIES[config.model_type]
    known = MODEL_MAPPING.get(type(config), None)
    if getattr(known, "main_input_name", "") != "pixel_values":
        raise ModelError(
            f"teacher {name!r} is a {config.model_type!r} model; a teacher must be a video model ("
            f"{', '.join(sorted(key for key, family in FAMILIES.items() if family.frames))}) or an image model"
        )
    return IMAGE_MODEL


def _set_pooling(name: str, config: Any, pooling: str | None) -> None:
    """Choose the pooling of a VideoMAE; warn of a first token that is the embedding only because nothing was chosen.

    VideoMAE has no class token. The first one is of a patch in the top left corner of the first frames.
    """
    if config.model_type != "videomae":
        if pooling is not None:
            raise ModelError(
                f"teacher {name!r}: pooling: only VideoMAE has a choice, not {config.model_type!r}"
            )
        return
    if pooling is not None:
        config.comodo_pooling = pooling
    elif not config.use_mean_pooling:
        log.warning(
            "teacher %r: its config says use_mean_pooling: false, as after pretraining, so the embedding is the token "
            "of one patch: set `pooling: mean` for the mean over all of them, or `pooling: first` to keep it",
            name,
        )


def _n_frames(name: str, family: Family, config: Any, asked: int | None) -> int:
    """Return the frames per clip: `asked`, or the default; raise `ModelError` if the model does not support it."""
    own: Any = getattr(config, family.frames) if family.frames else IMAGE_FRAMES
    step: Any = getattr(config, family.step) if family.step else 1
    if any(type(number) is not int or not 1 <= number <= MOST_FRAMES for number in (own, step)):
        raise ModelError(f"teacher {name!r}: config.json: {own!r} or {step!r} is not a number of frames")
    if asked is None or asked == own or not family.frames:
        return asked or own
    if family.step is None:
        raise ModelError(
            f"teacher {name!r}: n_frames: this {config.model_type!r} model requires {own} frames, not {asked}: "
            "leave n_frames out"
        )
    if asked % step:
        raise ModelError(
            f"teacher {name!r}: n_frames: {asked} is not a multiple of {step}, as a {config.model_type!r} model "
            "requires"
        )
    return asked
