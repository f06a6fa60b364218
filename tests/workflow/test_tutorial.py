"""The tutorial docs/tutorial.md, from its files to the encoder, on real GoPro recordings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from comodo.storage.artefacts import open_hdf5
from tests.support.docs import code_blocks
from tests.support.project import ROOT

pytest.importorskip("telemetry_parser", reason="telemetry-parser has no wheel for this Python")
pytestmark = [pytest.mark.workflow, pytest.mark.realdata]
PAGE = "docs/tutorial.md"


@pytest.mark.slow
def test_every_block_runs(realdata: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but the download: the recordings are linked instead."""
    (tmp_path / "gopro").symlink_to((realdata / "gopro").resolve())
    (table,), (config,) = code_blocks(PAGE, "csv"), code_blocks(PAGE, "yaml")
    title, _, rows = table.partition("\n")
    assert title == "# gopro.csv"
    (tmp_path / "gopro.csv").write_text(rows)
    (tmp_path / "gopro.yaml").write_text(config)
    monkeypatch.chdir(tmp_path)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    download, *blocks = code_blocks(PAGE, "sh")
    assert "curl" in download
    for block in blocks:
        script = block.replace("~/comodo/Snakefile", str(ROOT / "Snakefile"))
        command = ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(
            command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    names: dict[str, np.ndarray] = {}
    (block,) = code_blocks(PAGE, "python")
    exec(block, names)
    with open_hdf5(Path("features.h5")) as file:
        feature = file["feature"][:]
    # Rounding depends on the number of threads: `comodo embed` uses all cores, this process what earlier tests left.
    np.testing.assert_allclose(names["features"], feature, rtol=1e-4, atol=1e-5)
