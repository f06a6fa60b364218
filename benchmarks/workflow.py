"""Overhead of the workflow: Snakemake's own time, and the start of a job."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from benchmarks.measure import Bench, Row, absolute, seconds

ROOT = Path(__file__).parents[1]
# train, val, test recordings and classes, as published
SIZES = {
    "ego4d": (1110, 162, 316, 31),
    "egoexo4d": (3495, 501, 998, 8),
    "uestc": (4553, 653, 1316, 32),
}
TINY = {
    "train_subjects": 2,
    "val_subjects": 1,
    "test_subjects": 1,
    "activities": 2,
    "duration_s": 10,
    "size": 32,
}
TINY_TEACHER = {"image_size": 32, "patch_size": 16, "num_frames": 4, "tubelet_size": 2, "hidden_size": 32}
TINY_TEACHER |= {
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "use_mean_pooling": True,
}
TINY_STUDENT = {"seq_len": 64, "num_patches": 8, "hidden_dim": 16, "transf_depth": 1, "transf_num_heads": 2}
TINY_STUDENT |= {"transf_mlp_dim": 32, "transf_dim_head": 8}


def snakemake(config: Path, folder: Path, *arguments: str, cores: int = 2) -> str:
    """Run the repository's Snakefile in `folder`; return its output."""
    command = command_of(config, folder, *arguments, cores=cores)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout[-3000:] + done.stderr[-6000:])
    return done.stdout + done.stderr


def command_of(config: Path, folder: Path, *arguments: str, cores: int = 2) -> list[str]:
    """The command that runs the repository's Snakefile in `folder`."""
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        str(ROOT / "Snakefile"),
        "--cores",
        str(cores),
    ]
    return [*command, "--directory", str(folder), "--configfile", str(config), *arguments]


def noop(bench: Bench) -> list[Row]:
    """`snakemake` where everything is up to date, less `snakemake --version`."""
    version = [sys.executable, "-m", "snakemake", "--version"]
    rows = []
    for what, config, ceiling in (
        ("demo", _demo(bench.folder / "demo"), 3.0),
        ("all three data sets, 13,104 recordings", _full_size(bench.folder / "full"), 10.0),
    ):
        folder = config.parent
        pretend(config, folder)
        above, starts = [], []
        for _ in range(bench.repeats):
            starts.append(seconds(lambda: subprocess.run(version, check=True, capture_output=True)))
            above.append(seconds(lambda config=config, folder=folder: snakemake(config, folder)) - starts[-1])
        if "Nothing to be done" not in (output := snakemake(config, folder)):
            raise RuntimeError(f"not a no-op: {output[-2000:]}")
        row = absolute(
            f"no-op snakemake, {what}: above its start-up",
            above,
            "s",
            ceiling,
            "`snakemake --version`",
            sorted(starts)[len(starts) // 2],
        )
        rows.append(row)
    rows[1].rates = {"noop_s_per_recording": rows[1].ours / 13104}
    return rows


def pretend(config: Path, folder: Path) -> None:
    """Let every output of a workflow exist, empty, and Snakemake believe that it made them."""
    table = snakemake(config, folder, "--summary", "--quiet").splitlines()
    outputs = [line.split("\t")[0] for line in table if line.startswith(("results/", "dataset/"))]
    for output in outputs:
        path = folder / output
        if path.suffix:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        else:
            path.mkdir(parents=True, exist_ok=True)
    for marker in folder.glob("results/*/simulated.json"):
        marker.write_text(json.dumps({"settings": {}, "files": []}))
    snakemake(config, folder, "--touch", "--quiet")


def _demo(folder: Path) -> Path:
    folder.mkdir(parents=True)
    config = folder / "config.yaml"
    config.write_text((ROOT / "config/config.yaml").read_text())
    return config


def _full_size(folder: Path) -> Path:
    """Trees of empty files as the three releases have them, and the repository's three configs in one."""
    merged: dict[str, Any] = {}
    for layout, (*sizes, classes) in SIZES.items():
        root = folder / "raw" / layout
        empty_release(layout, root, sizes, classes)
        chosen = yaml.safe_load((ROOT / f"config/{layout}.yaml").read_text())
        chosen["datasets"][layout] |= {"root": str(root), "splits": str(root / "splits")}
        defaults = chosen.pop("defaults")
        chosen["experiments"] = {name: defaults | own for name, own in chosen["experiments"].items()}
        for block, content in chosen.items():
            merged[block] = merged.get(block, {}) | content
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(merged))
    return config


def empty_release(layout: str, root: Path, sizes: Sequence[int], classes: int) -> None:
    """Write a tree of empty files as a release has them: `sizes` recordings of train, val and test, and split files."""
    from comodo.config import SPLITS

    numbers, takes = count(), []
    (root / "splits").mkdir(parents=True)
    for split, size in zip(SPLITS, sizes, strict=True):
        lines = []
        for number in islice(numbers, size):
            label = number % classes
            name = f"{number:08x}-0000-4000-8000-000000000000"
            lines.append(f"{name}\tscenario {label}")
            if layout == "uestc":
                name = f"{label + 1}_activity/{label + 1}_activity_{number}"
                lines[-1] = f"data/{name} 423 423 {label}"
                files = [f"video/{name}.mp4", f"sensor/{name}.csv"]
            elif layout == "egoexo4d":
                take = f"takes/{name}"
                video = "frame_aligned_videos/downscaled/448/aria01_214-1.mp4"
                files = [f"{take}/{video}", f"{take}/aria01_noimagestreams.vrs"]
                takes.append({"take_name": name, "root_dir": take, "vrs_relative_path": "aria01.vrs"})
            else:
                files = [f"full_scale/{name}.mp4", f"imu/{name}.csv"]
            for file in files:
                (root / file).parent.mkdir(parents=True, exist_ok=True)
                (root / file).touch()
        (root / "splits" / f"{split}.txt").write_text("\n".join(lines) + "\n")
    if takes:
        (root / "takes.json").write_text(json.dumps(takes))


KINDS = {
    "encode_video": "transformers",
    "make_teacher": "transformers",
    "distill": "torch",
    "extract_features": "torch",
}
CEILINGS = {"": 1.5, "torch": 3.0, "transformers": 7.0}


def jobs(bench: Bench) -> list[Row]:
    """Whole jobs with next to nothing to do, in the real workflow: what start and imports cost them, and a bit more."""
    work = bench.folder / "tiny"
    work.mkdir()
    tiny: dict[str, Any] = {
        "datasets": {
            "tiny": {
                "layout": "ego4d",
                "root": "dataset/tiny",
                "simulate": TINY,
                "shards": 1,
                "video": {"size": 32},
            }
        },
        "teachers": {"tiny": {"architecture": "videomae", "architecture_config": TINY_TEACHER}},
        "students": {"tiny": {"architecture": "mantis", "architecture_config": TINY_STUDENT}},
        "defaults": {
            "dataset": "tiny",
            "teacher": "tiny",
            "student": "tiny",
            "queue_size": 2,
            "batch_size": 4,
        },
        "experiments": {"comodo": {"epochs": 1, "projection_hidden": 16, "projection_dim": 8}},
        "evaluation": {"labels_per_class": [1], "label_draws": 1},
    }
    config = work / "config.yaml"
    config.write_text(yaml.safe_dump(tiny))
    took: dict[str, list[float]] = {}
    imports: dict[str, list[float]] = {kind: [] for kind in CEILINGS}
    for repeat in range(bench.repeats + 1):
        snakemake(config, work, "--forceall", "--quiet", cores=1)
        for kind, own in imports.items():
            code = f"import {kind}" if kind else ""
            own.append(seconds(lambda code=code: subprocess.run([sys.executable, "-c", code], check=True)))
        if repeat == 0:
            continue  # cold disk
        for table in sorted((work / "results/benchmarks").rglob("*.tsv")):
            rule = table.relative_to(work / "results/benchmarks").parts[0].removesuffix(".tsv")
            took.setdefault(rule, []).append(float(pd.read_csv(table, sep="\t")["s"].iloc[0]))
    rows = []
    for rule, values in sorted(took.items(), key=lambda item: sorted(item[1])[len(item[1]) // 2]):
        if rule == "simulate":
            continue  # renders, and so works
        kind = KINDS.get(rule, "")
        alone = sorted(imports[kind][1:])[bench.repeats // 2]
        rows.append(
            absolute(
                f"job {rule}",
                values,
                "s",
                CEILINGS[kind],
                f"python, import {kind}" if kind else "python",
                alone,
            )
        )
    return rows
