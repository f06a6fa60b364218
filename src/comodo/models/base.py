"""The contract of a student: an IMU encoder of windows (B, C, T) with a mask to embeddings (B, dim)."""

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
    """How a family's model becomes a student.

    Attributes:
        reduction: how the embeddings of the channels, which go through the same encoder, are joined: `concat` keeps
            them side by side (dim = C × width), `mean` averages them (dim = width).
        channels: C, the number of channels of a window; 6 for one accelerometer and one gyroscope.
        gradient_checkpointing: MOMENT: less memory, slower.
    """

    reduction: str = "concat"
    channels: int = 6
    gradient_checkpointing: bool = False


class Student(nn.Module):
    """An IMU encoder: windows (B, C, T) → embeddings (B, dim).

    Args:
        model: the family's own model.
        width: width of one channel's embedding.
        options: reduction and number of channels.
    """

    family: ClassVar[str]
    fitted: ClassVar[bool] = False  # by `fit` alone: there is nothing to train by gradients
    tried_length: int = 100  # samples of the noise that it is tried on when it is loaded

    def __init__(self, model: Any, width: int, options: StudentOptions | str = "concat") -> None:
        """Wrap a family's model; a text is the reduction alone."""
        super().__init__()
        if isinstance(options, str):
            options = StudentOptions(options)
        if options.reduction not in REDUCTIONS:
            raise ModelError(f"reduction {options.reduction!r} is unknown; known are {', '.join(REDUCTIONS)}")
        self.model = model
        self.reduction = options.reduction
        self.channels = options.channels
        self.dim = width * options.channels if options.reduction == "concat" else width

    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        """Embed windows (B, C, T) → (B, dim); `mask` (B, T) is 1 where a padded window holds samples.

        Raises:
            ValueError: for another number of channels than the student has.
        """
        if windows.ndim != 3 or windows.shape[1] != self.channels:
            raise ModelError(
                f"this {self.family} student embeds windows of {self.channels} channels, (B, {self.channels}, T), "
                f"not {tuple(windows.shape)}"
            )
        return self.embed(windows, mask)

    def embed(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """Do what `forward` does, for windows of the right shape."""
        raise NotImplementedError

    def join(self, channels: Tensor) -> Tensor:
        """Join embeddings of single channels (B · C, width) to (B, dim)."""
        each = channels.unflatten(0, (-1, self.channels))
        return each.mean(dim=1) if self.reduction == "mean" else each.flatten(1)

    def collate(self, windows: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor | None]:
        """Make one batch (B, C, T), float32, and its mask of windows (C, T_i)."""
        raise NotImplementedError

    def checked(self, windows: Sequence[NDArray[np.float32]]) -> Sequence[NDArray[np.float32]]:
        """Return the windows (C, T_i). Raises `ValueError` for one of another shape."""
        if wrong := [w.shape for w in windows if w.ndim != 2 or len(w) != self.channels]:
            raise ModelError(f"an IMU window has the shape ({self.channels}, T), not {wrong[0]}")
        return windows

    def fit(self, windows: NDArray[np.float32]) -> None:
        """Fit statistics that are not learned by gradient descent, on train windows (n, C, T). Default: nothing."""

    def try_on(self, window: NDArray[np.float32]) -> None:
        """Embed a window (C, T) of the data before the training, to refuse an unsound model. Default: nothing."""

    def differs(self, embedding: Tensor) -> str | None:
        """What is wrong with its embedding (1, dim) of noise, by what was saved; None where nothing is, the default."""
        return None

    def weights(self) -> set[str]:
        """Names of the weights that a checkpoint of the family holds."""
        return set(self.model.state_dict())

    @classmethod
    def renamed(cls, stored: set[str]) -> set[str]:
        """Names of weights in a checkpoint, as the family's model calls them today."""
        return stored

    def save(self, folder: Path) -> None:
        """Write config.json and model.safetensors, as the family's own `from_pretrained` reads them."""
        self.model.save_pretrained(folder, config=self.config())

    def config(self) -> dict[str, Any]:
        """What config.json of the family's `from_pretrained` folder holds."""
        return dict(self.model._hub_mixin_config)

    @classmethod
    def fresh(cls, config: Mapping[str, Any], options: StudentOptions) -> Student:
        """Make one with random weights from a config in the family's keys."""
        raise NotImplementedError

    @classmethod
    def sketch(cls, config: Mapping[str, Any], options: StudentOptions) -> object:
        """Make the model of a checkpoint's config.json, its weights anything, for `checkpoints.sketched`."""
        raise NotImplementedError

    @classmethod
    def pretrained(cls, folder: str, revision: str | None, options: StudentOptions) -> Student:
        """Load one by the family's `from_pretrained`."""
        raise NotImplementedError


def noise_window(channels: int, length: int) -> NDArray[np.float32]:
    """Return the noise (C, T) that a student is tried on when it is loaded."""
    return np.random.default_rng(0).standard_normal((channels, length)).astype(np.float32)


def fetch(name: str, file: str, revision: str | None) -> Path:
    """A file of a checkpoint: in the folder, or from the hub's cache."""
    folder = Path(name)
    if folder.is_dir():
        if not (folder / file).is_file():
            raise ModelError(f"student {name!r}: the folder has no {file}")
        return folder / file
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(name, file, revision=revision))
    except (OSError, ValueError) as error:  # no network, no such model, no such file, not even an id
        raise ModelError(
            f"student {name!r} is neither a folder nor to be had from the hub: {first_line(error)}"
        ) from error


def check_keys(family: str, config: Mapping[str, Any], known: set[str]) -> None:
    """Refuse a key that the family does not know."""
    if unknown := sorted(set(config) - known):
        raise ModelError(
            f"architecture_config of a {family} student has the unknown key {unknown[0]!r}; known are "
            f"{', '.join(sorted(known))}"
        )


def keywords(function: Callable[..., Any]) -> dict[str, Any]:
    """Parameters of a function or class, and their defaults."""
    return {name: parameter.default for name, parameter in inspect.signature(function).parameters.items()}


def refuse_padding(mask: Tensor | None, family: str) -> None:
    """Refuse a mask that masks something: for families whose windows are stretched, never padded."""
    if mask is not None and not bool(mask.all()):
        raise ModelError(
            f"{family} cannot mask padding: give it windows as they are, `collate` stretches them"
        )


def stretch(windows: Tensor, length: int) -> Tensor:
    """Linear interpolation of (B, C, T) to `length` samples."""
    if windows.shape[-1] == length:
        return windows
    return F.interpolate(windows, size=length, mode="linear", align_corners=False)


def pad_left(
    windows: Sequence[NDArray[np.float32]], min_length: int = 512
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Left-pad windows (C, T_i) with zeros to the longest, at least `min_length`.

    Returns float32 (B, C, L) and the mask (B, L): 1 where there is a sample.
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
    """Without the families' prints, and their warning that a head we do not use is untrained."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Only reconstruction head")
        yield
