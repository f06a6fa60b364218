"""Text from data (ids, labels, paths) for people: safe in terminals and spreadsheets.

Artefacts (parquet, HDF5, JSON) hold ids and labels as they are.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# Control characters but tab, line feed and carriage return, and those that turn the direction of writing. The one
# sequence that stays moves the cursor up: progress bars need it.
CONTROL = re.compile(
    "(?!\x1b\\[A)[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
NEWLINE = re.compile("[\t\r\n\u2028\u2029]")
# As some spreadsheets read it: full-width and small forms for ASCII (NFKC), other minus signs, no blanks before.
FORMULA = re.compile("[=+@\\-\u2212\u2795\u2796].", re.DOTALL)


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
    """A table for spreadsheets: control characters are shown, and what would be a formula begins with '.

    What a spreadsheet may take for one counts as a formula: also behind blanks and invisible characters, and with the
    full-width, small and raised forms of = + - @.
    """

    def cell(value: object) -> object:
        if not isinstance(value, str):
            return value
        return f"'{inert_line(value)}" if FORMULA.match(_bare(value)) else inert_line(value)

    return table.apply(lambda column: column if column.dtype.kind in "biufcmM" else column.map(cell))


def did_you_mean(value: str, known: Iterable[str]) -> str:
    """Name the known text nearest to `value`, as the end of a message; "" where none is near."""
    near = difflib.get_close_matches(value, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def first_few(texts: Sequence[str], most: int = 3) -> str:
    """Join the first of some texts, and say how many more there are."""
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def _bare(text: str) -> str:
    """Text in compatible forms (NFKC) without blanks, control and invisible characters at its beginning."""
    if text[:1].isascii() and text[:1].isalnum():
        return text
    first = next(
        (i for i, c in enumerate(text) if not c.isspace() and unicodedata.category(c)[0] not in "CMZ"), 0
    )
    return unicodedata.normalize("NFKC", text[first : first + 4])


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
