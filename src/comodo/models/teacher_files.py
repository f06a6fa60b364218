"""The files of a teacher's checkpoint beside its weights: how frames are prepared, and its digest."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

from comodo.errors import DamageError, ModelError
from comodo.models.checkpoints import read_json
from comodo.storage.artefacts import file_digest
from comodo.storage.regular import read_text
from comodo.text import first_line

MADE_FILE = "made_by.txt"  # what the workflow adds to a teacher of its own; no part of `folder_digest`
LARGEST_SIDE = 4096  # pixels
MOST_POSITIONS = 1 << 26  # numbers that say where tokens are: of V-JEPA 2, giant, with 64 frames, 26 million
USUAL = {"do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "do_flip_channel_order": False}
"""What `Teacher.normalise` does, in the keys of preprocessor files."""


def read_preprocessor(name: str, revision: str | None) -> dict[str, Any]:
    """The checkpoint's own preprocessing, from the file for images, else (V-JEPA 2) from the one for videos."""
    from transformers.image_processing_base import ImageProcessingMixin

    reasons = []
    for file in ("preprocessor_config.json", "video_preprocessor_config.json"):
        if (given := Path(name, file)).is_file():
            read_json(given, dict)
        try:
            processor, _ = ImageProcessingMixin.get_image_processor_dict(
                name, revision=revision, image_processor_filename=file
            )
        except Exception as error:  # anything, for a file that is not its own
            reasons.append(first_line(error))
            continue
        for key, usual in USUAL.items():
            asked = processor.get(key)
            if asked is not None and not (_is_number(asked) and math.isclose(asked, usual, rel_tol=1e-6)):
                raise ModelError(f"teacher {name!r}: {file}: {key}: {asked} is not supported, only {usual}")
        if processor.get("image_mean") and processor.get("image_std"):
            _check_colours(processor, f"teacher {name!r}: {file}")
            return processor  # type: ignore[no-any-return]
        reasons.insert(0, f"{file} lacks them")
    raise ModelError(
        f"teacher {name!r}: preprocessor_config.json with image_mean and image_std is needed: {reasons[0]}"
    )


def check_made(folder: Path, made_by: str) -> None:
    """Refuse a teacher that the workflow made by other settings; one of an older version says nothing.

    Args:
        folder: of the teacher.
        made_by: `TeacherSettings.made_by` of the config.

    Raises:
        DamageError: it names the folder.
    """
    if not (folder / MADE_FILE).is_file():
        return
    if read_text(folder / MADE_FILE).strip() != made_by:
        raise DamageError(folder, "the teacher in it was made by other settings: exchanged?")


def processed_size(name: str, processor: dict[str, Any]) -> Any:
    """Side of the frames that a preprocessor makes, pixels: what it crops to, else what it resizes to."""
    if "max_num_patches" in processor:
        patch, patches = processor.get("patch_size"), processor["max_num_patches"]
        if type(patch) is not int or type(patches) is not int or patches < 1:
            raise ModelError(
                f"teacher {name!r}: preprocessor_config.json: patch_size: says no side of the frames"
            )
        return patch * math.isqrt(patches)
    size = (processor.get("do_center_crop") and processor.get("crop_size")) or processor.get("size")
    if isinstance(size, dict):
        size = size.get("height") or size.get("shortest_edge")
    if not size:
        raise ModelError(f"teacher {name!r}: preprocessor_config.json: size: says no side of the frames")
    return size


def _check_colours(processor: dict[str, Any], whose: str) -> None:
    """Refuse means and deviations that are not those of three colours."""
    for key in ("image_mean", "image_std"):
        values = processor[key]
        if not isinstance(values, list) or len(values) != 3 or not all(_is_number(value) for value in values):
            raise ModelError(f"{whose}: {key}: {str(values)[:80]} is no list of three numbers")
    if min(processor["image_std"]) <= 0:
        raise ModelError(f"{whose}: image_std: {processor['image_std']} has a deviation that is not above 0")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float))


def check_size(name: str, config: Any, size: Any, frames: int) -> int:
    """The side of the frames, pixels; refuses one that needs more tokens than any model has.

    Raises:
        ModelError: for no number, or one too large.
    """
    side = size[0] if isinstance(size, (list, tuple)) and size else size
    if type(side) is not int or not 1 <= side <= LARGEST_SIDE:
        raise ModelError(
            f"teacher {name!r}: {str(side)[:40]!r} is no side of frames, 1 to {LARGEST_SIDE} pixels"
        )
    patch = getattr(config, "patch_size", side)
    patch = patch[0] if isinstance(patch, (list, tuple)) and patch else patch
    if type(patch) is not int or patch < 1:
        raise ModelError(
            f"teacher {name!r}: config.json: patch_size: {str(patch)[:40]!r} is no side of a patch"
        )
    tokens = (side // patch) ** 2 * (frames if getattr(config, "num_frames", None) else 1)
    width = getattr(config, "hidden_size", 1)
    if tokens * (width if type(width) is int else 1) > MOST_POSITIONS:  # VideoMAE computes them one by one
        raise ModelError(
            f"teacher {name!r}: config.json: frames of {side} pixels in patches of {patch}: too many"
        )
    return side


def weights_bytes(folder: Path) -> int:
    """Bytes of a checkpoint's weights: an upper limit of their number."""
    return sum(file.stat().st_size for file in folder.iterdir() if file.suffix in {".safetensors", ".bin"})


def folder_digest(folder: Path) -> str:
    """Digest of a checkpoint folder: its configs and weights, by name and content."""
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.suffix in {".json", ".safetensors", ".bin"}:
            digest.update(f"{file.name}:{file_digest(file)}\n".encode())
    return digest.hexdigest()[:16]
