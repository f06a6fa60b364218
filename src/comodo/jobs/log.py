"""Logging of workflow scripts: a log file, progress bars, and one line for an expected error."""

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
GRACE_S = 10.0  # time to remove incomplete files
END = signal.SIGUSR1  # not SIGINT, which background processes of a script ignore


class _Tee:
    """Text stream that writes to the rule's log and, unless `terminal` is None, to the terminal.

    Control characters are escaped. If the log cannot be written, the job continues.
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
    """Return the path of an optional Snakemake input, or None: it is a string, or an empty list if absent."""
    return Path(given) if isinstance(given, str) else next(map(Path, given), None)


def end_with(parent: int) -> None:
    """End this process soon after `parent` ends. An initializer of pool workers, which would otherwise wait forever."""
    threading.Thread(target=_end_with, args=(parent, threading.Event()), daemon=True).start()


def _end_with(parent: int, ended: threading.Event) -> None:
    """End this process soon after its parent is killed, because another Snakemake may start the same job."""
    while not ended.wait(PARENT_CHECK_S):
        if os.getppid() != parent:
            os.kill(os.getpid(), END)
            ended.wait(GRACE_S)
            os._exit(1)


@contextmanager
def job_log(path: str) -> Iterator[logging.Logger]:
    """Log messages, warnings and progress bars to `path` and to the terminal. Standard input is empty.

    A `ComodoError` means that data, config or disk are at fault. The terminal shows its message in one line, and the
    log has the traceback. For any other exception, both have the traceback. In both cases, the process ends with
    status 1. If the parent process is killed, this process ends as well.
    """
    terminal, answers = sys.stderr, os.dup(0)
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)  # so that a prompt of a library does not wait for input
    ended = threading.Event()
    signal.signal(END, signal.default_int_handler)
    threading.Thread(target=_end_with, args=(os.getppid(), ended), daemon=True).start()
    with io.FileIO(path, "w") as file:
        tee: TextIO = _Tee(terminal, file)  # type: ignore[assignment]
        sys.stderr = tee
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=tee, force=True)
        logging.captureWarnings(True)
        # matplotlib logs labels that look like numbers
        logging.getLogger("matplotlib").setLevel(logging.WARNING)
        try:
            yield logging.getLogger("comodo")
        except ComodoError as error:
            logging.basicConfig(level=logging.INFO, stream=_Tee(None, file), force=True)
            logging.exception("the job failed")
            terminal.write(f"\nerror: {inert(error)}\n\n")
            sys.exit(1)
        except Exception:
            logging.exception("the job failed with an unexpected error:")
            sys.exit(1)
        finally:
            ended.set()
            sys.stderr = terminal
            root = logging.getLogger()
            for handler in list(root.handlers):  # its file is closed now
                root.removeHandler(handler)
            os.dup2(answers, 0)
            os.close(answers)
