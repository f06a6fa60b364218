"""All three data sets at their full size, as trees of empty files: listing them opens none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from comodo.config import SPLITS, DatasetSettings
from comodo.layouts.opening import open_layout
from comodo.layouts.types import Recording
from comodo.recordings.raw_files import fingerprint
from tests.support.writers import take, write_splits, write_takes

SIZES = {"ego4d": (1110, 162, 316), "egoexo4d": (3495, 501, 998), "uestc": (4553, 653, 1316)}
CLASSES = {"ego4d": 31, "egoexo4d": 8, "uestc": 32}


def synthetic_splits(layout: str) -> dict[str, list[str]]:
    """Split files in the published format and size, with made-up names."""
    numbers = iter(range(10**6))
    lines: dict[str, list[str]] = {}
    for split, size in zip(SPLITS, SIZES[layout], strict=True):
        lines[split] = []
        for number in (next(numbers) for _ in range(size)):
            label = number % CLASSES[layout]
            if layout == "ego4d":
                lines[split].append(f"{number:08x}-0000-4000-8000-000000000000\tscenario {label}")
            elif layout == "egoexo4d":
                lines[split].append(f"place_task_{number // 20:03d}_{number % 20}\tactivity {label}")
            else:
                folder = f"{label + 1}_activity"
                lines[split].append(f"yourdataset_path/data/{folder}/{folder}_{number} 423 423 {label}")
    return lines


def write_empty_release(layout: str, root: Path) -> DatasetSettings:
    """A tree of empty files, one video and one IMU per recording."""
    splits = synthetic_splits(layout)
    write_splits(root / "splits", splits)
    if layout == "egoexo4d":
        names = [line.partition("\t")[0] for lines in splits.values() for line in lines]
        write_takes(root, [take(name, "aria02", name.rpartition("_")[0]) for name in names])
    settings = DatasetSettings(layout=layout, root=str(root))  # type: ignore[arg-type]
    for path in _files(open_layout("x", settings).recordings()):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return settings


def _files(recordings: list[Recording]) -> Iterator[Path]:
    for recording in recordings:
        yield from (recording.video, recording.imu)


@pytest.mark.parametrize("layout", SIZES)
def test_a_release_is_listed_whole(layout: str, tmp_path: Path) -> None:
    settings = write_empty_release(layout, tmp_path)
    found = open_layout("x", settings).recordings()
    counts = tuple(sum(r.split == split for r in found) for split in SPLITS)
    assert counts == SIZES[layout]
    assert len({r.id for r in found}) == len(found)
    assert len({r.label for r in found}) == CLASSES[layout]
    assert len({*_files(found)}) == 2 * len(found)
    assert all(os.path.isfile(path) for path in _files(found))
    before = fingerprint(found)
    assert fingerprint(open_layout("x", settings).recordings()) == before
    found[-1].imu.write_text("x")
    assert fingerprint(found) != before
