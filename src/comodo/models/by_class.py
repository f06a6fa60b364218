"""Students of the user's own classes, by class path."""

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
LONGEST_PROBE = 64  # numbers
LONGEST = 1 << 16  # samples of the noise that a saved student is tried on


class ClassStudent(Student):
    """A student whose encoder is a module of the user's own class.

    The class is a `torch.nn.Module` with an attribute `dim` and `forward(windows (B, C, T), mask=None) → (B, dim)`.
    Windows of one length come without a mask; of others, padded at the left with zeros and with a mask (B, T) that is 1
    where there is a sample.
    """

    family = "class"

    def __init__(self, model: nn.Module, about: Mapping[str, Any], channels: int = 6) -> None:
        """Wrap a module. `about` holds its `class` and `kwargs`. Raises `ClassPathError` for no such module."""
        path, dim = about["class"], count_of(getattr(model, "dim", None))
        if not isinstance(model, nn.Module) or dim is None:
            raise ClassPathError(
                f"class {path}: a student is a torch.nn.Module with an attribute `dim`, the width of its "
                f"embeddings; this is a {type(model).__name__} with dim {str(getattr(model, 'dim', None))[:40]}"
            )
        _check_forward(path, type(model))
        for name, values in (*model.named_parameters(), *model.named_buffers()):
            if is_lazy(values):
                raise ClassPathError(
                    f"class {path}: {name} has no size yet: give lazy modules theirs, or embed a window in __init__"
                )
        super().__init__(model, dim, StudentOptions("mean", channels))
        self.about = {"class": path, "kwargs": dict(about["kwargs"])}
        self.probe: list[float] | None = None  # its embedding of noise when it was saved

    def embed(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """Call the module; raises `ClassPathError` where it returns no floats of the shape (B, dim)."""
        embeddings = self.model(windows, mask)
        return checked_output(embeddings, (len(windows), self.dim), f"class {self.about['class']}: forward")

    @torch.no_grad()
    def try_on(self, window: NDArray[np.float32]) -> None:
        """Embed one window twice, in eval mode; its length is noted for the saved student.

        Raises:
            ClassPathError: the module fails, its embedding is not finite, or it is another one each time.
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
        """Compare its embedding (1, dim) of noise with the one when it was saved; as devices differ, roughly."""
        saved = torch.tensor(self.probe)
        now = embedding[0, :LONGEST_PROBE].float().cpu()
        if now.shape == saved.shape and bool((now - saved).abs().max() <= 1e-2 * saved.abs().max() + 1e-6):
            return None
        return (
            f"class {self.about['class']} embeds noise differently than when it was saved: its code has changed since, "
            "or it keeps state outside of kwargs, parameters and buffers"
        )

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
        """Return class path and arguments, and its embedding of noise where it embeds any."""
        training, windows = self.training, [noise_window(self.channels, self.tried_length)]
        device = next((values.device for values in self.parameters()), torch.device("cpu"))
        try:
            with torch.no_grad():
                batch, _ = self.eval().collate(windows)
                probe = self(batch.to(device), None)[0, :LONGEST_PROBE].float().tolist()
        except Exception:  # a user's code, for which this may be no length of a window
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
        with seeded(0):  # of what the file replaces
            model = called(config["class"], kind, kwargs)
        student = cls(model, {"class": config["class"], "kwargs": kwargs}, options.channels)
        student.tried_length, student.probe = _probe(config)
        found, own = load_file(weights), student.model.state_dict()
        for name in own.keys() & found.keys():
            if own[name].shape != found[name].shape:
                raise ModelError(
                    f"the weight {name!r} is {tuple(found[name].shape)} in {WEIGHTS}, but {tuple(own[name].shape)} in "
                    f"class {config['class']}"
                )
        student.model.load_state_dict(found, strict=False)  # the caller compares the names
        return student


def _probe(config: Mapping[str, Any]) -> tuple[int, list[float] | None]:
    """The embedding of noise that a saved student holds, and the length of the noise."""
    length, probe = config.get("length", Student.tried_length), config.get("probe")
    if type(length) is not int or not 1 <= length <= LONGEST:
        raise ModelError(f"config.json: length is {str(length)[:40]}, not a number from 1 to {LONGEST}")
    if probe is not None and not (isinstance(probe, list) and all(type(x) in (int, float) for x in probe)):
        raise ModelError("config.json: probe is no list of numbers")
    return length, probe


def _check_forward(path: str, kind: type[nn.Module]) -> None:
    """Refuse a class whose `forward` does not take windows and a mask."""
    try:
        inspect.signature(kind.forward).bind(None, None, None)
    except ValueError:  # of no known signature
        return
    except TypeError as error:
        raise ClassPathError(
            f"class {path}: forward of a student takes (windows, mask=None); here: {error}"
        ) from None


def _named(config: Mapping[str, Any], folder: Path) -> tuple[type[nn.Module], dict[str, Any]]:
    """The class that a saved student names, and its arguments; only a `torch.nn.Module` is ever called."""
    path, kwargs = config.get("class"), config.get("kwargs", {})
    if not isinstance(path, str) or not isinstance(kwargs, dict):
        raise ModelError("config.json names no class and its arguments")
    kind = import_class(path, working_folder=False, outside=folder)
    if not issubclass(kind, nn.Module):
        raise ClassPathError(f"class {path}: it is no torch.nn.Module")
    _check_forward(path, kind)
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
    with all_seeded(named_seed(seed, f"{class_path} student")):
        model = make_object(class_path, kwargs)
    return ClassStudent(model, {"class": class_path, "kwargs": dict(kwargs)}, channels).eval()
