"""The embedding store: random access."""

from __future__ import annotations

import shutil

import h5py
import numpy as np
import pandas as pd

from benchmarks.measure import Bench, Row, Skipped, compare, in_turn

ROWS, WIDTH, BATCH, BATCHES = 1_000_000, 768, 128, 200


def batches(bench: Bench) -> list[Row]:
    """Random batches out of a million embeddings, against numpy's memory map of the same array."""
    from comodo.embeddings.store import mapped, write_store

    if shutil.disk_usage(bench.folder).free < 8e9:
        raise Skipped("this needs 8 GB of disk")
    clips = pd.DataFrame({"clip": [f"c{k}" for k in range(ROWS)]}).assign(label="a", split="train")
    clips = clips.assign(start_s=0.0, end_s=5.0, first_frame=0, n_frames=50)
    draw = np.random.default_rng(0)
    block = draw.standard_normal((10_000, WIDTH), dtype=np.float32)
    path, raw = bench.folder / "store.h5", bench.folder / "raw.f32"
    write_store(path, clips, WIDTH, (block for _ in range(ROWS // len(block))), {"model": "bench"})
    with raw.open("wb") as file:
        for _ in range(ROWS // len(block)):
            file.write(block)
    memmap = np.memmap(raw, np.float32, "r", shape=(ROWS, WIDTH))
    wanted = [draw.choice(ROWS, BATCH, replace=False) for _ in range(BATCHES)]
    with h5py.File(path) as store:
        rows = mapped(store)

        def ours() -> None:
            for batch in wanted:
                rows[batch]

        def peer() -> None:
            for batch in wanted:
                memmap[batch]

        pairs = in_turn(ours, peer, bench.repeats)
    row = compare(
        "random batch of 128 from 1 M × 768",
        pairs,
        "numpy memmap",
        at_most=1.5,
        items=BATCHES / 1000,
        unit="ms",
    )
    row.rates = {"embedding_bytes": path.stat().st_size / ROWS}
    return [row]
