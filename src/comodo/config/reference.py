"""Every config key as markdown, from the pydantic models: `make docs` writes them into docs/config.md."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any, Final

from pydantic_core import PydanticUndefined

from comodo import config
from comodo.config.block import Block

TYPES: Final = {
    "array": "list",
    "boolean": "`true`, `false`",
    "integer": "whole number",
    "null": "",
    "number": "number",
    "string": "text",
}
BEGIN: Final = "<!-- keys: written by `make docs`, from src/comodo/config/ -->"
BLOCKS: Final[dict[str, type[Block]]] = {
    "The top level": config.Config,
    "datasets.&lt;name&gt;": config.DatasetSettings,
    "datasets.&lt;name&gt;.splits": config.FoldSettings,
    "datasets.&lt;name&gt;.video": config.VideoSettings,
    "datasets.&lt;name&gt;.imu": config.ImuSettings,
    "datasets.&lt;name&gt;.imu.csv": config.ImuCsvColumns,
    "datasets.&lt;name&gt;.simulate": config.SimulateSettings,
    "teachers.&lt;name&gt;": config.TeacherSettings,
    "teachers.&lt;name&gt;.pretraining": config.PretrainingSettings,
    "students.&lt;name&gt;": config.StudentSettings,
    "experiments.&lt;name&gt;": config.ExperimentSettings,
    "evaluation": config.EvaluationSettings,
}


def keys_as_markdown() -> str:
    """One table per block: key, default, allowed values, description."""
    parts = []
    for title, block in BLOCKS.items():
        properties = block.model_json_schema()["properties"]
        text = inspect.cleandoc(block.__doc__ or "")  # Python 3.13 does so itself
        parts.append(f"### {title}\n\n{text}\n\n| key | default | values | meaning |\n|---|---|---|---|")
        for key, field in block.written_keys().items():
            values = _values(properties[key]).replace("|", "\\|")
            parts.append(f"| `{key}` | {_default(field)} | {values} | {field.description} |")
        parts.append("")
    return "\n".join(parts)


def _default(field: Any) -> str:
    if field.default_factory is not None:
        return "see below" if field.default_factory is not dict else ""
    if field.default is PydanticUndefined:
        return "**required**"
    return "" if field.default is None else f"`{json.dumps(field.default)}`"


def _values(schema: dict[str, Any]) -> str:
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(text for text in map(_values, choices) if text)
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    limits = [("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤")]
    bounds = [f"{sign} {schema[key]:g}" for key, sign in limits if key in schema]
    kind = TYPES.get(schema.get("type", ""), "block")
    return f"{kind} {' and '.join(bounds)}".strip()


def rewrite(page: str) -> str:
    """The page with everything after the marker made anew."""
    return page.split(BEGIN)[0] + BEGIN + "\n\n" + keys_as_markdown()


if __name__ == "__main__":
    path = Path("docs/config.md")
    path.write_text(rewrite(path.read_text()))
