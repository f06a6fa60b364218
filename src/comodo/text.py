"""Text from data (ids, labels, paths) that people will see: no terminal and no spreadsheet takes it for a command.

Artefacts (parquet, HDF5, JSON) hold ids and labels as they are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# Control characters but tab, line feed and carriage return, and those that turn the direction of writing. The one
# sequence that stays moves the cursor up: progress bars need it.
CONTROL = re.compile(
    "(?!\x1b\\[A)[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
NEWLINE = re.compile("[\t\r\n\u2028\u2029]")
FORMULA = re.compile("[=+@-].")


def inert(text: object) -> str:
    """Show control characters as `\\x1b`."""
    return CONTROL.sub(_escape, str(text))


def inert_line(text: object) -> str:
    """Show control characters and the ends of lines as `\\x1b` and `\\x0a`."""
    return NEWLINE.sub(_escape, CONTROL.sub(_escape, str(text).replace("\x1b", "\\x1b")))


def printable(text: object) -> str:
    """Show everything that is no plain printable character as `\\x0a`: the text ends no line, in no format."""
    return "".join(c if c.isprintable() else _escaped(c) for c in str(text))


def for_people(table: pd.DataFrame) -> pd.DataFrame:
    """A table for spreadsheets: control characters are shown, and what would be a formula begins with '."""

    def cell(value: object) -> object:
        if not isinstance(value, str):
            return value
        text = inert_line(value)
        return f"'{text}" if FORMULA.match(text) else text

    return table.apply(lambda column: column.map(cell) if column.dtype == object else column)


def first_line(error: object) -> str:
    """The first line of an error's message; its kind where it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _escape(match: re.Match[str]) -> str:
    return _escaped(match[0])


def _escaped(character: str) -> str:
    code = ord(character)
    if code < 0x10000:
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    return f"\\U{code:08x}"
