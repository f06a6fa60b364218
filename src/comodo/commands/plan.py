"""`comodo plan`: what a config would cost, without running it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import yaml

from comodo.commands.outputs import output_file
from comodo.config import Config, load
from comodo.errors import CommandError
from comodo.plan.cost import dataset_sizes, measure_config, plan
from comodo.plan.rates import Rates, read_rates
from comodo.plan.text import as_text
from comodo.storage.files import write_json

LARGEST_RATES = 1 << 20  # bytes


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the plan of a config: the command `comodo plan`. Returns the exit status.

    Raises:
        ComodoError: the config or the file of rates has a fault, a dataset's size is not known, or a file cannot be
            read or written.
    """
    parser = argparse.ArgumentParser(
        prog="comodo plan", description="What a config would cost, without running it."
    )
    parser.add_argument("config", type=Path, metavar="CONFIG", help="say, config/paper.yaml")
    parser.add_argument("--rates", type=Path, metavar="FILE", help="rates of a former measurement")
    parser.add_argument("--save-rates", type=Path, metavar="FILE", help="keep the measured rates")
    parser.add_argument(
        "--seconds", type=float, default=45, metavar="S", help="time to measure rates; default 45"
    )
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="default: results"
    )
    options = parser.parse_args(arguments)
    config = _read_config(options.config)
    kept = options.save_rates
    if kept:
        inputs = [options.config, *filter(None, [options.rates])]
        kept = output_file("--save-rates", kept, inputs, "a file of rates", _is_rates)
    sizes = dataset_sizes(config, options.results)
    rates = read_rates(options.rates) if options.rates else measure_config(config, options.seconds)
    if kept:
        write_json(rates.model_dump(mode="json"), kept)
    print(as_text(plan(config, sizes, rates), rates))
    return 0


def _read_config(path: Path) -> Config:
    try:
        raw = yaml.safe_load(path.read_text())
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise CommandError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(raw, dict):
        raise CommandError(f"{path} is no config: it has no keys")
    return load(raw)


def _is_rates(path: Path) -> bool:
    """Whether a file is one that `--save-rates` wrote."""
    if path.stat().st_size > LARGEST_RATES:
        return False
    try:
        content = json.loads(path.read_text())
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.keys() == Rates.model_fields.keys()
