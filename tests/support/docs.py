"""Code blocks of the documentation, for the tests that run them."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.project import ROOT


def code_blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a page of the repository, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


def write_files(page: str, folder: Path) -> list[Path]:
    """Write the Python blocks of a page that begin with `# <file name>` into a folder."""
    written = []
    for block in code_blocks(page, "python"):
        if named := re.match(r"# ([\w/]+\.py)\n", block):
            path = folder / named[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block)
            written.append(path)
    return written
