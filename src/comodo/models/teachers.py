"""Teachers: frozen video or image models from `transformers`, by hub id or local folder."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor

from comodo.errors import ModelError
from comodo.jobs.devices import autocast, send
from comodo.jobs.versions import VERSIONS
from comodo.models.checkpoints import check_finite
from comodo.models.teacher_families import FAMILIES, IMAGE_MODEL, Family
from comodo.storage.artefacts import check_sums, file_digest
from comodo.text import first_line

IMAGE_FRAMES = 8  # frames per clip that an image model sees, where nothing else is asked for
USUAL = {"do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "do_flip_channel_order": False}
"""What `Teacher.normalise` does, in the keys of preprocessor files."""


class Teacher:
    """A frozen model that turns the frames of a clip into one embedding.

    Attributes:
        n_frames: frames per clip, T.
        dim: width of an embedding.
        image_size: side of the square frames, pixels.
        device: where the model lies and computes.
        precision: of matrix products, "float32" or "bfloat16"; embeddings are float32.
        identity: what made the embeddings (model, revision or digest of the weights, preprocessing): plain values,
            for the attributes of a store.
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
        """Wrap a `transformers` model; `load_teacher` makes one from an id or a folder."""
        self.n_frames = n_frames
        self.image_size: int = preprocessing["image_size"]
        self.device = torch.device(device)
        self.precision = precision
        self.identity = {**identity, "preprocessing": preprocessing}
        if precision != "float32":
            self.identity["precision"] = precision
        self._mean = torch.tensor(preprocessing["mean"], device=self.device)
        self._std = torch.tensor(preprocessing["std"], device=self.device)
        self._embed = family.embed
        self._model = model.to(self.device).eval().requires_grad_(False)
        self.dim: int = model.config.hidden_size if family.frames else self._try_one_frame()

    def normalise(self, frames: NDArray[np.uint8] | Tensor) -> Tensor:
        """Turn frames (B, T, H, W, 3), uint8, into pixels (B, T, 3, S, S), float32, on the teacher's device.

        Scaled to [0, 1], then by the checkpoint's mean and standard deviation; frames of another size than the
        model's are resized afterwards (bilinear, antialiased), as published. Extracted clips are the square centre
        of their video already, so nothing more is cropped.
        """
        on_device = send(torch.as_tensor(frames), self.device)
        pixels = ((on_device / 255 - self._mean) / self._std).movedim(-1, 2)
        if pixels.shape[-2:] != (self.image_size, self.image_size):
            size = (self.image_size, self.image_size)
            resized = F.interpolate(pixels.flatten(0, 1), size, mode="bilinear", antialias=True)
            pixels = resized.unflatten(0, pixels.shape[:2])
        return pixels.contiguous()

    def encode(self, pixels: Tensor) -> Tensor:
        """Embed normalised clips (B, T, 3, H, W) → (B, dim), of any length.

        Raises:
            ValueError: when a clip has another number of frames than the teacher takes.
        """
        if pixels.ndim != 5 or pixels.shape[1:3] != (self.n_frames, 3):
            raise ModelError(
                f"pixels have the shape {tuple(pixels.shape)}; the teacher {self.identity['model']} takes "
                f"(B, {self.n_frames}, 3, H, W)"
            )
        with torch.inference_mode(), autocast(self.device, self.precision):
            pooled = self._embed(self._model, pixels.to(self.device))
        return pooled.float().clone()  # an ordinary tensor, which autograd may see

    def compile(self) -> None:
        """Let torch.compile write code for the model, at the first clips; embeddings differ by rounding."""
        self._model.compile()

    def _try_one_frame(self) -> int:
        """Width of an image model's embeddings, by embedding a black frame twice."""
        frame = torch.zeros(1, 1, 3, self.image_size, self.image_size, device=self.device)
        name, kind = self.identity["model"], self.identity["family"]
        try:
            with torch.inference_mode():
                first, second = (self._embed(self._model, frame) for _ in range(2))
        except (TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise ModelError(
                f"teacher {name!r}: a {kind!r} model does not embed frames of {self.image_size} pixels, the "
                f"size that its preprocessor file says: {first_line(error)}"
            ) from error
        if not torch.allclose(first, second, atol=1e-4, equal_nan=True):  # ViT-MAE hides patches by chance
            raise ModelError(
                f"teacher {name!r}: a {kind!r} model embeds the same frame differently each time: take another"
            )
        return first.shape[1]


def load_teacher(
    id_or_folder: str | Path,
    revision: str | None = None,
    device: str = "cpu",
    n_frames: int | None = None,
    precision: str = "float32",
) -> Teacher:
    """Load a frozen teacher by `from_pretrained`.

    Args:
        id_or_folder: a hub id, or a folder with config.json, weights and preprocessor_config.json (or
            video_preprocessor_config.json). Of a model of images and text, only the image tower is used.
        revision: pinned revision of a hub id.
        device: a torch device.
        n_frames: frames per clip; default the number that the video model was trained with, 8 for an image model.
        precision: of its matrix products: "float32" or "bfloat16".

    Raises:
        ValueError: when there is no such model, it takes neither videos nor images, weights are missing, or it cannot
            take `n_frames`; `DamageError`, when the folder lists other digests of its files (`SHA256SUMS`).
    """
    import transformers

    name = str(id_or_folder)
    check_sums(Path(name))
    try:
        config = transformers.AutoConfig.from_pretrained(name, revision=revision, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ModelError(f"teacher {name!r}: no config could be read: {first_line(error)}") from error
    tower = getattr(config, "vision_config", None) or config
    family = _family_of(name, tower)
    taken = _n_frames(name, family, tower, n_frames)
    processor = _read_preprocessor(name, revision)
    size = getattr(tower, family.size) if family.size else _processed_size(name, processor)
    # Attention is left to `transformers`: SDPA wherever the family has it.
    model_class = getattr(transformers, family.model)
    try:
        model, info = model_class.from_pretrained(
            name,
            config=tower,
            revision=revision,
            dtype=torch.float32,
            output_loading_info=True,
            trust_remote_code=False,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"teacher {name!r}: the weights cannot be loaded: {first_line(error)}") from error
    missing = sorted(info["missing_keys"])  # `transformers` leaves them random and warns
    if missing and all(key.startswith("pooler.") for key in missing):
        model.pooler = None  # a classifier's checkpoint has no pooler; its class token serves
    elif missing:
        raise ModelError(f"teacher {name!r}: {len(missing)} weights are missing, first {missing[0]!r}")
    check_finite(model.state_dict().items(), f"teacher {name!r}")
    identity = {"model": name, "family": config.model_type, "version": VERSIONS["encode_video"]}
    if family.step or not family.frames:
        identity["n_frames"] = taken
    if Path(name).is_dir():
        identity["weights"] = folder_digest(Path(name))
    else:
        identity["revision"] = getattr(config, "_commit_hash", None) or revision or "main"
    preprocessing = {
        "mean": list(processor["image_mean"]),
        "std": list(processor["image_std"]),
        "image_size": size if isinstance(size, int) else size[0],
    }
    return Teacher(model, family, taken, preprocessing, identity, device, precision)


def _family_of(name: str, config: Any) -> Family:
    """The family of a model; any that takes images is an image model."""
    from transformers import MODEL_MAPPING

    if config.model_type in FAMILIES:
        return FAMILIES[config.model_type]
    known = MODEL_MAPPING.get(type(config), None)
    if getattr(known, "main_input_name", "") != "pixel_values":
        raise ModelError(
            f"teacher {name!r} is a {config.model_type!r} model; a teacher is a video model ("
            f"{', '.join(sorted(key for key, family in FAMILIES.items() if family.frames))}) or an image model"
        )
    return IMAGE_MODEL


def _n_frames(name: str, family: Family, config: Any, asked: int | None) -> int:
    """Frames per clip: those asked for, where the model can take them."""
    own: int = getattr(config, family.frames) if family.frames else IMAGE_FRAMES
    if asked is None or asked == own or not family.frames:
        return asked or own
    if family.step is None:
        raise ModelError(
            f"teacher {name!r}: n_frames: this {config.model_type!r} model takes {own} frames, not {asked}: "
            "leave n_frames out"
        )
    if asked % getattr(config, family.step):
        raise ModelError(
            f"teacher {name!r}: n_frames: {asked} is no multiple of {getattr(config, family.step)}, the frames that "
            f"a {config.model_type!r} model takes together"
        )
    return asked


def _read_preprocessor(name: str, revision: str | None) -> dict[str, Any]:
    """The checkpoint's own preprocessing, from the file for images, else (V-JEPA 2) from the one for videos."""
    from transformers.image_processing_base import ImageProcessingMixin

    reasons = []
    for file in ("preprocessor_config.json", "video_preprocessor_config.json"):
        try:
            processor, _ = ImageProcessingMixin.get_image_processor_dict(
                name, revision=revision, image_processor_filename=file
            )
        except OSError as error:
            reasons.append(first_line(error))
            continue
        for key, usual in USUAL.items():
            asked = processor.get(key)
            if asked is not None and not math.isclose(asked, usual, rel_tol=1e-6):
                raise ModelError(f"teacher {name!r}: {file}: {key}: {asked} is not supported, only {usual}")
        if processor.get("image_mean") and processor.get("image_std"):
            return processor  # type: ignore[no-any-return]
        reasons.insert(0, f"{file} lacks them")
    raise ModelError(
        f"teacher {name!r}: preprocessor_config.json with image_mean and image_std is needed: {reasons[0]}"
    )


def _processed_size(name: str, processor: dict[str, Any]) -> int:
    """Side of the frames that a preprocessor makes, pixels: what it crops to, else what it resizes to."""
    if "max_num_patches" in processor:
        return int(processor["patch_size"]) * math.isqrt(processor["max_num_patches"])
    size = (processor.get("do_center_crop") and processor.get("crop_size")) or processor.get("size")
    if isinstance(size, dict):
        size = size.get("height") or size.get("shortest_edge")
    if not size:
        raise ModelError(f"teacher {name!r}: preprocessor_config.json: size: says no side of the frames")
    return int(size)


def folder_digest(folder: Path) -> str:
    """Digest of a checkpoint folder: its configs and weights, by name and content."""
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.suffix in {".json", ".safetensors", ".bin"}:
            digest.update(f"{file.name}:{file_digest(file)}\n".encode())
    return digest.hexdigest()[:16]
