"""The reader of a dataset by the name of its layout, or by a class of the user's own."""

from __future__ import annotations

from comodo.config import DatasetSettings
from comodo.layouts.types import Layout


def open_layout(name: str, settings: DatasetSettings) -> Layout:
    """Return the reader of the dataset called `name` in the config; error messages name `datasets.<name>`."""
    if settings.class_path is not None:
        from comodo.layouts.by_class import ClassLayout

        return ClassLayout(name, settings)
    if settings.layout == "ego4d":
        from comodo.layouts.ego4d import Ego4D

        return Ego4D(name, settings)
    if settings.layout == "egoexo4d":
        from comodo.layouts.egoexo4d import EgoExo4D

        return EgoExo4D(name, settings)
    if settings.layout == "uestc":
        from comodo.layouts.uestc import Uestc

        return Uestc(name, settings)
    from comodo.layouts.table import Table

    return Table(name, settings)
