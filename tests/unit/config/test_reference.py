from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from comodo import config
from comodo.config.reference import BLOCKS, rewrite


def test_page_matches_the_models() -> None:
    page = (Path(__file__).parents[3] / "docs" / "config.md").read_text()
    assert page == rewrite(page), "docs/config.md is behind src/comodo/config/: run `make docs`"


def test_every_block_is_documented() -> None:
    public = {
        block
        for name, block in vars(config).items()
        if isinstance(block, type)
        and issubclass(block, BaseModel)
        and name != "ModelSettings"  # the common part of teachers and students
    }
    assert set(BLOCKS.values()) == public
