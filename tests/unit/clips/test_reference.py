"""The page of what can be wrong with a recording."""

from __future__ import annotations

from comodo.clips.reference import PAGE, rewrite
from tests.support.project import ROOT


def test_the_page_lists_the_kinds_in_use() -> None:
    page = (ROOT / PAGE).read_text()
    assert page == rewrite(page), f"{PAGE} is behind src/comodo: run `make docs`"
