"""Students and teachers of the user's own classes, by class path."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from comodo.errors import ClassPathError, ModelError
from comodo.jobs.class_paths import class_digest, import_class, make_object
from comodo.jobs.devices import autocast
from comodo.jobs.versions import VERSIONS
from comodo.models.base import Student, StudentOptions, fetch, pad_left
from comodo.models.checkpoints import read_json, sketched, stored_weights
from comodo.models.seeds import named_seed, seeded
from comodo.models.teachers import Teacher
from comodo.storage.files import write_json

WEIGHTS = "model.safetensors"


class ClassStudent(Student):
    """A student whose encoder is a module of the user's own class.

    The class is a `torch.nn.Module` with an attribute `dim` and `forward(windows (B, C, T), mask=None) → (B, dim)`.
    Windows of one length come without a mask; of others, padded at the left with zeros and with a mask (B, T) that is 1
    where there is a sample.
    """

    family = "class"

    def __init__(self, model: nn.Module, about: Mapping[str, Any], channels: int = 6) -> None:
        """Wrap a module. `about` holds its `class` and `kwargs`. Raises `ClassPathError` for no such module."""
        dim = getattr(model, "dim", None)
        if not isinstance(model, nn.Module) or type(dim) is not int or dim < 1:
            raise ClassPathError(
                f"class {about['class']}: a student is a torch.nn.Module with an attribute `dim`, the width of its "
                f"embeddings; this is a {type(model).__name__} with dim {dim!r}"
            )
        super().__init__(model, dim, StudentOptions("mean", channels))
        self.about = dict(about)

    def embed(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """Call the module; raises `ClassPathError` where it returns another shape than (B, dim)."""
        embeddings = self.model(windows, mask)
        wanted = (len(windows), self.dim)
        if not isinstance(embeddings, Tensor) or embeddings.shape != wanted:
            found = tuple(embeddings.shape) if isinstance(embeddings, Tensor) else type(embeddings).__name__
            raise ClassPathError(
                f"class {self.about['class']}: forward returns {found}; it should be {wanted}"
            )
        return embeddings

    def collate(self, windows: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor | None]:
        """Stack windows of one length; pad others at the left, with their mask."""
        windows = self.checked(windows)
        if len({window.shape[1] for window in windows}) == 1:
            return torch.from_numpy(np.stack(windows)), None
        batch, mask = pad_left(windows, min_length=1)
        return torch.from_numpy(batch), torch.from_numpy(mask)

    def save(self, folder: Path) -> None:
        """Write class path, arguments and weights; the code is not part of the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        write_json(self.config(), folder / "config.json")
        weights = {
            name: values.detach().clone().contiguous() for name, values in self.model.state_dict().items()
        }
        save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})

    def config(self) -> dict[str, Any]:
        """Return class path and arguments."""
        return {"family": self.family, **self.about}

    @classmethod
    def sketch(cls, config: Mapping[str, Any], options: StudentOptions) -> object:
        """Make nothing: `pretrained` has the folder, which the class must not come from."""
        return None

    @classmethod
    def pretrained(cls, folder: str, revision: str | None, options: StudentOptions) -> Student:
        """Load a saved module; its class is imported from the installed packages, never from the folder."""
        file, weights = (fetch(folder, name, revision) for name in ("config.json", WEIGHTS))
        config = read_json(file, dict)
        kind, kwargs = _named(config, file.parent)
        stored = sum(math.prod(shape) for _, shape in stored_weights(weights, folder).values())
        # without memory for weights, where a class can be made so: its arguments may ask for far too many
        with sketched(stored, folder), suppress(RuntimeError, NotImplementedError, TypeError, AttributeError):
            kind(**kwargs)
        try:
            model = kind(**kwargs)
        except Exception as error:  # a user's code
            raise ClassPathError(
                f"class {config['class']}: {kind.__name__}(**{kwargs}) failed: {error}"
            ) from error
        student = cls(model, {"class": config["class"], "kwargs": kwargs}, options.channels)
        student.model.load_state_dict(load_file(weights), strict=False)  # the caller compares the names
        return student


def _named(config: Mapping[str, Any], folder: Path) -> tuple[type[nn.Module], dict[str, Any]]:
    """The class that a saved student names, and its arguments; only a `torch.nn.Module` is ever called."""
    path, kwargs = config.get("class"), config.get("kwargs", {})
    if not isinstance(path, str) or not isinstance(kwargs, dict):
        raise ModelError("config.json names no class and its arguments")
    kind = import_class(path, working_folder=False, outside=folder)
    if not issubclass(kind, nn.Module):
        raise ClassPathError(f"class {path}: it is no torch.nn.Module")
    return kind, kwargs


def new_class_student(class_path: str, kwargs: Mapping[str, Any], seed: int, channels: int = 6) -> Student:
    """Make a student of a user's class with fresh weights, which depend on the arguments only; it is in eval mode.

    Args:
        class_path: `package.module:Name`, from the working folder or an installed package.
        kwargs: arguments of the class.
        seed: of the weights; the global generator stays as it is.
        channels: of the windows to embed, C.

    Raises:
        ClassPathError: no such class, it cannot be made, or it is no student.
    """
    with seeded(named_seed(seed, f"{class_path} student")):
        model = make_object(class_path, kwargs)
    return ClassStudent(model, {"class": class_path, "kwargs": dict(kwargs)}, channels).eval()


class ClassTeacher(Teacher):
    """A teacher of the user's own class: an object with `n_frames`, `dim` and `encode(pixels) → (B, dim)`.

    Pixels are (B, n_frames, 3, S, S), float32 in [0, 1], with S the size of the extracted clips. An object may also
    have `image_size`, another S, and `mean` and `std`, three numbers each, by which pixels are normalised.
    """

    def __init__(
        self, class_path: str, kwargs: Mapping[str, Any], device: str, precision: str = "float32"
    ) -> None:
        """Make the object; raises `ClassPathError` where it is no teacher."""
        model = make_object(class_path, kwargs)
        for name in ("n_frames", "dim"):
            value = getattr(model, name, None)
            if type(value) is not int or value < 1:
                raise ClassPathError(
                    f"class {class_path}: {name} of a teacher is {value!r}, not a number from 1"
                )
        if not callable(getattr(model, "encode", None)):
            raise ClassPathError(f"class {class_path}: a teacher has a method encode(pixels)")
        self.n_frames, self.dim = model.n_frames, model.dim
        self.image_size = getattr(model, "image_size", None)
        self.device, self.precision = torch.device(device), precision
        mean, std = getattr(model, "mean", (0.0, 0.0, 0.0)), getattr(model, "std", (1.0, 1.0, 1.0))
        self._mean = torch.tensor(mean, dtype=torch.float32, device=self.device)
        self._std = torch.tensor(std, dtype=torch.float32, device=self.device)
        side = self.image_size
        preprocessing = {"mean": list(map(float, mean)), "std": list(map(float, std)), "image_size": side}
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
            ModelError: for clips of another number of frames or colours.
            ClassPathError: where the object returns another shape.
        """
        self._check_shape(pixels)
        with torch.inference_mode(), autocast(self.device, self.precision):
            embeddings = self._model.encode(pixels.to(self.device))
        if not isinstance(embeddings, Tensor) or embeddings.shape != (len(pixels), self.dim):
            found = tuple(embeddings.shape) if isinstance(embeddings, Tensor) else type(embeddings).__name__
            raise ClassPathError(
                f"class {self.identity['model']}: encode returns {found}; it should be {(len(pixels), self.dim)}"
            )
        return embeddings.float().clone()
