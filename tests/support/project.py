"""The real Snakefile on small data: a config whose chain runs in a minute, and a folder to run it in."""

from __future__ import annotations

import copy
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
SNAKEMAKE = shutil.which("snakemake") or "snakemake"

TEACHER = {
    "architecture": "videomae",
    "architecture_config": {
        "image_size": 32,
        "patch_size": 16,
        "num_frames": 4,
        "tubelet_size": 2,
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "use_mean_pooling": True,
    },
}
STUDENT = {
    "architecture": "mantis",
    "architecture_config": {
        "seq_len": 64,
        "num_patches": 8,
        "hidden_dim": 16,
        "transf_depth": 1,
        "transf_num_heads": 2,
        "transf_mlp_dim": 32,
        "transf_dim_head": 8,
    },
}
WORLD = {
    "train_subjects": 3,
    "val_subjects": 1,
    "test_subjects": 1,
    "activities": 3,
    "duration_s": 15,
    "fps": 10,
    "size": 32,
}


def tiny_config() -> dict[str, Any]:
    """A config whose whole chain runs in a minute; the caller may change all of it."""
    return copy.deepcopy(
        {
            "datasets": {
                "tiny": {
                    "layout": "ego4d",
                    "root": "dataset/tiny",
                    "simulate": WORLD,
                    "shards": 2,
                    "video": {"size": 32},
                    "sync": "off",  # tests/workflow/test_sync.py
                }
            },
            "teachers": {"small": TEACHER},
            "students": {"small": STUDENT},
            "defaults": {
                "dataset": "tiny",
                "teacher": "small",
                "student": "small",
                "queue_size": 8,
                "epochs": 2,
                "batch_size": 8,
                "projection_hidden": 32,
                "projection_dim": 16,
            },
            "experiments": {"frozen": {"objective": "none"}, "comodo": {}},
        }
    )


@dataclass
class Project:
    """A working folder for the Snakefile."""

    folder: Path

    def snakemake(
        self, config: dict[str, Any], *arguments: str, timeout: int = 600
    ) -> subprocess.CompletedProcess[str]:
        """Run Snakemake with a config."""
        return subprocess.run(
            self.command(config, *arguments),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            cwd=self.folder,
        )

    def command(self, config: dict[str, Any], *arguments: str) -> list[str]:
        """The command that runs Snakemake with a config, which is written into the folder.

        Each process of pytest-xdist has its own file there: they share the finished project.
        """
        path = self.folder / os.environ.get("PYTEST_XDIST_WORKER", "") / "config.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(config))
        command = [SNAKEMAKE, "--snakefile", str(ROOT / "Snakefile"), "--directory", str(self.folder)]
        return [*command, "--configfile", str(path), "--cores", "2", *arguments]

    def run(self, config: dict[str, Any], *arguments: str) -> None:
        """Run to the end, or show why not."""
        done = self.snakemake(config, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr

    def plan(self, config: dict[str, Any], *arguments: str) -> dict[str, int]:
        """How many jobs of each rule a dry run lists."""
        done = self.snakemake(config, "--dry-run", *arguments)
        output = done.stdout + done.stderr
        assert done.returncode == 0, output
        if "Nothing to be done" in output:
            return {}
        table = output.split("Job stats:")[1].split("total")[0]
        jobs = {name: int(count) for name, count in re.findall(r"^(\w+)\s+(\d+)$", table, re.MULTILINE)}
        return {name: count for name, count in jobs.items() if name != "all"}
