"""Students: IMU encoders from the time-series world, by hub id, by local folder, or with fresh weights.

A new family is a class that maps windows (B, 6, T) and a mask to (B, dim), and a line in `FAMILIES`.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from comodo.files import atomic
from comodo.imu import pad_left
from comodo.models.projection import named_seed, seeded

CHANNELS = 6  # accelerometer x y z, gyroscope x y z
REDUCTIONS = ("concat", "mean")
WEIGHTS = "model.safetensors"
OWN_FILE = "comodo.json"  # what `save_student` adds to the family's own files


class Student(nn.Module):
    """An IMU encoder: windows (B, 6, T) → embeddings (B, dim).

    Every channel goes through the same encoder; `reduction` joins the six: `concat` keeps them side by side
    (dim = 6 × width), `mean` averages them (dim = width).

    Args:
        model: the family's own model.
        width: width of one channel's embedding.
        reduction: `concat` or `mean`.
    """

    family: ClassVar[str]

    def __init__(self, model: Any, width: int, reduction: str) -> None:
        """Wrap a family's model."""
        super().__init__()
        if reduction not in REDUCTIONS:
            raise ValueError(f"reduction {reduction!r} is unknown; known are {', '.join(REDUCTIONS)}")
        self.model = model
        self.reduction = reduction
        self.dim = width * CHANNELS if reduction == "concat" else width

    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        """Embed windows (B, 6, T); `mask` (B, T) is 1 where a padded window holds samples."""
        raise NotImplementedError

    def collate(self, windows: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor | None]:
        """Make one batch (B, 6, T), float32, and its mask of windows (6, T_i)."""
        raise NotImplementedError

    def config(self) -> dict[str, Any]:
        """What config.json of the family's `from_pretrained` folder holds."""
        return dict(self.model._hub_mixin_config)

    @classmethod
    def fresh(cls, config: Mapping[str, Any], reduction: str, gradient_checkpointing: bool) -> Student:
        """Make one with random weights from a config in the family's keys."""
        raise NotImplementedError

    @classmethod
    def pretrained(
        cls, folder: str, revision: str | None, reduction: str, gradient_checkpointing: bool
    ) -> Student:
        """Load one by the family's `from_pretrained`."""
        raise NotImplementedError


class MomentStudent(Student):
    """MOMENT (Goswami et al. 2024): patches of 8 samples, a T5 encoder per channel, the mean over all patches."""

    family = "moment"
    MIN_LENGTH = 512
    # Embedder and encoder learn. Tasks differ in the head alone, and `embed` passes it by: the head that came with the
    # weights stays in place (no `.init()`), so that a saved student is a whole MOMENT.
    _UNFROZEN: ClassVar = {"freeze_embedder": False, "freeze_encoder": False}
    _DEFAULTS: ClassVar = {
        "model_name": "MOMENT",
        "task_name": "reconstruction",
        "transformer_type": "encoder_only",
        "transformer_backbone": "google/flan-t5-small",  # a name only: the encoder is built from t5_config
        "seq_len": 512,
        "patch_len": 8,
        "patch_stride_len": 8,
    }

    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        """Embed windows (B, 6, T); padding takes no part in attention, but its patches do in the mean, as published."""
        patches = self.model.embed(x_enc=windows, input_mask=mask, reduction="none").embeddings
        channels = patches.mean(dim=2)  # (B, 6, patches, D) → (B, 6, D)
        # The published concatenation has the channels of one feature side by side.
        return channels.mean(dim=1) if self.reduction == "mean" else channels.transpose(1, 2).flatten(1)

    def collate(self, windows: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor | None]:
        """Pad on the left with zeros to the longest window, at least 512 samples; the mask is none if nothing was."""
        batch, mask = (torch.from_numpy(array) for array in pad_left(_checked(windows), self.MIN_LENGTH))
        return batch, None if bool(mask.all()) else mask

    def config(self) -> dict[str, Any]:
        """What config.json holds, without what belongs to this session only."""
        return {**super().config(), "model_kwargs": {}}

    @classmethod
    def fresh(cls, config: Mapping[str, Any], reduction: str, gradient_checkpointing: bool) -> Student:
        """Make one with random weights; `config` needs `t5_config`."""
        from momentfm import MOMENTPipeline

        if "d_model" not in config.get("t5_config", {}):
            raise ValueError(
                "architecture_config of a moment student needs t5_config with d_model, num_layers, …"
            )
        whole = {**cls._DEFAULTS, "d_model": config["t5_config"]["d_model"], **config}
        kwargs = {**cls._UNFROZEN, "enable_gradient_checkpointing": gradient_checkpointing}
        model = MOMENTPipeline(whole, model_kwargs=kwargs)
        return cls(model, whole["d_model"], reduction)

    @classmethod
    def pretrained(
        cls, folder: str, revision: str | None, reduction: str, gradient_checkpointing: bool
    ) -> Student:
        """Load one by `MOMENTPipeline.from_pretrained`."""
        from momentfm import MOMENTPipeline

        kwargs = {**cls._UNFROZEN, "enable_gradient_checkpointing": gradient_checkpointing}
        model = MOMENTPipeline.from_pretrained(folder, revision=revision, model_kwargs=kwargs)
        return cls(model, model.config.d_model, reduction)


class MantisStudent(Student):
    """Mantis (Feofanov et al. 2025): windows stretched to its length, the class token of each channel."""

    family = "mantis"

    def forward(self, windows: Tensor, mask: Tensor | None = None) -> Tensor:
        """Embed windows (B, 6, T) of any length T; there is no mask, since windows are stretched and never padded.

        All channels go through the encoder as one batch of B·6: the same bits as one by one, in less time.
        """
        if mask is not None and not bool(mask.all()):
            raise ValueError(
                "Mantis cannot mask padding: give it windows as they are, `collate` stretches them"
            )
        stretched = _stretch(windows, self.model.seq_len)
        channels = self.model(stretched.reshape(-1, 1, self.model.seq_len)).unflatten(0, (-1, CHANNELS))
        embeddings: Tensor = channels.mean(dim=1) if self.reduction == "mean" else channels.flatten(1)
        return embeddings

    def collate(self, windows: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor | None]:
        """Stretch every window to the model's length."""
        length = self.model.seq_len
        rows = [_stretch(torch.as_tensor(window)[None], length) for window in _checked(windows)]
        return torch.cat(rows), None

    @classmethod
    def fresh(cls, config: Mapping[str, Any], reduction: str, gradient_checkpointing: bool) -> Student:
        """Make one with random weights from the arguments of `Mantis8M`."""
        from mantis.architecture import Mantis8M

        known = set(inspect.signature(Mantis8M).parameters) - {"device"}
        if unknown := sorted(set(config) - known):
            raise ValueError(
                f"architecture_config of a mantis student has the unknown key {unknown[0]!r}; known are "
                f"{', '.join(sorted(known))}"
            )
        model = Mantis8M(**config, device="cpu")
        return cls(model, model.hidden_dim, reduction)

    @classmethod
    def pretrained(
        cls, folder: str, revision: str | None, reduction: str, gradient_checkpointing: bool
    ) -> Student:
        """Load one by `Mantis8M.from_pretrained`."""
        from mantis.architecture import Mantis8M

        model = Mantis8M.from_pretrained(folder, revision=revision, device="cpu")
        return cls(model, model.hidden_dim, reduction)


FAMILIES: dict[str, type[Student]] = {"moment": MomentStudent, "mantis": MantisStudent}
"""Known families by the name that a config calls them."""


def load_student(
    id_or_folder: str | Path,
    reduction: str = "concat",
    revision: str | None = None,
    gradient_checkpointing: bool = False,
) -> Student:
    """Load a student by its family's `from_pretrained`; all of it is trainable, and it is in eval mode.

    Args:
        id_or_folder: a hub id, a folder in the family's format, or what `save_student` wrote.
        reduction: `concat` or `mean`; a saved student keeps its own.
        revision: pinned revision of a hub id.
        gradient_checkpointing: MOMENT: less memory, slower.

    Raises:
        ValueError: when there is no such model, its family is unknown, or weights are missing.
    """
    name = str(id_or_folder)
    family = _family_of(_fetch(name, "config.json", revision))
    if family is None:
        raise ValueError(
            f"student {name!r}: config.json is of no known family; known are {', '.join(FAMILIES)}"
        )
    own = Path(name) / OWN_FILE
    if own.is_file():
        reduction = json.loads(own.read_text())["reduction"]
    try:
        with safe_open(_fetch(name, WEIGHTS, revision), "pt") as weights:
            stored = set(weights.keys())
    except SafetensorError as error:
        raise ValueError(f"student {name!r}: {WEIGHTS} is broken ({error})") from error
    with _quiet():
        student = FAMILIES[family].pretrained(name, revision, reduction, gradient_checkpointing)
    # The families' `from_pretrained` leaves random what a checkpoint lacks: no student starts so unnoticed.
    if missing := sorted(set(student.model.state_dict()) - stored):
        raise ValueError(f"student {name!r}: {WEIGHTS} lacks {len(missing)} weights, first {missing[0]!r}")
    return student.eval()


def new_student(
    architecture: str,
    config: Mapping[str, Any],
    seed: int,
    reduction: str = "concat",
    gradient_checkpointing: bool = False,
) -> Student:
    """Make a student with fresh weights, which depend on the arguments only; it is in eval mode.

    Args:
        architecture: `mantis` or `moment`.
        config: the family's own config; what is left out has the family's default.
        seed: of the weights; the global generator stays as it is.
        reduction: `concat` or `mean`.
        gradient_checkpointing: MOMENT: less memory, slower.
    """
    if architecture not in FAMILIES:
        raise ValueError(f"student architecture {architecture!r} is unknown; known are {', '.join(FAMILIES)}")
    with seeded(named_seed(seed, f"{architecture} student")), _quiet():
        return FAMILIES[architecture].fresh(config, reduction, gradient_checkpointing).eval()


def save_student(student: Student, folder: str | Path) -> None:
    """Write a folder that `load_student` reads, and the family's own `from_pretrained` as well."""
    with atomic(folder) as partial:
        student.model.save_pretrained(partial, config=student.config())
        own = {"family": student.family, "reduction": student.reduction}
        (partial / OWN_FILE).write_text(json.dumps(own, indent=2) + "\n")


def _family_of(config_file: Path) -> str | None:
    """The family that wrote a config.json, by the keys it has."""
    try:
        config = json.loads(config_file.read_text())
    except ValueError as error:
        raise ValueError(f"{config_file} is no JSON: {error}") from error
    if config.get("model_name") == "MOMENT" or "t5_config" in config:
        return "moment"
    if {"hidden_dim", "num_patches", "transf_depth"} <= config.keys():
        return "mantis"
    return None


def _fetch(name: str, file: str, revision: str | None) -> Path:
    """A file of a checkpoint: in the folder, or from the hub's cache."""
    folder = Path(name)
    if folder.is_dir():
        if not (folder / file).is_file():
            raise ValueError(f"student {name!r}: the folder has no {file}")
        return folder / file
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(name, file, revision=revision))
    except (OSError, ValueError) as error:  # no network, no such model, no such file, not even an id
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"student {name!r} is neither a folder nor to be had from the hub: {reason}"
        ) from error


def _checked(windows: Sequence[NDArray[np.float32]]) -> Sequence[NDArray[np.float32]]:
    if wrong := [window.shape for window in windows if window.ndim != 2 or len(window) != CHANNELS]:
        raise ValueError(f"an IMU window has the shape (6, T), not {wrong[0]}")
    return windows


def _stretch(windows: Tensor, length: int) -> Tensor:
    """Linear interpolation of (B, 6, T) to `length` samples."""
    if windows.shape[-1] == length:
        return windows
    return F.interpolate(windows, size=length, mode="linear", align_corners=False)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the families' prints, and their warning that a head we do not use is untrained."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Only reconstruction head")
        yield
