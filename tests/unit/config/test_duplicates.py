from __future__ import annotations

from pathlib import Path

import pytest

from comodo.config import ConfigError, load_config
from comodo.config.duplicates import check_duplicate_keys
from tests.support.project import ROOT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "a stands twice, in lines 1 and 3: keep one"),
        ("e:\n  x: { k: 1 }\n  y: 2\n  x: { k: 2 }\n", "e.x stands twice, in lines 2 and 4"),
        ("e: { x: { k: 1, k: 2 } }\n", "e.x.k stands twice, in lines 1 and 1"),
        ("e: [{ k: 1, 'k': 2 }]\n", "e.k stands twice"),
        ("1: a\n1: b\n", "1 stands twice"),
    ],
)
def test_keys_that_stand_twice(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match=f"mine.yaml: {message}"):
        check_duplicate_keys(tmp_path / "mine.yaml")
    with pytest.raises(ConfigError, match="stands twice"):
        load_config(tmp_path / "mine.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "e:\n  x: &run { k: 1 }\n  y: { <<: *run, k: 2 }\n  z: *run\n",
        "e:\n  x: &a { k: 1 }\n  y: &b { l: 1 }\n  z: { <<: *a, <<: *b }\n",
        "a: { k: 1 }\nb: { k: 1 }\n",
        "",
        "- 1\n",
        "no: [yaml\n",
    ],
)
def test_what_is_no_double_key(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    check_duplicate_keys(tmp_path / "mine.yaml")


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.name)
def test_configs_of_the_project(path: Path) -> None:
    check_duplicate_keys(path)
