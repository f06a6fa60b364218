"""Faults of a config: one line each, with the nearest known key."""

from __future__ import annotations

import difflib
from typing import Any


def hint(value: str, known: Any) -> str:
    """Name the known key nearest to `value`, else all known keys."""
    near = difflib.get_close_matches(value, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(sorted(known))}"
