from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from comodo import config
from comodo.schema import BLOCKS, rewrite


def test_page_matches_the_models() -> None:
    page = (Path(__file__).parents[2] / "config" / "README.md").read_text()
    assert page == rewrite(page), "config/README.md is behind src/comodo/config.py: run `make docs`"


def test_every_block_is_documented() -> None:
    public = {
        block
        for name, block in vars(config).items()
        if isinstance(block, type) and issubclass(block, BaseModel) and block.__module__ == config.__name__
        if not name.startswith("_") and name != "ModelSettings"  # the common part of teachers and students
    }
    assert set(BLOCKS.values()) == public
