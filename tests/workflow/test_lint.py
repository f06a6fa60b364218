"""Snakemake's own linter finds nothing, but for one wish that is not ours."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.support.project import ROOT, SNAKEMAKE

pytestmark = pytest.mark.workflow
# environment.yml is made once, by hand: momentfm and others must be installed apart, which `--sdm conda` cannot do
EXPECTED = "Specify a conda environment or container for each rule."


def test_snakemake_lint() -> None:
    done = subprocess.run([SNAKEMAKE, "--lint"], cwd=ROOT, capture_output=True, text=True, check=False)
    titles = set(re.findall(r"^    \* (.*):$", done.stdout + done.stderr, re.MULTILINE))
    assert titles == {EXPECTED}
