"""From the merged YAML to a `Config`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from comodo.config.duplicates import check_duplicate_keys
from comodo.config.faults import fault_lines
from comodo.config.root import Config
from comodo.errors import ConfigError
from comodo.storage.regular import read_text
from comodo.text import first_line, inert


def load_config(config: str | os.PathLike[str] | Mapping[str, Any]) -> Config:
    """Read and validate a config, as the workflow reads it with `--configfile`.

    Args:
        config: a YAML file, or its content as plain values.

    Raises:
        ConfigError: when there is no such file, it is no YAML, or a key or value is wrong: one line per fault.

    Example:
        >>> config = load_config("config/camera.yaml")
        >>> sorted(config.experiments)
        ['comodo', 'frozen']
    """
    if isinstance(config, Mapping):
        return load(config)
    check_duplicate_keys(Path(config))
    return load(_read_yaml(Path(config)))


def _read_yaml(path: Path) -> dict[str, Any]:
    """Read the mapping of a YAML file. Raises `ConfigError`, also for values Python cannot hold (45 May)."""
    import yaml

    try:
        content = yaml.safe_load(read_text(path))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeError as error:
        raise ConfigError(f"{path} is no text in UTF-8 ({first_line(error)})") from None
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        raise ConfigError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} is no config: it has no keys")
    return content


def load(raw: Mapping[str, Any]) -> Config:
    """Validate a merged config.

    Raises:
        ConfigError: one line per fault, each naming its key and, for an unknown key, the nearest known one.
    """
    try:
        return Config.model_validate(dict(raw) if isinstance(raw, Mapping) else raw)
    except ValidationError as error:
        raise ConfigError("\n".join(map(inert, fault_lines(error.errors())))) from None
