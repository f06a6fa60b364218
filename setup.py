"""Put a copy of the workflow into the wheel, as comodo/_repository/; all other settings are in pyproject.toml."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
SHIPPED = [
    "Snakefile",
    "workflow",
    "config",
    "profiles",
    "results/published",
]  # MANIFEST.in: the same, for the sdist


class BuildWithWorkflow(build_py):
    """Build the package with what `comodo.commands.workflow.repository` finds in a checkout."""

    def run(self) -> None:
        """Build, then copy; an editable installation has the checkout beside it."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, "comodo", "_repository")
        shutil.rmtree(target, ignore_errors=True)  # of an earlier build
        for name in SHIPPED:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(ROOT / name, target / name)


setup(cmdclass={"build_py": BuildWithWorkflow})
