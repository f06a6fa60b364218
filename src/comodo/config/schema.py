"""The JSON schema of a config file, for editors: `make docs` writes it to config/schema.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from comodo.config.experiments import SWEPT
from comodo.config.root import Config


def config_schema() -> dict[str, Any]:
    """Return the schema of config files: experiments may omit keys that `defaults` give, and may be sweeps."""
    schema = Config.model_json_schema()
    experiment = schema["$defs"]["ExperimentSettings"]
    experiment.pop("required", None)
    for key, values in experiment["properties"].items():
        if key in SWEPT:
            about = {word: values.pop(word) for word in ("title", "description", "default") if word in values}
            experiment["properties"][key] = {**about, "anyOf": [values, {"type": "array", "items": values}]}
    given = schema["properties"]["defaults"]
    schema["properties"]["defaults"] = {
        "$ref": "#/$defs/ExperimentSettings",
        "description": given["description"],
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A config of comodo",
        **schema,
    }


def schema_text() -> str:
    """Return the content of config/schema.json."""
    return json.dumps(config_schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path("config/schema.json").write_text(schema_text())
