"""Every fault of a recording as markdown, from the lists in use: `make docs` writes them into docs/recordings.md."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from comodo.clips.reasons import REASONS
from comodo.notes import NOTES

BEGIN: Final = (
    "<!-- faults: written by `make docs`, from src/comodo/notes.py and src/comodo/clips/reasons.py -->"
)
PAGE: Final = Path("docs/recordings.md")


def faults_as_markdown() -> str:
    """Return one table: kind, what is found in a recording, what comodo does."""
    rows = ["| kind | found in a recording | effect |", "|---|---|---|"]
    rows += [f"| `{kind}` | {fault.found} | note: {fault.effect} |" for kind, fault in NOTES.items()]
    rows += [
        f"| `{reason}` | {meaning} | {_effect(reason)} |" for reason, meaning in REASONS.items() if reason
    ]
    return "\n".join(rows)


def _effect(reason: str) -> str:
    if reason in ("video_truncated", "video_damaged"):
        return "note; windows without whole video are dropped"
    windows = ("no_video", "video_gap", "imu_gap", "imu_starts_late", "imu_ends_early", "not_sampled")
    return "the window is dropped" if reason in windows else "the recording is dropped"


def rewrite(page: str) -> str:
    """Return the page with the table of today below its marker."""
    return page[: page.index(BEGIN)] + f"{BEGIN}\n\n{faults_as_markdown()}\n"


if __name__ == "__main__":
    PAGE.write_text(rewrite(PAGE.read_text()))
