"""A sample of what a stage writes: digests of texts, and values of arrays with a tolerance."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

VALUES = 24  # of each array


@dataclass
class Sample:
    """What is kept of the output of a stage: digests of texts, values of arrays and how much these may differ."""

    version: int
    texts: dict[str, str] = field(default_factory=dict)
    arrays: dict[str, tuple[float, list[float]]] = field(default_factory=dict)

    def text(self, name: str, content: object) -> None:
        """Keep the digest of a text, a table or anything that json can write."""
        if isinstance(content, pd.DataFrame):
            content = f"{content.dtypes.to_dict()}\n{content.to_csv()}"
        if not isinstance(content, str):
            content = json.dumps(content, sort_keys=True)
        self.texts[name] = hashlib.sha256(content.encode()).hexdigest()[:16]

    def array(self, name: str, values: ArrayLike, tolerance: float) -> None:
        """Keep some values of an array, evenly spread; its shape counts as a text."""
        array = np.asarray(values, dtype=np.float64)
        self.text(f"shape of {name}", list(array.shape))
        flat = array.ravel()
        places = np.linspace(0, flat.size - 1, min(VALUES, flat.size)).astype(int)
        self.arrays[name] = (tolerance, [round(float(value), 7) for value in flat[places]])


def moved(stored: Sample, found: Sample) -> list[str]:
    """Return the names of what differs between two samples of a stage."""
    names = [
        name for name in {**stored.texts, **found.texts} if stored.texts.get(name) != found.texts.get(name)
    ]
    for name in {**stored.arrays, **found.arrays}:
        (tolerance, before), (_, now) = (kept.arrays.get(name, (0.0, [])) for kept in (stored, found))
        if len(before) != len(now) or not np.allclose(
            before, now, rtol=tolerance, atol=tolerance, equal_nan=True
        ):
            names.append(name)
    return names
