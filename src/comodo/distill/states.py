"""Resumable training states: a killed run resumes with bit-identical results."""

from __future__ import annotations

import hashlib
import logging
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from comodo.clips.sampling import Indices
from comodo.config import ExperimentSettings
from comodo.jobs.versions import VERSIONS
from comodo.objectives.targets import Targets
from comodo.storage.artefacts import new_file

log = logging.getLogger(__name__)
Row = dict[str, float]  # row of the history
STATES_KEPT = 2
ROUNDED = {
    "objective's start weights"
}  # the queue is projected when a run starts: its last bits differ by machine


@dataclass
class Position:
    """Progress of a training run, saved with the states of its parts."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    rate: float = 0.0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    history: list[Row] = field(default_factory=list)


def identity_of(
    parts: Mapping[str, Any],
    targets: Targets,
    plan: Sequence[Sequence[Indices]],
    settings: ExperimentSettings,
    seed: int,
    made_from: Mapping[str, str] | None,
) -> dict[str, str]:
    """Return the values, by name, that must match for a state to be resumed."""
    named = settings.model_dump(mode="json", exclude={"eval_datasets"})
    found = {name: str(value) for name, value in named.items()} | {"seed": str(seed)} | dict(made_from or {})
    found["version"] = str(VERSIONS["distill"])
    if isinstance(targets, Tensor):  # else `made_from` has the digest of their source
        found["targets"] = _digest([targets])
    found["batches"] = _digest([torch.from_numpy(batch) for epoch in plan for batch in epoch])
    for name in ("student", "head", "objective"):
        found[f"{name}'s start weights"] = _digest(list(parts[name].state_dict().values()))
    return found


def _digest(tensors: Sequence[Tensor]) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


class States:
    """The most recent states of a run, `state-<step>.pt` in their own folder."""

    def __init__(self, folder: Path, identity: Mapping[str, str]) -> None:
        self.folder = folder
        self.identity = dict(identity)
        self.own: list[Path] = []

    @staticmethod
    def made_with(device: str) -> dict[str, str]:
        """Return the number of threads and the kind of device, which change the rounding of a training run."""
        return {"threads": str(torch.get_num_threads()), "device": torch.device(device).type}

    def write(self, at: Position, parts: Mapping[str, Any], device: str) -> None:
        """Write a state, and delete all other files except the state before it."""
        path = self.folder / f"state-{at.step:09d}.pt"
        generators = {"cpu": torch.get_rng_state()}
        if torch.device(device).type == "cuda":
            generators["cuda"] = torch.cuda.get_rng_state(device)
        with new_file(path) as file:
            torch.save(
                {
                    "identity": self.identity,
                    "made_with": self.made_with(device),
                    "position": asdict(at),
                    "generators": generators,
                    **{name: part.state_dict() for name, part in parts.items()},
                },
                file,
            )
        self.own = [*(kept for kept in self.own if kept != path), path][-STATES_KEPT:]
        for stale in [*self.folder.glob("state-*.pt"), *self.folder.glob(".partial-*")]:
            if stale not in self.own:
                stale.unlink()

    def resume(self, parts: Mapping[str, Any], device: str) -> Position | None:
        """Load the newest usable state into the parts and generators.

        States that cannot be used are logged with the reason. A state made with another number of threads, or on
        another device, is resumed with a warning. The weights are the same, but the final result is not bit-identical
        to that of an uninterrupted run.

        Returns:
            The position of the state; None if there is no usable state.
        """
        now = self.made_with(device)
        for path in sorted(self.folder.glob("state-*.pt"), reverse=True):
            state = _read_state(path)
            if state is None:
                continue
            found = state["identity"]
            differing = [
                key for key in {**self.identity, **found} if self.identity.get(key) != found.get(key)
            ]
            before = state.get("made_with", now)
            if before != now and set(differing) <= ROUNDED:
                changes = ", ".join(f"{key} {before.get(key)}, now {now[key]}" for key in now)
                log.warning(
                    "%s was made with %s: training resumes, but the last digits of its results differ",
                    path,
                    changes,
                )
                differing = []
            if differing:
                key = differing[0]
                log.warning(
                    "%s is not resumed: it was made with another %s (%s, now %s)",
                    path, ", ".join(differing), found.get(key), self.identity.get(key),
                )  # fmt: skip
                continue
            for name, part in parts.items():
                part.load_state_dict(state[name])
            torch.set_rng_state(state["generators"]["cpu"])
            if "cuda" in state["generators"] and now["device"] == "cuda":
                torch.cuda.set_rng_state(state["generators"]["cuda"], device)
            at = Position(**state["position"])
            log.info("resumed from %s: epoch %d, step %d", path, at.epoch, at.step)
            self.own = [path]
            return at
        return None


def _read_state(path: Path) -> dict[str, Any] | None:
    """Read a state; return None if it is damaged. zipfile checks the checksums, because torch does not."""
    try:
        with zipfile.ZipFile(path) as archive:
            if (broken := archive.testzip()) is not None:
                raise zipfile.BadZipFile(f"{broken} has a wrong checksum")
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return state
    except Exception as error:  # any damage: use the state before it
        log.warning("%s is not resumed: it is damaged (%s)", path, error)
        return None
