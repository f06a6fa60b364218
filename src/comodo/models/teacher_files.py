"""Files of a teacher's checkpoint: the preprocessor file, the size of its frames, and the digest of the folder."""

from __future__ import annotations

import hashlib
import logging
import math
from pathlib import Path
from typing import Any

from comodo.errors import DamageError, ModelError
from comodo.models.checkpoints import read_json
from comodo.storage.artefacts import file_digest
from comodo.storage.regular import read_text
from comodo.text import first_line

log = logging.getLogger(__name__)

MADE_FILE = "made_by.txt"  # written by the workflow for a teacher that it made; not part of `folder_digest`
LARGEST_SIDE = 4096  # pixels
MOST_POSITIONS = 1 << 26  # entries of the position embeddings; V-JEPA 2 giant with 64 frames has 26 million
USUAL = {"do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "do_flip_channel_order": False}
"""The preprocessing of `Teacher.normalise`, with the keys of preprocessor files."""


def read_preprocessor(name: str, revision: str | None) -> dict[str, Any]:
    """Read the checkpoint's preprocessing from the file for images, else from the one for videos (V-JEPA 2).

    Raises:
        ModelError: if there is no such file, or its preprocessing is not supported.
    """
    from transformers.image_processing_base import ImageProcessingMixin

    reasons = []
    for file in ("preprocessor_config.json", "video_preprocessor_config.json"):
        if (given := Path(name, file)).is_file():
            read_json(given, dict)
        try:
            processor, _ = ImageProcessingMixin.get_image_processor_dict(
                name, revision=revision, image_processor_filename=file
            )
        except Exception as error:  # `transformers` raises any exception for an invalid file
            reasons.append(first_line(error))
            continue
        for key, usual in USUAL.items():
            asked = processor.get(key)
            if asked is not None and not (_is_number(asked) and math.isclose(asked, usual, rel_tol=1e-6)):
                raise ModelError(f"teacher {name!r}: {file}: {key}: {asked} is not supported, only {usual}")
        if processor.get("image_mean") is not None and processor.get("image_std") is not None:
            _check_colours(processor, f"teacher {name!r}: {file}")
            if "auto_map" in processor:
                log.warning(
                    "teacher %r: %s names code of its own checkpoint, which is never run: only its size, image_mean "
                    "and image_std are used",
                    name,
                    file,
                )
            return processor  # type: ignore[no-any-return]
        reasons.insert(0, f"{file} lacks them")
    raise ModelError(
        f"teacher {name!r}: a preprocessor_config.json with image_mean and image_std is needed: {reasons[0]}"
    )


def check_made(folder: Path, made_by: str) -> None:
    """Check that the workflow made a teacher with these settings. Teachers of older versions are not checked.

    Args:
        folder: folder of the teacher.
        made_by: `TeacherSettings.made_by` of the config.

    Raises:
        DamageError: if the teacher was made with other settings.
    """
    if not (folder / MADE_FILE).is_file():
        return
    if read_text(folder / MADE_FILE).strip() != made_by:
        raise DamageError(folder, "its teacher was made with other settings; was the folder replaced?")


def processed_size(name: str, processor: dict[str, Any]) -> Any:
    """Return the side of the preprocessed frames in pixels: the crop size, else the resize size."""
    if "max_num_patches" in processor:
        patch, patches = processor.get("patch_size"), processor["max_num_patches"]
        if type(patch) is not int or type(patches) is not int or patches < 1:
            raise ModelError(
                f"teacher {name!r}: preprocessor_config.json: patch_size and max_num_patches must be positive integers"
            )
        return patch * math.isqrt(patches)
    size = (processor.get("do_center_crop") and processor.get("crop_size")) or processor.get("size")
    if isinstance(size, dict):
        size = size.get("height") or size.get("shortest_edge")
    if not size:
        raise ModelError(f"teacher {name!r}: preprocessor_config.json: size: no side of the frames is given")
    return size


def _check_colours(processor: dict[str, Any], whose: str) -> None:
    """Raise `ModelError` unless means and deviations are three numbers each and the deviations positive."""
    for key in ("image_mean", "image_std"):
        values = processor[key]
        many = values if isinstance(values, list) else [values] * 3
        if len(many) != 3 or not all(_is_number(value) for value in many):
            raise ModelError(
                f"{whose}: {key}: {str(values)[:80]} is neither a number nor a list of three numbers"
            )
    if min(colours(processor["image_std"])) <= 0:
        raise ModelError(f"{whose}: image_std: {processor['image_std']} has a deviation that is not positive")


def colours(values: float | list[float]) -> list[float]:
    """Return a mean or deviation for each of the three colours; a single number is for all."""
    return list(values) if isinstance(values, list) else [values] * 3


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float))


def check_size(name: str, config: Any, size: Any, frames: int) -> int:
    """Return the side of the frames in pixels, after a check of the number of tokens that it requires.

    Raises:
        ModelError: if the side is not an integer or is too large.
    """
    side = size[0] if isinstance(size, (list, tuple)) and size else size
    if type(side) is not int or not 1 <= side <= LARGEST_SIDE:
        raise ModelError(
            f"teacher {name!r}: the side of its frames is {str(side)[:40]!r}, not from 1 to {LARGEST_SIDE} pixels"
        )
    patch = getattr(config, "patch_size", side)
    patch = patch[0] if isinstance(patch, (list, tuple)) and patch else patch
    if type(patch) is not int or patch < 1:
        raise ModelError(
            f"teacher {name!r}: config.json: patch_size: {str(patch)[:40]!r} is not a positive integer"
        )
    tokens = (side // patch) ** 2 * (frames if getattr(config, "num_frames", None) else 1)
    width = getattr(config, "hidden_size", 1)
    if tokens * (width if type(width) is int else 1) > MOST_POSITIONS:  # VideoMAE computes them one at a time
        raise ModelError(
            f"teacher {name!r}: config.json: too many patches: frames of {side} pixels, patches of {patch} pixels"
        )
    return side


def weights_bytes(folder: Path) -> int:
    """Return the size of a checkpoint's weights in bytes, an upper limit of their number."""
    return sum(file.stat().st_size for file in folder.iterdir() if file.suffix in {".safetensors", ".bin"})


def folder_digest(folder: Path) -> str:
    """Return a digest of the names and contents of a checkpoint's configs and weights."""
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.suffix in {".json", ".safetensors", ".bin"}:
            digest.update(f"{file.name}:{file_digest(file)}\n".encode())
    return digest.hexdigest()[:16]
