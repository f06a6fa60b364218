"""Teachers of user-defined classes, named by class path."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from comodo.errors import ClassPathError
from comodo.jobs.class_paths import class_digest, make_object
from comodo.jobs.devices import autocast
from comodo.jobs.versions import VERSIONS
from comodo.models.contracts import checked_output, count_of
from comodo.models.teachers import Teacher


class ClassTeacher(Teacher):
    """Teacher of a user-defined class: an object with `n_frames`, `dim` and `encode(pixels) → (B, dim)`.

    Pixels are (B, n_frames, 3, S, S), float32 in [0, 1]. S is the size of the extracted clips, unless the object has
    an `image_size`. With optional attributes `mean` and `std`, three numbers each, pixels are normalised.
    """

    def __init__(
        self, class_path: str, kwargs: Mapping[str, Any], device: str, precision: str = "float32"
    ) -> None:
        """Create the object; raise `ClassPathError` if it is not a teacher."""
        model = make_object(class_path, kwargs)
        counts = {}
        for name in ("n_frames", "dim"):
            if (count := count_of(value := getattr(model, name, None))) is None:
                raise ClassPathError(
                    f"class {class_path}: {name} of a teacher is {str(value)[:40]}, not a positive integer"
                )
            counts[name] = count
        if not callable(getattr(model, "encode", None)):
            raise ClassPathError(f"class {class_path}: a teacher must have a method encode(pixels)")
        self.n_frames, self.dim = counts["n_frames"], counts["dim"]
        size = getattr(model, "image_size", None)
        self.image_size = count_of(size)
        if size is not None and self.image_size is None:
            raise ClassPathError(
                f"class {class_path}: image_size of a teacher is {str(size)[:40]}, not a positive integer"
            )
        self.device, self.precision = torch.device(device), precision
        mean = _of_colours(class_path, "mean", getattr(model, "mean", (0.0, 0.0, 0.0)))
        std = _of_colours(class_path, "std", getattr(model, "std", (1.0, 1.0, 1.0)))
        if not all(std):
            raise ClassPathError(f"class {class_path}: std of a teacher is {std}; it must not contain 0")
        self._mean = torch.tensor(mean, dtype=torch.float32, device=self.device)
        self._std = torch.tensor(std, dtype=torch.float32, device=self.device)
        side = self.image_size
        preprocessing = {"mean": mean, "std": std, "image_size": side}
        self.identity = {
            "model": class_path,
            "family": "class",
            "kwargs": dict(kwargs),
            "code": class_digest(class_path),
            "version": VERSIONS["encode_video"],
            "preprocessing": preprocessing,
        }
        if precision != "float32":
            self.identity["precision"] = precision
        self._model = model
        if isinstance(model, nn.Module):
            model.to(self.device).eval().requires_grad_(False)

    def encode(self, pixels: Tensor) -> Tensor:
        """Embed normalised clips (B, T, 3, S, S) → (B, dim), float32.

        Raises:
            ModelError: if the clips have a wrong number of frames or colours.
            ClassPathError: if the object returns a wrong shape.
        """
        self._check_shape(pixels)
        with torch.inference_mode(), autocast(self.device, self.precision):
            embeddings = self._model.encode(pixels.to(self.device))
        wanted, whose = (len(pixels), self.dim), f"class {self.identity['model']}: encode"
        return checked_output(embeddings, wanted, whose, any_float=True).float().clone()


def _of_colours(path: str, name: str, values: Any) -> list[float]:
    """Return three numbers, one per colour, as floats."""
    try:
        found = [float(value) for value in values]
    except (TypeError, ValueError):
        found = []
    if len(found) != 3 or not all(map(math.isfinite, found)):
        raise ClassPathError(
            f"class {path}: {name} of a teacher is {str(values)[:40]}, not three numbers, one per colour"
        )
    return found
