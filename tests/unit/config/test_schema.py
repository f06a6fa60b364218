from __future__ import annotations

import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from comodo.config.schema import config_schema, schema_text
from tests.support.project import ROOT, tiny_config

CONFIGS = sorted((ROOT / "config").glob("*.yaml"))


LOCKED = re.search(r"^pydantic==(.*)$", (ROOT / "requirements.lock").read_text(), re.MULTILINE)


@pytest.mark.skipif(
    LOCKED is None or version("pydantic") != LOCKED[1], reason="another pydantic words a schema otherwise"
)
def test_the_file_matches_the_models() -> None:
    file = ROOT / "config/schema.json"
    assert file.read_text() == schema_text(), (
        "config/schema.json is behind src/comodo/config/: run `make docs`"
    )


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_config_names_and_fits_the_schema(path: Path) -> None:
    assert path.read_text().startswith("# yaml-language-server: $schema=schema.json\n")
    jsonschema.validate(yaml.safe_load(path.read_text()), config_schema())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"experimnts": {}}, "'experimnts' was unexpected"),
        ({"seeds": "42"}, "'42' is not of type 'array'"),
        ({"defaults": {"queue_sise": 4}}, "'queue_sise' was unexpected"),
        ({"experiments": {"e": {"queue_size": [16, "x"]}}}, "'x' is not of type 'integer'"),
    ],
)
def test_what_does_not_fit(change: dict[str, Any], message: str) -> None:
    with pytest.raises(jsonschema.ValidationError, match=message):
        jsonschema.validate({**json.loads(json.dumps(tiny_config())), **change}, config_schema())
