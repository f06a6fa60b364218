"""The command `comodo`: what one does by hand, beside the workflow."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from importlib import import_module

from comodo.errors import ComodoError
from comodo.text import inert

COMMANDS = {
    "train": ("comodo.commands.train", "the published train.py: distil a video model into an IMU encoder"),
    "evaluate": (
        "comodo.commands.evaluate",
        "the published unsupervised_rep_test.py: an SVM on its features",
    ),
    "embed": ("comodo.commands.embed", "features of new IMU recordings by a trained student"),
    "predict": ("comodo.commands.predict", "the classes of new IMU recordings by a trained student"),
    "fit": ("comodo.commands.fit", "a classifier for a student from a few labelled segments"),
    "export": ("comodo.commands.export", "an ONNX graph of a student"),
    "splits": ("comodo.commands.splits", "which recordings train and which test"),
    "segments": ("comodo.commands.segments", "labelled segments from a column of labels"),
    "plan": ("comodo.commands.plan", "the experiments of a config and what each would cost"),
}
"""Name of a command → module with its `main(arguments) -> exit status`, and a line of help."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status.

    A `ComodoError` (data, config, disk or network at fault) becomes one line on stderr and status 1; with `--debug`
    before the command it keeps its traceback, as any other exception does. A command's module is imported when it is
    called, so help and errors come at once.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = given[:1] == ["--debug"]
    given = given[1:] if debug else given
    parser = argparse.ArgumentParser(prog="comodo", description=__doc__)
    parser.add_argument("--debug", action="store_true", help="show the traceback of every error")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, text) in COMMANDS.items():
        commands.add_parser(name, help=text, add_help=False)
    module, _ = COMMANDS[parser.parse_args(given[:1]).command]
    try:
        status: int = import_module(module).main(given[1:])
    except ComodoError as error:
        if debug:
            raise
        print(f"error: {inert(error)}", file=sys.stderr)
        return 1
    return status
