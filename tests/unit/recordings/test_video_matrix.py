"""The table of containers, codecs and faults in docs/video.md is what extraction does."""

from __future__ import annotations

import pytest

from tests.support.video_matrix import KINDS, PAGE, Kind, row


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.container} {kind.codec}")
def test_the_docs_say_what_happens(kind: Kind) -> None:
    found = row(kind)
    assert "WRONG" not in found
    assert found in PAGE.read_text().splitlines()
