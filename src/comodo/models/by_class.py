"""Students of user-defined classes, named by class path."""

from __future__ import annotations

import inspect
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
from torch.nn.parameter import is_lazy

from comodo.errors import ClassPathError, ComodoError, ModelError
from comodo.jobs.class_paths import called, import_class, make_object, said
from comodo.models.base import Student, StudentOptions, fetch, noise_window, pad_left
from comodo.models.checkpoints import read_json, sketched, stored_weights
from comodo.models.contracts import checked_output, count_of
from comodo.models.seeds import all_seeded, named_seed, seeded
from comodo.storage.files import write_json

WEIGHTS = "model.safetensors"
LONGEST_PROBE = 64  # entries of the embedding that are saved
LONGEST = 1 << 16  # maximum length of the noise window that checks a saved student, samples


class ClassStudent(Student):
    """Student whose encoder is a module of a user-defined class.

    The class is a `torch.nn.Module` with an attribute `dim` and `forward(windows (B, C, T), mask=None) → (B, dim)`.
    If all windows of a batch have the same length, `mask` is None. Otherwise windows are left-padded with zeros, and
    the mask (B, T) is 1 at samples and 0 at padding.
    """

    family = "class"

    def __init__(self, model: nn.Module, about: Mapping[str, Any], channels: int = 6) -> None:
        """Wrap a module.

        Args:
            model: the module.
            about: its `class` (path) and `kwargs`.
            channels: C, of a window.

        Raises:
            ClassPathError: if the object is not a module of this kind.
        """
        path, dim = about["class"], count_of(getattr(model, "dim", None))
        if not isinstance(model, nn.Module) or dim is None:
            raise ClassPathError(
                f"class {path}: a student must be a torch.nn.Module with an attribute `dim`, the width of its "
                f"embeddings; got a {type(model).__name__} with dim {str(getattr(model, 'dim', None))[:40]}"
            )
        _check_forward(path, type(model))
        for name, values in (*model.named_parameters(), *model.named_buffers()):
            if is_lazy(values):
                raise ClassPathError(
                    f"class {path}: {name} has no size yet: set the sizes of lazy modules, or run a window through "
                    "the module in __init__"
                )
        super().__init__(model, dim, StudentOptions("mean", channels))
        self.about = {"class": path, "kwargs": dict(about["kwargs"])}
        self.probe: list[float] | None = None  # embedding of the noise window when the student was saved

    def embed(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """Call the module; raise `ClassPathError` unless it returns floats of shape (B, dim)."""
        embeddings = self.model(windows, mask)
        return checked_output(embeddings, (len(windows), self.dim), f"class {self.about['class']}: forward")

    @torch.no_grad()
    def try_on(self, window: NDArray[np.float32]) -> None:
        """Embed one window (C, T) twice in eval mode, and keep its length for the saved student.

        Raises:
            ClassPathError: if the module fails, or the embedding is not finite or not deterministic.
        """
        path, self.tried_length = self.about["class"], window.shape[1]
        try:
            one, two = (self.eval()(*self.collate([window])) for _ in range(2))
        except ComodoError:
            raise
        except Exception as error:  # a user's code
            raise ClassPathError(
                f"class {path}: forward fails for a window {window.shape}: {said(error)}"
            ) from error
        if not bool(one.isfinite().all()):
            raise ClassPathError(f"class {path}: the embedding of a train window is not finite")
        if not torch.allclose(one, two, rtol=1e-4, atol=1e-6):
            raise ClassPathError(f"class {path}: eval mode embeds one window differently each time")

    def differs(self, embedding: Tensor) -> str | None:
        """Compare the embedding (1, dim) of noise with the saved one, within 1 %, because devices differ."""
        saved = torch.tensor(self.probe)
        now = embedding[0, :LONGEST_PROBE].float().cpu()
        if now.shape == saved.shape and bool((now - saved).abs().max() <= 1e-2 * saved.abs().max() + 1e-6):
            return None
        return (
            f"class {self.about['class']} embeds noise differently than when it was saved: its code has changed, or "
            "it has state that is not in kwargs, parameters or buffers"
        )

    def collate(self, windows: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor | None]:
        """Stack windows of equal length without a mask; left-pad windows of different lengths."""
        windows = self.checked(windows)
        if len({window.shape[1] for window in windows}) == 1:
            return torch.from_numpy(np.stack(windows)), None
        batch, mask = pad_left(windows, min_length=1)
        return torch.from_numpy(batch), torch.from_numpy(mask)

    def save(self, folder: Path) -> None:
        """Write the class path, its arguments and the weights. The code of the class is not saved."""
        folder.mkdir(parents=True, exist_ok=True)
        write_json(self.config(), folder / "config.json")
        weights = {
            name: values.detach().clone().contiguous() for name, values in self.model.state_dict().items()
        }
        save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})

    def config(self) -> dict[str, Any]:
        """Return the class path, its arguments and, if the module can embed noise, that embedding."""
        training, windows = self.training, [noise_window(self.channels, self.tried_length)]
        device = next((values.device for values in self.parameters()), torch.device("cpu"))
        try:
            with torch.no_grad():
                batch, _ = self.eval().collate(windows)
                probe = self(batch.to(device), None)[0, :LONGEST_PROBE].float().tolist()
        except Exception:  # user code, which may not support windows of this length
            return {"family": self.family, **self.about}
        finally:
            self.train(training)
        finite = all(map(math.isfinite, probe))
        return {
            "family": self.family,
            **self.about,
            **({"length": self.tried_length, "probe": probe} if finite else {}),
        }

    @classmethod
    def sketch(cls, config: Mapping[str, Any], options: StudentOptions) -> object:
        """Do nothing: `pretrained` checks the size, after it has checked that the class is not in the folder."""
        return None

    @classmethod
    def pretrained(cls, folder: str, revision: str | None, options: StudentOptions) -> Student:
        """Load a saved module. Its class is imported from installed packages, never from the folder."""
        file, weights = (fetch(folder, name, revision) for name in ("config.json", WEIGHTS))
        config = read_json(file, dict)
        kind, kwargs = _named(config, file.parent)
        stored = sum(math.prod(shape) for _, shape in stored_weights(weights, folder).values())
        # On the meta device if the class supports it: its arguments may require far too many weights
        with sketched(stored, folder), suppress(RuntimeError, NotImplementedError, TypeError, AttributeError):
            kind(**kwargs)
        with seeded(0):  # the file replaces these weights
            model = called(config["class"], kind, kwargs)
        student = cls(model, {"class": config["class"], "kwargs": kwargs}, options.channels)
        student.tried_length, student.probe = _probe(config)
        found, own = load_file(weights), student.model.state_dict()
        for name in own.keys() & found.keys():
            if own[name].shape != found[name].shape:
                raise ModelError(
                    f"the weight {name!r} has the shape {tuple(found[name].shape)} in {WEIGHTS}, but "
                    f"{tuple(own[name].shape)} in class {config['class']}"
                )
        student.model.load_state_dict(found, strict=False)  # the caller compares the names
        return student


def _probe(config: Mapping[str, Any]) -> tuple[int, list[float] | None]:
    """Return the length of the noise window, and its saved embedding (None if there is none)."""
    length, probe = config.get("length", Student.tried_length), config.get("probe")
    if type(length) is not int or not 1 <= length <= LONGEST:
        raise ModelError(f"config.json: length is {str(length)[:40]}, not an integer from 1 to {LONGEST}")
    if probe is not None and not (isinstance(probe, list) and all(type(x) in (int, float) for x in probe)):
        raise ModelError("config.json: probe is not a list of numbers")
    return length, probe


def _check_forward(path: str, kind: type[nn.Module]) -> None:
    """Raise `ClassPathError` if `forward` does not accept windows and a mask."""
    try:
        inspect.signature(kind.forward).bind(None, None, None)
    except ValueError:  # its signature cannot be inspected
        return
    except TypeError as error:
        raise ClassPathError(
            f"class {path}: forward of a student must accept (windows, mask=None): {error}"
        ) from None


def _named(config: Mapping[str, Any], folder: Path) -> tuple[type[nn.Module], dict[str, Any]]:
    """Return the class that a saved student names, and its arguments. Reject any but a `torch.nn.Module`."""
    path, kwargs = config.get("class"), config.get("kwargs", {})
    if not isinstance(path, str) or not isinstance(kwargs, dict):
        raise ModelError("config.json: class must be a string and kwargs a mapping")
    kind = import_class(path, working_folder=False, outside=folder)
    if not issubclass(kind, nn.Module):
        raise ClassPathError(f"class {path}: it is not a torch.nn.Module")
    _check_forward(path, kind)
    return kind, kwargs


def new_class_student(class_path: str, kwargs: Mapping[str, Any], seed: int, channels: int = 6) -> Student:
    """Create a student of a user-defined class, in eval mode, with weights that depend on the arguments only.

    Args:
        class_path: `package.module:Name`, from the working folder or an installed package.
        kwargs: arguments of the class.
        seed: seed of the weights. The state of the global generators does not change.
        channels: C, of the windows to embed.

    Raises:
        ClassPathError: if the class does not exist, cannot be instantiated, or is not a student.
    """
    with all_seeded(named_seed(seed, f"{class_path} student")):
        model = make_object(class_path, kwargs)
    return ClassStudent(model, {"class": class_path, "kwargs": dict(kwargs)}, channels).eval()
