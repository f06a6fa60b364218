"""The workflow from Python."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from comodo.commands.workflow import run_to_the_end, snakemake_command
from comodo.config import load_config
from comodo.errors import CommandError


def run(
    config: str | os.PathLike[str] | Mapping[str, Any],
    *targets: str,
    cores: int | str = "all",
    dry_run: bool = False,
) -> None:
    """Run the workflow in the working folder, as `snakemake --configfile` does; its output is shown.

    Args:
        config: a YAML file, or its content as plain values.
        targets: what to make: `prepared`, `embedded`, `distilled`, or files; none: everything up to the report.
        cores: CPU cores to use, "all" or a number.
        dry_run: list what would run, and run nothing.

    Raises:
        ConfigError: for a config with faults; nothing is run.
        CommandError: when the Snakefile is missing from the installation, or the run failed.

    Example:
        >>> run("config/camera.yaml", "prepared", cores=2)
    """
    load_config(config)
    with TemporaryDirectory() as folder:
        if isinstance(config, Mapping):
            path = Path(folder, "config.yaml")
            path.write_text(
                yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True), encoding="utf-8"
            )
        else:
            path = Path(config)
        command = [*snakemake_command(path, cores), *(["--dry-run"] if dry_run else [])]
        if status := run_to_the_end([*command, "--", *targets]):
            raise CommandError(f"the run ended with status {status}: see above, and results/logs/")
