"""What every workflow script does around its one call: a log file, progress, one line for an expected error."""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from comodo.errors import ComodoError
from comodo.text import inert

PARENT_CHECK_S = 1.0
GRACE_S = 10.0  # for removing unfinished files
END = signal.SIGUSR1  # not SIGINT: what a script runs in the background ignores it


class _Tee:
    """A text stream that writes to the terminal (or not) and to the rule's log; control characters are escaped.

    A log that cannot be written must not end a job.
    """

    def __init__(self, terminal: TextIO | None, log: io.FileIO) -> None:
        self.terminal, self.log = terminal, log

    def write(self, text: str) -> int:
        shown = inert(text)
        if self.terminal:
            self.terminal.write(shown)
        with suppress(OSError):
            self.log.write(shown.encode())
        return len(text)

    def flush(self) -> None:
        if self.terminal:
            self.terminal.flush()

    def isatty(self) -> bool:
        return bool(self.terminal and self.terminal.isatty())


def optional_path(given: str | Sequence[str]) -> Path | None:
    """The path of an optional input, which Snakemake gives as a text, or as an empty list without one."""
    return Path(given) if isinstance(given, str) else next(map(Path, given), None)


def end_with(parent: int) -> None:
    """End this process soon after `parent` ended: the initializer of a pool's workers, which would wait forever."""
    threading.Thread(target=_end_with, args=(parent, threading.Event()), daemon=True).start()


def _end_with(parent: int, ended: threading.Event) -> None:
    """End this process soon after its parent was killed: a second Snakemake may start the same job at any time."""
    while not ended.wait(PARENT_CHECK_S):
        if os.getppid() != parent:
            os.kill(os.getpid(), END)
            ended.wait(GRACE_S)
            os._exit(1)


@contextmanager
def job_log(path: str) -> Iterator[logging.Logger]:
    """Log to `path` and to the terminal: logging, warnings, progress bars. Standard input is empty within.

    A `ComodoError` says that data, config or disk are at fault: the terminal gets its one line, the log the traceback,
    and the process ends with status 1. Any other exception shows its traceback in both. When the process that started
    this one is killed, this one ends as well.
    """
    terminal, answers = sys.stderr, os.dup(0)
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)  # a library that prompts on the terminal gets no answer
    ended = threading.Event()
    signal.signal(END, signal.default_int_handler)
    threading.Thread(target=_end_with, args=(os.getppid(), ended), daemon=True).start()
    with io.FileIO(path, "w") as file:
        tee: TextIO = _Tee(terminal, file)  # type: ignore[assignment]
        sys.stderr = tee
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=tee, force=True)
        logging.captureWarnings(True)
        # matplotlib remarks on labels that look like numbers
        logging.getLogger("matplotlib").setLevel(logging.WARNING)
        try:
            yield logging.getLogger("comodo")
        except ComodoError as error:
            logging.basicConfig(level=logging.INFO, stream=_Tee(None, file), force=True)
            logging.exception("the job failed")
            terminal.write(f"\nerror: {inert(error)}\n\n")
            sys.exit(1)
        except Exception:
            logging.exception("the job failed by an error that comodo did not expect:")
            sys.exit(1)
        finally:
            ended.set()
            sys.stderr = terminal
            os.dup2(answers, 0)
            os.close(answers)
