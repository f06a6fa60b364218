"""What every workflow script does around its one call: a log file, progress, one line for an expected error."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


class _Tee:
    """A text stream that writes to several (the terminal and the rule's log)."""

    def __init__(self, *streams: TextIO) -> None:
        self.streams = streams

    def write(self, text: str) -> int:
        for stream in self.streams:
            stream.write(text)
        return len(text)

    def flush(self) -> None:
        for stream in self.streams:
            stream.flush()

    def isatty(self) -> bool:
        return self.streams[0].isatty()


@contextmanager
def job_log(path: str) -> Iterator[logging.Logger]:
    """Log to `path` and to the terminal: logging, warnings, progress bars.

    A `ValueError` or `OSError` is what this package raises where data, config or disk are at fault: the terminal gets
    its one line, the log the traceback, and the process ends with status 1. Anything else is a bug and stays loud.
    """
    terminal = sys.stderr
    with open(path, "w", buffering=1) as file:
        tee: TextIO = _Tee(terminal, file)  # type: ignore[assignment]
        sys.stderr = tee
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=tee, force=True)
        logging.captureWarnings(True)
        try:
            yield logging.getLogger("comodo")
        except (ValueError, OSError) as error:
            logging.basicConfig(level=logging.INFO, stream=file, force=True)
            logging.exception("the job failed")
            terminal.write(f"\nerror: {error}\n\n")
            sys.exit(1)
        finally:
            sys.stderr = terminal
