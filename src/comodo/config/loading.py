"""From the merged YAML to a `Config`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from comodo.config.faults import fault_line
from comodo.config.root import Config
from comodo.errors import ConfigError
from comodo.text import inert


def load(raw: Mapping[str, Any]) -> Config:
    """Validate a merged config.

    Raises:
        ConfigError: one line per fault, each naming its key and, for an unknown key, the nearest known one.
    """
    try:
        return Config.model_validate(dict(raw) if isinstance(raw, Mapping) else raw)
    except ValidationError as error:
        raise ConfigError("\n".join(inert(fault_line(fault)) for fault in error.errors())) from None
