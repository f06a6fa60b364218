"""The key `splits` of a dataset: a folder of split files, or folds by group (cross-validation)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Discriminator, Field, Tag

from comodo.config.block import Block, PathStr

GROUP_OF: Final = {"ego4d": "subject", "egoexo4d": "session"}
"""Meaning of a group in the layouts that define groups; the layout `uestc` has none."""


class FoldSettings(Block):
    """Folds by group: each is test once, with the next one as val and the others as train.

    Clips, IMU and embeddings are computed once for all folds.
    """

    folds: int | None = Field(
        None, ge=3, description="number of folds; default: one per group (leave one subject out)"
    )
    by: str | None = Field(
        None,
        min_length=1,
        description="layout `table`: column of the groups, default `group`; others have their own groups",
    )
    files: PathStr | None = Field(
        None,
        description="folder of the split files that list the recordings (not layout `table`); default `<root>/splits`",
    )


def fold_folder(fold: int | None) -> str:
    """Return the part of a path that names a fold, `fold<number>/`; "" for a dataset with one fixed split."""
    return "" if fold is None else f"fold{fold}/"


def _named(value: Any) -> Any:
    """Replace the name `loso` by its settings."""
    return {} if value == "loso" else value


def _kind(value: Any) -> str:
    return "[folds]" if isinstance(value, Mapping | FoldSettings) else "[folder]"


# The tags are in brackets because the lines of faults leave such parts of a location out.
Splits = Annotated[
    Annotated[PathStr, Tag("[folder]")] | Annotated[FoldSettings, Tag("[folds]")],
    Discriminator(_kind),
    BeforeValidator(_named),
]
