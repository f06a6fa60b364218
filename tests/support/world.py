"""Simulated recordings in memory, for tests."""

from __future__ import annotations

from collections.abc import Iterator

from comodo.config import SimulateSettings
from comodo.simulate.dataset import Simulated, simulate_recording, takes


def simulate_recordings(settings: SimulateSettings, stream: int = 0) -> Iterator[Simulated]:
    """Simulate the recordings of a world, one by one."""
    for take in takes(settings, stream):
        yield simulate_recording(take, settings)
