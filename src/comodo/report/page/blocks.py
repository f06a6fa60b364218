"""Building blocks of the page: sections of texts, tables and Plotly figures, as plain data."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pandas as pd

from comodo.text import inert_line

COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
"""Okabe and Ito's colours, which colour-blind people can distinguish."""
SYMBOLS: Final = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star")
LONGEST: Final = 40  # characters of a name in a figure


@dataclass(frozen=True)
class Table:
    """A table that can be sorted, filtered and downloaded.

    Attributes:
        name: identifier on the page, and name of the csv.
        title: heading.
        data: rows; numbers are shown with `digits` decimals.
        digits: decimals of floats.
        note: what the columns mean.
    """

    name: str
    title: str
    data: pd.DataFrame
    digits: int = 1
    note: str = ""


@dataclass(frozen=True)
class Figure:
    """A Plotly figure, with its data as a table behind it.

    Attributes:
        name: identifier on the page, and name of the csv.
        title: heading.
        traces: Plotly traces.
        layout: Plotly layout.
        table: the data of the figure.
        alt: what the figure shows, for screen readers.
        note: caption.
    """

    name: str
    title: str
    traces: Sequence[dict[str, Any]]
    layout: dict[str, Any]
    table: pd.DataFrame
    alt: str
    note: str = ""
    digits: int = 1


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes:
        name: identifier on the page.
        title: heading.
        texts: paragraphs.
        blocks: figures and tables.
        numbers: large numbers with what they mean: (number, meaning, detail).
        code: preformatted text by its title.
    """

    name: str
    title: str
    texts: Sequence[str] = ()
    blocks: Sequence[Table | Figure] = ()
    numbers: Sequence[tuple[str, str, str]] = ()
    code: dict[str, str] = field(default_factory=dict)


def label(text: object) -> str:
    """Return a text from config or data for a figure: short, without control characters, inert to Plotly's markup."""
    plain = inert_line(str(text))
    return html.escape(plain if len(plain) <= LONGEST else f"{plain[: LONGEST - 1]}…", quote=False)


def labels(texts: Sequence[object]) -> list[str]:
    """Return `label` of each text, made distinct: Plotly joins categories of the same name."""
    seen: dict[str, int] = {}
    shown = []
    for text in map(label, texts):
        seen[text] = seen.get(text, 0) + 1
        shown.append(text if seen[text] == 1 else f"{text} ({seen[text]})")
    return shown


def colour(number: int) -> str:
    """Return the colour of the series `number`."""
    return COLOURS[number % len(COLOURS)]


def symbol(number: int) -> str:
    """Return the marker of the series `number`."""
    return SYMBOLS[(number // len(COLOURS) + number) % len(SYMBOLS)]


def percent(values: pd.Series) -> pd.Series:
    """Return fractions in per cent."""
    return 100 * values
