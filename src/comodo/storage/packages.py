"""Versions of the packages that an artefact was made with."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

NUMBERS = (
    "torch",
    "transformers",
    "mantis-tsfm",
    "momentfm",
    "chronos-forecasting",
    "decord",
    "eva-decord",
    "torchcodec",
    "numpy",
)
"""Packages whose versions can change the numbers of embeddings and students."""


def package_versions() -> dict[str, str]:
    """Return the installed version of each package in `NUMBERS`, by name."""
    found = {}
    for name in NUMBERS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def version_differences(one: dict[str, str], other: dict[str, str]) -> str:
    """Return the packages whose versions differ, of those that both sides list, as text; "" for none."""
    shared = [name for name in one if name in other and one[name] != other[name]]
    return ", ".join(f"{name} {one[name]} and {other[name]}" for name in shared)
