"""Training and inference of the student."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.measure import Bench, Row, Skipped, compare, in_turn, seconds
from comodo.clips.imu_windows import ImuWindows
from comodo.config import ExperimentSettings
from comodo.jobs.devices import autocast, use_device
from comodo.layouts.types import Recording
from comodo.models.base import Student
from comodo.models.heads import new_head
from comodo.models.students import new_student
from comodo.objectives import ComodoLoss, Lesson
from comodo.recordings.imu_shard import write_imu_shard
from comodo.recordings.signal import ImuSignal

BATCH, DIM = 128, 128
SMALL_MANTIS = {"seq_len": 64, "num_patches": 8, "hidden_dim": 16, "transf_depth": 1, "transf_num_heads": 2}
SMALL_MANTIS |= {"transf_mlp_dim": 32, "transf_dim_head": 8}


def imu_shard(path: Path, recordings: int, n_seconds: int) -> pd.DataFrame:
    """Write a shard of noise and return its clip table, windows of 5 s."""
    draw = np.random.default_rng(0)
    listed = [Recording(f"r{k}", "train", f"label{k % 4}", Path(), Path()) for k in range(recordings)]
    signal = draw.standard_normal((6, 200 * n_seconds)).astype(np.float32)
    write_imu_shard(path, ((recording, ImuSignal(signal, 0.0, 200.0)) for recording in listed))
    rows = [
        {
            "clip": f"{recording.id}#{k:05d}",
            "recording": recording.id,
            "label": recording.label,
            "split": "train",
            "paired": True,
            "shard": 0,
            "window": k,
            "start_s": 5.0 * k,
            "end_s": 5.0 * (k + 1),
            "first_sample": 1000 * k,
            "last_sample": 1000 * (k + 1),
            "first_frame": 50 * k,
            "n_frames": 50,
        }
        for recording in listed
        for k in range(n_seconds // 5)
    ]
    return pd.DataFrame(rows)


def bare_step(
    student: Student, head: torch.nn.Module, batch: torch.Tensor, precision: str = "float32"
) -> Any:
    """Return the hardware's limit: a function that does forward, backward and AdamW on a batch in memory."""
    optimizer = torch.optim.AdamW([*student.parameters(), *head.parameters()], lr=3e-4)
    student.train(), head.train()

    def step() -> None:
        with autocast(batch.device, precision):
            loss = head(student(batch)).float().square().mean()
        loss.item()  # as the training does, which looks at every loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def settle(device: str) -> None:
    """Wait until a GPU has finished its queued work."""
    if device != "cpu":
        torch.cuda.synchronize()


def step(bench: Bench) -> list[Row]:
    """A step of the real training, windows read from disk, against the bare step; one in turn with the other."""
    row = _step(bench, "cpu", "float32")
    row.rates = {"distill_core_s_per_clip": bench.cores / row.ours / BATCH}
    return [row]


def gpu(bench: Bench) -> list[Row]:
    """The same on a GPU, in both precisions."""
    if not torch.cuda.is_available():
        raise Skipped("no GPU here")
    return [_step(bench, "cuda:0", precision) for precision in ("float32", "bfloat16")]


def _step(bench: Bench, device: str, precision: str) -> Row:
    from comodo.distill.loop import Run, train_distillation

    use_device(bench.cores)
    clips = imu_shard(bench.folder / "imu.h5", 8, 16 * 60)
    windows = ImuWindows(clips, [bench.folder / "imu.h5"])
    generator = torch.Generator().manual_seed(0)
    queue = torch.nn.functional.normalize(torch.randn(16384, DIM, generator=generator))
    targets = queue[: len(clips)]
    student, head = new_student("mantis", {}, 0), new_head(1536, 2048, DIM, seed=0, name="student")
    other, other_head = new_student("mantis", {}, 0), new_head(1536, 2048, DIM, seed=0, name="student")
    resident, _ = other.collate([windows[k] for k in range(BATCH)])
    bare = bare_step(other.to(device), other_head.to(device), resident.to(device), precision)

    def alone() -> None:
        bare()
        settle(device)

    alone()
    pairs: list[tuple[float, float]] = []
    began = 0.0

    def on_step(number: int, loss: float, rate: float) -> None:
        nonlocal began
        settle(device)
        own = time.perf_counter() - began
        limit = seconds(alone)
        if number:  # the first one started before there was a time to count from
            pairs.append((own, limit))
        began = time.perf_counter()

    order = np.random.default_rng(0).permutation(len(clips))
    batches = [
        order[:BATCH] if k == 0 else order[(k * BATCH) % 1400 :][:BATCH] for k in range(bench.repeats + 1)
    ]
    settings = ExperimentSettings(
        dataset="a",
        teacher="a",
        student="a",
        epochs=1,
        batch_size=BATCH,
        queue_size=len(queue),
        precision=precision,
    )
    lesson = Lesson(targets, {"student": head}, "student", ComodoLoss(queue))
    run = Run(seed=0, batches=[batches], on_step=on_step, device=device, progress=False)
    train_distillation(student, lesson, windows, settings, run)
    where = "" if device == "cpu" else f", {torch.cuda.get_device_name()}, {precision}"
    return compare(
        f"distill, Mantis-8M, batch 128, K = 16384{where}",
        pairs,
        "forward + backward + AdamW, resident batch",
        at_least=0.95,
        items=1,
        unit="steps",
    )


def queue(bench: Bench) -> list[Row]:
    """The loss with its queue at K = 65536, as a share of a training step that has it."""
    use_device(bench.cores)
    generator = torch.Generator().manual_seed(0)
    unit = torch.nn.functional.normalize(torch.randn(65536 + BATCH, DIM, generator=generator))
    objective = ComodoLoss(unit[BATCH:])
    projected = torch.randn(BATCH, DIM, generator=generator, requires_grad=True)
    bare = bare_step(
        new_student("mantis", {}, 0),
        new_head(1536, 2048, DIM, seed=0, name="student"),
        torch.randn(BATCH, 6, 512, generator=generator),
    )

    def loss() -> None:
        objective(projected, unit[:BATCH]).backward()

    pairs = [(own, own + limit) for own, limit in in_turn(loss, bare, bench.repeats)]
    row = compare(
        "loss and queue, K = 65536, d = 128", pairs, "a step of Mantis-8M with it, batch 128", at_most=0.03
    )
    row.target = "≤ 3 %"
    return [row]


def features(bench: Bench) -> list[Row]:
    """Features of windows on disk, written to disk, against the forward pass alone."""
    from comodo.evaluate.features import extract_features
    from comodo.models.distilled import save_distilled

    use_device(bench.cores)
    clips = imu_shard(bench.folder / "imu.h5", 4, 5 * 64)
    clips["split"] = np.where(clips["recording"].isin(["r0", "r1"]), "train", "test")
    student = new_student("mantis", {}, 0)
    save_distilled(bench.folder / "student", student, {}, [], objective="none")
    resident = torch.randn(128, 6, 512)

    def ours() -> None:
        extract_features(
            bench.folder / "student",
            clips,
            [bench.folder / "imu.h5"],
            None,
            bench.folder / "features.h5",
            bench.cores,
        )

    @torch.inference_mode()
    def peer() -> None:
        student.eval()
        for _ in range(2):
            student(resident)

    row = compare(
        "extract_features, Mantis-8M",
        in_turn(ours, peer, bench.repeats),
        "forward alone, no grad",
        at_least=0.95,
        items=256,
        unit="windows",
    )
    row.rates = {"features_core_s_per_window": bench.cores / row.ours}
    return [row]


def memory(bench: Bench) -> list[Row]:
    """Peak memory of a distillation against as many steps with a tenth of the clips, each in a process of its own."""

    def peak(recordings: int, epochs: int) -> float:
        code = (
            f"from benchmarks.training import peak_of; peak_of({recordings}, {epochs}, {str(bench.folder)!r})"
        )
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return float(json.loads(done.stdout.splitlines()[-1]))

    pairs = [(peak(50, 1), peak(5, 10)) for _ in range(min(bench.repeats, 2))]
    row = compare("peak memory of distill, 20,000 clips", pairs, "2,000 clips", at_most=1.1, unit="GB")
    return [row]


def peak_of(recordings: int, epochs: int, folder: str) -> None:
    """Distil a small student from `recordings` × 400 clips; print this process' peak memory, GB."""
    import shutil

    from comodo.config import StudentSettings
    from comodo.distill.experiment import distill
    from comodo.embeddings.anchors import select_anchors
    from comodo.embeddings.store import write_store

    work = Path(folder) / f"peak-{recordings}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    clips = imu_shard(work / "imu.h5", recordings, 2000)
    clips.loc[clips["window"] < 4, "split"] = "val"
    clips.loc[(clips["window"] >= 4) & (clips["window"] < 8), "split"] = "test"
    draw = np.random.default_rng(0)
    block = draw.standard_normal((400, 768)).astype(np.float32)
    write_store(work / "store.h5", clips, 768, (block for _ in range(recordings)), {"model": "bench"})
    select_anchors(work / "store.h5", work / "anchors.h5")
    settings = ExperimentSettings(
        dataset="a", teacher="a", student="a", epochs=epochs, batch_size=BATCH, queue_size=1024
    )
    distill(
        settings,
        StudentSettings(architecture="mantis", architecture_config=SMALL_MANTIS),
        0,
        clips,
        [work / "imu.h5"],
        work / "store.h5",
        work / "anchors.h5",
        work / "state",
        work / "student",
        work / "history.json",
        1,
    )
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)
