"""Fixtures that the tests of the models share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch


@pytest.fixture(scope="session")
def numbers(golden: Path) -> dict[str, torch.Tensor]:
    """Inputs and embeddings of the published implementation, by name; tests must leave them as they are."""
    return {name: torch.from_numpy(value) for name, value in np.load(golden / "models.npz").items()}
