"""What tests read of embedding stores."""

from __future__ import annotations

import json
from typing import Any

import h5py


def read_made_by(file: h5py.File) -> dict[str, Any]:
    """Read what made a store: teacher, revision, preprocessing."""
    made_by: dict[str, Any] = json.loads(file.attrs["made_by"])
    return made_by
