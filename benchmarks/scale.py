"""Very many recordings, very many clips: what time and memory grow with."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from benchmarks.measure import Bench, Row, Skipped, absolute, compare
from benchmarks.training import BATCH, SMALL_MANTIS, imu_shard
from benchmarks.workflow import ROOT, command_of, empty_release

RECORDINGS, SHARDS = (80_000, 10_000, 10_000), 1000
CLIPS, WIDTH, TRAINED_S = 1_000_000, 768, 120


def recordings(bench: Bench) -> list[Row]:
    """Index and dry run of 100,000 recordings in 1,000 shards."""
    root = bench.folder / "raw"
    empty_release("ego4d", root, RECORDINGS, classes=30)
    chosen: dict[str, Any] = yaml.safe_load((ROOT / "config/ego4d.yaml").read_text())
    chosen["datasets"]["ego4d"] |= {"root": str(root), "splits": str(root / "splits"), "shards": SHARDS}
    config = bench.folder / "config.yaml"
    config.write_text(yaml.safe_dump(chosen))
    rows = []
    for what, arguments in (
        ("dry run of everything", ["--dry-run", "--quiet"]),
        ("index_recordings", ["--quiet", "--", "results/ego4d/recordings.parquet"]),
    ):
        took, peak = measured(command_of(config, bench.folder, *arguments))
        note = f"peak {peak:.2f} GB"
        rows.append(absolute(f"{what}, 100,000 recordings in 1,000 shards", [took], "s", None, note=note))
    return rows


def clips(bench: Bench) -> list[Row]:
    """A store of a million embeddings built by shards, merged and trained on: peak memory against a tenth of it."""
    if shutil.disk_usage(bench.folder).free < 12e9:
        raise Skipped("this needs 12 GB of disk")
    peaks: dict[str, list[float]] = {"build a shard": [], "merge": [], "train": []}
    took: dict[str, float] = {}
    for n_clips in (CLIPS, CLIPS // 10):
        for stage, values in peaks.items():
            code = f"from benchmarks.scale import STAGES; STAGES[{stage!r}]({n_clips}, {str(bench.folder)!r})"
            seconds, peak = measured([sys.executable, "-c", code])
            values.append(peak)
            took.setdefault(stage, seconds)
        shutil.rmtree(bench.folder / str(n_clips))
    return [
        compare(
            f"peak memory, {stage}, 1 M clips × {WIDTH}",
            [(large, small)],
            "100,000 clips",
            unit="GB",
            note=f"{took[stage]:.0f} s",
        )
        for stage, (large, small) in peaks.items()
    ]


def measured(command: Sequence[str]) -> tuple[float, float]:
    """Wall time (s) and peak memory (GB) of a command."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(said[-6000:])
    return time.perf_counter() - began, usage.ru_maxrss / 1e6


def _clip_table(n_clips: int, folder: Path) -> pd.DataFrame:
    """Clips by the hundred in each recording; all of them look at the same few windows of IMU."""
    seen = imu_shard(folder / "imu.h5", 1, 500) if not (folder / "imu.h5").exists() else None
    if seen is not None:
        seen.to_parquet(folder / "window.parquet")
    window = pd.read_parquet(folder / "window.parquet")
    table = pd.concat([window] * (n_clips // len(window)), ignore_index=True)
    table["clip"] = [f"r{k // 100}#{k % 100:05d}" for k in range(n_clips)]
    table["label"] = [f"label{k % 4}" for k in range(n_clips)]
    table.loc[: n_clips // 1000, "split"] = "val"
    return table


def _build(n_clips: int, folder: str) -> None:
    from comodo.embeddings.store import write_store
    from comodo.storage.artefacts import write_table

    work = Path(folder) / str(n_clips)
    work.mkdir(exist_ok=True)
    table = _clip_table(n_clips, work)
    write_table(table, work / "clips.parquet")
    draw = np.random.default_rng(0)
    block = draw.standard_normal((1000, WIDTH), dtype=np.float32)
    size = n_clips // 20
    for shard in range(20):
        part = table.iloc[shard * size : (shard + 1) * size]
        write_store(
            work / f"{shard}.h5", part, WIDTH, (block for _ in range(size // 1000)), {"model": "bench"}
        )


def _merge(n_clips: int, folder: str) -> None:
    from comodo.embeddings.store import merge_stores
    from comodo.storage.artefacts import read_table

    work = Path(folder) / str(n_clips)
    table = read_table(work / "clips.parquet")
    merge_stores(work / "store.h5", [work / f"{k}.h5" for k in range(20)], table[table["paired"]])


def _train(n_clips: int, folder: str) -> None:
    """Distil for `TRAINED_S` seconds of an epoch."""
    from comodo.config import ExperimentSettings, StudentSettings
    from comodo.distill.experiment import distill
    from comodo.embeddings.anchors import select_anchors
    from comodo.storage.artefacts import read_table

    work = Path(folder) / str(n_clips)
    select_anchors(work / "store.h5", work / "anchors.h5")
    settings = ExperimentSettings(
        dataset="a",
        teacher="a",
        student="a",
        epochs=1,
        batch_size=BATCH,
        queue_size=16384,
        projection_hidden=256,
    )
    student = StudentSettings(architecture="mantis", architecture_config=SMALL_MANTIS)
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.alarm(TRAINED_S)
    with suppress(KeyboardInterrupt):
        distill(
            settings, student, 0, read_table(work / "clips.parquet"), [work / "imu.h5"], work / "store.h5",
            work / "anchors.h5", work / "state", work / "student", work / "history.json", 1,
        )  # fmt: skip
    if not (work / "student").exists() and not list((work / "state").glob("state-*.pt")):
        raise RuntimeError("not one state was written: it has hardly trained")


STAGES = {"build a shard": _build, "merge": _merge, "train": _train}
