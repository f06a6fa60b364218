"""Base class of all students: IMU encoders that map windows (B, C, T) and a mask to embeddings (B, dim)."""

from __future__ import annotations

import contextlib
import inspect
import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from comodo.errors import ModelError
from comodo.text import first_line

REDUCTIONS = ("concat", "mean")


@dataclass(frozen=True)
class StudentOptions:
    """Options of a student that do not depend on its family.

    Attributes:
        reduction: how channel embeddings are combined. `concat` concatenates them (dim = C × width), `mean` averages
            them (dim = width). The encoder is shared by all channels.
        channels: C, the number of channels of a window; 6 for one accelerometer and one gyroscope.
        gradient_checkpointing: recompute activations in the backward pass. Uses less memory, but is slower
            (MOMENT only).
    """

    reduction: str = "concat"
    channels: int = 6
    gradient_checkpointing: bool = False


class Student(nn.Module):
    """IMU encoder: windows (B, C, T) → embeddings (B, dim).

    Args:
        model: the model of the family's package.
        width: width of the embedding of one channel.
        options: reduction and number of channels.
    """

    family: ClassVar[str]
    fitted: ClassVar[bool] = False  # True: learns by `fit` only, not by gradient descent
    tried_length: int = 100  # length of the noise window that is embedded as a check after loading, samples

    def __init__(self, model: Any, width: int, options: StudentOptions | str = "concat") -> None:
        """Wrap a model. A string as `options` is the reduction."""
        super().__init__()
        if isinstance(options, str):
            options = StudentOptions(options)
        if options.reduction not in REDUCTIONS:
            raise ModelError(
                f"reduction {options.reduction!r} is unknown; expected one of {', '.join(REDUCTIONS)}"
            )
        self.model = model
        self.reduction = options.reduction
        self.channels = options.channels
        self.dim = width * options.channels if options.reduction == "concat" else width

    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        """Embed windows (B, C, T) → (B, dim).

        Args:
            windows: (B, C, T), float32.
            mask: (B, T), 1 at samples and 0 at padding; None if nothing is padded.

        Raises:
            ModelError: if the number of channels is not that of the student.
        """
        if windows.ndim != 3 or windows.shape[1] != self.channels:
            raise ModelError(
                f"this {self.family} student embeds windows of {self.channels} channels, (B, {self.channels}, T), "
                f"not {tuple(windows.shape)}"
            )
        return self.embed(windows, mask)

    def embed(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """Embed windows whose shape `forward` has checked."""
        raise NotImplementedError

    def join(self, channels: Tensor) -> Tensor:
        """Combine channel embeddings (B · C, width) into (B, dim) by `reduction`."""
        each = channels.unflatten(0, (-1, self.channels))
        return each.mean(dim=1) if self.reduction == "mean" else each.flatten(1)

    def collate(self, windows: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor | None]:
        """Batch windows (C, T_i) into (B, C, T), float32, and a mask (B, T) or None."""
        raise NotImplementedError

    def checked(self, windows: Sequence[NDArray[np.float32]]) -> Sequence[NDArray[np.float32]]:
        """Return the windows (C, T_i) unchanged; raise `ModelError` if a shape is wrong."""
        if wrong := [w.shape for w in windows if w.ndim != 2 or len(w) != self.channels]:
            raise ModelError(f"an IMU window must have the shape ({self.channels}, T), not {wrong[0]}")
        return windows

    def fit(self, windows: NDArray[np.float32]) -> None:
        """Fit statistics that are not learned by gradient descent to train windows (n, C, T). Default: no-op."""

    def try_on(self, window: NDArray[np.float32]) -> None:
        """Embed one window (C, T) of the data before training, to reject a faulty model. Default: no-op."""

    def differs(self, embedding: Tensor) -> str | None:
        """Return why the embedding (1, dim) of noise differs from the saved one. Default: None, it does not differ."""
        return None

    def weights(self) -> set[str]:
        """Return the names of the weights that a checkpoint of the family must hold."""
        return set(self.model.state_dict())

    @classmethod
    def renamed(cls, stored: set[str]) -> set[str]:
        """Map the weight names of an older checkpoint to the current ones. Default: unchanged."""
        return stored

    def save(self, folder: Path) -> None:
        """Write config.json and model.safetensors in the format of the family's own `from_pretrained`."""
        self.model.save_pretrained(folder, config=self.config())

    def config(self) -> dict[str, Any]:
        """Return the content of config.json in the family's format."""
        return dict(self.model._hub_mixin_config)

    @classmethod
    def fresh(cls, config: Mapping[str, Any], options: StudentOptions) -> Student:
        """Create a student with random weights from a config with the family's keys."""
        raise NotImplementedError

    @classmethod
    def sketch(cls, config: Mapping[str, Any], options: StudentOptions) -> object:
        """Build the model that config.json describes, with arbitrary weights, for `checkpoints.sketched`."""
        raise NotImplementedError

    @classmethod
    def pretrained(cls, folder: str, revision: str | None, options: StudentOptions) -> Student:
        """Load a checkpoint with the family's `from_pretrained`."""
        raise NotImplementedError


def noise_window(channels: int, length: int) -> NDArray[np.float32]:
    """Return the noise window (C, T) that is embedded to check a loaded student."""
    return np.random.default_rng(0).standard_normal((channels, length)).astype(np.float32)


def fetch(name: str, file: str, revision: str | None) -> Path:
    """Return the path of a checkpoint file: in the folder, or in the cache of the hub.

    Raises:
        ModelError: if the folder has no such file, or the hub no such model.
    """
    folder = Path(name)
    if folder.is_dir():
        if not (folder / file).is_file():
            raise ModelError(f"student {name!r}: the folder has no {file}")
        return folder / file
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(name, file, revision=revision))
    except (OSError, ValueError) as error:  # no network, no such model or file, or an invalid id
        raise ModelError(
            f"student {name!r} is neither a folder nor a model on the hub: {first_line(error)}"
        ) from error


def check_keys(family: str, config: Mapping[str, Any], known: set[str]) -> None:
    """Raise `ModelError` if the config has an unknown key."""
    if unknown := sorted(set(config) - known):
        raise ModelError(
            f"architecture_config of a {family} student has the unknown key {unknown[0]!r}; expected one of "
            f"{', '.join(sorted(known))}"
        )


def keywords(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the parameters of a function or class with their defaults."""
    return {name: parameter.default for name, parameter in inspect.signature(function).parameters.items()}


def refuse_padding(mask: Tensor | None, family: str) -> None:
    """Raise `ModelError` if a mask has zeros. For families whose windows are stretched and not padded."""
    if mask is not None and not bool(mask.all()):
        raise ModelError(
            f"{family} cannot mask padding: pass windows without padding, `collate` stretches them"
        )


def stretch(windows: Tensor, length: int) -> Tensor:
    """Interpolate windows (B, C, T) linearly to `length` samples."""
    if windows.shape[-1] == length:
        return windows
    return F.interpolate(windows, size=length, mode="linear", align_corners=False)


def pad_left(
    windows: Sequence[NDArray[np.float32]], min_length: int = 512
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Left-pad windows (C, T_i) with zeros to the longest, at least to `min_length` samples.

    Returns:
        The batch (B, C, L) and its mask (B, L), both float32; the mask is 1 at samples and 0 at padding.
    """
    length = max(min_length, *(window.shape[1] for window in windows))
    batch = np.zeros((len(windows), windows[0].shape[0], length), dtype=np.float32)
    mask = np.zeros((len(windows), length), dtype=np.float32)
    for i, window in enumerate(windows):
        batch[i, :, length - window.shape[1] :] = window
        mask[i, length - window.shape[1] :] = 1
    return batch, mask


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress prints of the families' packages, and their warning about an untrained head that is not used."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Only reconstruction head")
        yield
