"""Write sections as one self-contained HTML page: Jinja2 templates, Plotly's JavaScript inlined."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from comodo.report.page.blocks import Figure, Section, Table
from comodo.storage.files import atomic
from comodo.storage.regular import read_text
from comodo.text import for_people, inert_line

TEMPLATES: Final = Path(__file__).parent / "templates"
FILTERED: Final = 8  # rows from which a table can be filtered
LEGEND_ROW: Final = 24  # pixels
LEGEND_COLUMNS: Final = 3


def write_page(target: Path, title: str, sections: Sequence[Section], environment: Mapping[str, Any]) -> None:
    """Write the page.

    The page requests nothing from outside. It is the same for the same sections, except for `environment`, which is in
    the JSON block `environment`.

    Args:
        target: the HTML file.
        title: title of the page.
        sections: of the page, in their order.
        environment: `about` (texts by name) and `rules` (rows of a table): what differs each time.
    """
    from plotly.offline import get_plotlyjs

    blocks = [block for section in sections for block in section.blocks]
    ids = {id(block): f"b{number}" for number, block in enumerate(blocks)}
    figures = {ids[id(block)]: plot_of(block) for block in blocks if isinstance(block, Figure)}
    files = {ids[id(block)]: {"name": block.name, "csv": csv_of(block)} for block in blocks}
    page = (
        _environment()
        .get_template("page.html.jinja")
        .render(
            title=inert_line(title),
            sections=sections,
            id_of=lambda block: ids[id(block)],
            table_of=table_of,
            is_figure=lambda block: isinstance(block, Figure),
            filtered=FILTERED,
            figures=figures,
            files=files,
            environment=_finite(environment),
            plotly=Markup(get_plotlyjs()),
            css=Markup(read_text(TEMPLATES / "page.css")),
            js=Markup(read_text(TEMPLATES / "page.js")),
        )
    )
    with atomic(target) as partial:
        partial.write_text(page, encoding="utf-8")


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def plot_of(figure: Figure) -> dict[str, Any]:
    """Return traces and layout of a figure as JSON can hold them, with room for the legend below."""
    named = [trace for trace in figure.traces if trace.get("showlegend", True) and "name" in trace]
    shown = len(named) > 1 and figure.layout.get("showlegend", True)
    extra = LEGEND_ROW * math.ceil(len(named) / LEGEND_COLUMNS) if shown else 0
    layout = {
        "margin": {"l": 70, "r": 20, "t": 50, "b": 60 + extra},
        "legend": {"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom"},
        "hoverlabel": {"namelength": -1},
        **figure.layout,
        "height": figure.layout["height"] + extra,
        "showlegend": shown,
    }
    plain: dict[str, Any] = _finite({"data": list(figure.traces), "layout": layout})
    return plain


def table_of(block: Table | Figure) -> dict[str, Any]:
    """Return columns and rows of a block; each cell is a text and the value to sort by (None: the text)."""
    data = block.data if isinstance(block, Table) else block.table
    numeric = [
        pd.api.types.is_numeric_dtype(data[name]) and not pd.api.types.is_bool_dtype(data[name])
        for name in data
    ]
    rows = [
        [_cell(value, number, block.digits) for value, number in zip(row, numeric, strict=True)]
        for row in data.itertuples(index=False, name=None)
    ]
    return {
        "columns": [(inert_line(str(name)), number) for name, number in zip(data, numeric, strict=True)],
        "rows": rows,
    }


def _cell(value: object, numeric: bool, digits: int) -> tuple[str, float | None]:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return "", None
    if numeric and isinstance(value, (int, float)):
        return f"{value:.{digits}f}" if isinstance(value, float) else str(value), float(value)
    return inert_line(str(value)), None


def csv_of(block: Table | Figure) -> str:
    """Return the data of a block as csv, safe to open in a spreadsheet."""
    data = block.data if isinstance(block, Table) else block.table
    text: str = for_people(data).to_csv(index=False, float_format="%.6g")
    return text


def _finite(value: Any) -> Any:
    """Return plain data for JSON, with None in place of NaN and infinity."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
