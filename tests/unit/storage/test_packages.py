"""Artefacts record the versions of the packages that made them."""

from __future__ import annotations

import json
import logging
from importlib.metadata import version
from pathlib import Path

import h5py
import numpy as np
import pytest

from comodo.embeddings.store import merge_stores, open_store, write_store
from comodo.errors import StoreError
from comodo.storage.packages import NUMBERS, package_versions, version_differences
from tests.support.tables import window_table

PAIRS = window_table({"a": 2, "b": 2})


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    for name in ("a", "b"):
        own = PAIRS[PAIRS["recording"] == name].reset_index(drop=True)
        write_store(tmp_path / f"{name}.h5", own, 3, [np.ones((2, 3), np.float32)], {"teacher": "t"})
    return [tmp_path / "a.h5", tmp_path / "b.h5"]


def by_another_torch(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.attrs["packages"] = json.dumps(package_versions() | {"torch": "1.0"})


def test_versions_are_those_installed() -> None:
    assert package_versions()["numpy"] == version("numpy")
    assert "torch" in NUMBERS
    assert version_differences({"torch": "1", "numpy": "2"}, {"torch": "3", "numpy": "2"}) == "torch 1 and 3"
    assert version_differences({"torch": "1"}, {}) == ""  # of an older version: unknown


def test_shards_of_one_environment_merge_silently(
    shards: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    merge_stores(tmp_path / "all.h5", shards, PAIRS, strict=True)
    assert caplog.text == ""
    with open_store(tmp_path / "all.h5") as file:
        assert json.loads(file.attrs["packages"]) == package_versions()


def test_shards_of_two_environments_warn_and_are_refused_when_strict(
    shards: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    by_another_torch(shards[1])
    with caplog.at_level(logging.WARNING):
        merge_stores(tmp_path / "all.h5", shards, PAIRS)
    assert f"torch {version('torch')} and 1.0" in caplog.text
    with pytest.raises(StoreError, match=r"torch .* and 1\.0: their values may differ; .*strict: false"):
        merge_stores(tmp_path / "all.h5", shards, PAIRS, strict=True)
