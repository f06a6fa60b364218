"""`comodo plan`: the cost of a config, without running it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from comodo.commands.inputs import read_text
from comodo.commands.outputs import output_file
from comodo.config import Config, load_config
from comodo.errors import CommandError, ComodoError
from comodo.plan.cost import Sizes, dataset_sizes, measure_config, plan
from comodo.plan.rates import Rates, read_rates
from comodo.plan.text import as_text
from comodo.storage.files import write_json
from comodo.text import first_line

LARGEST_RATES = 1 << 20  # bytes


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the plan of a config: the command `comodo plan`. Returns the exit status.

    Raises:
        ComodoError: the config or the file of rates has a fault, a dataset's size is not known, or a file cannot be
            read or written.
    """
    parser = argparse.ArgumentParser(
        prog="comodo plan", description="The cost of a config, without running it."
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
    config = load_config(options.config)
    kept = options.save_rates
    if kept:
        inputs = [options.config, *filter(None, [options.rates])]
        kept = output_file("--save-rates", kept, inputs, "a file of rates", _is_rates)
    sizes = _sizes(config, options.results)
    if options.rates:
        read_text(options.rates)
    rates = read_rates(options.rates) if options.rates else measure_config(config, options.seconds)
    if kept:
        write_json(rates.model_dump(mode="json"), kept)
    print(as_text(plan(config, sizes, rates), rates))
    return 0


def _sizes(config: Config, results: Path) -> Sizes:
    try:
        if results.exists() and not results.is_dir():
            raise CommandError(f"--results {results} is a file, not a folder")
        return dataset_sizes(config, results)
    except ComodoError:
        raise
    except (OSError, ValueError) as error:  # of the disk, and of pyarrow
        raise CommandError(f"--results {results} cannot be read: {first_line(error)}") from error


def _is_rates(path: Path) -> bool:
    """Whether a file is one that `--save-rates` wrote."""
    if path.stat().st_size > LARGEST_RATES:
        return False
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.keys() == Rates.model_fields.keys()
