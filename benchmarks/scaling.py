"""docs/scaling.md: what large data cost, reckoned from the measured rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tabulate import tabulate

CLIP_S = 5.0
EPOCHS = 20
GPU_FLOPS = 40e12  # assumed throughput of a data-centre GPU on these models in bf16
ENCODE_FLOP = 2 * 180e9  # VideoMAE-base, 16 frames of 224²: 180 G multiply-adds, as published
STUDENT_FLOP = 3 * 2 * 8.1e6 * 6 * 33  # Mantis-8M: forward and backward, six channels, 33 tokens
HOUR = 3600.0
DISK = (
    "",
    "recordings",
    "hours",
    "clips",
    "raw video",
    "small video, 224²",
    "IMU at 200 Hz",
    "embeddings, 768",
)
WORK = ("", "preparation, core-h", "encoding, CPU core-h", "a distillation, CPU core-h", "encoding, GPU-h")
WORK += ("cores that keep that GPU fed", "a distillation, GPU-h", "jobs", "looking for changes")


@dataclass(frozen=True)
class Size:
    """A collection of recordings."""

    name: str
    recordings: int
    hours: float
    raw_bytes_per_s: float
    shards: int
    clips: int | None = None  # where a recording is one clip


SIZES = (
    Size("Ego4D, published subset", 1588, 600, 460e3, 64),
    Size("EgoExo4D", 4994, 220, 190e3, 64),
    Size("UESTC-MMEA-CL", 6522, 30, 280e3, 32, 6522),
    Size("all of Ego4D", 9645, 3670, 460e3, 400),
    Size("one million hours", 2_600_000, 1e6, 460e3, 20_000),
)
BREAKS = {
    "Ego4D, published subset": "nothing; the teacher on a CPU takes weeks, so take a GPU",
    "EgoExo4D": "nothing",
    "UESTC-MMEA-CL": "nothing; the SVM is the longest CPU job",
    "all of Ego4D": "disk for the raw video, and days on one machine: set `shards: 400` and run on a cluster, one "
    "GPU job per shard",
    "one million hours": "(1) Snakemake: it looks at every recording whenever it starts; (2) `merge_embeddings` and "
    "`merge_clips`, single files that one job writes and whose clip table must fit in memory; (3) one GPU for the "
    "distillation. Divide the data into datasets of about 50,000 hours with a config each, set `shards: 1000` in each, "
    "`clips_per_recording: 50` for the training, and raise `batch_size`",
}


def rates_of(figures: dict[str, Any]) -> dict[str, float]:
    """All measured rates by name."""
    return {
        name: value
        for line in figures["lines"].values()
        for row in line.get("rows", [])
        for name, value in row["rates"].items()
    }


def document(figures: dict[str, Any]) -> str:
    """Return the text of docs/scaling.md, or the rates that it lacks."""
    rates = rates_of(figures)
    needed = {
        "extract_core_s_per_video_s": "extract",
        "small_video_bytes_per_s": "extract",
        "imu_core_s_per_s": "imu",
        "imu_bytes_per_s": "imu",
        "read_16_core_s_per_clip": "frames",
        "encode_core_s_per_clip": "encode",
        "distill_core_s_per_clip": "distill",
        "features_core_s_per_window": "features",
        "svm_core_s": "svm-large",
        "embedding_bytes": "store",
        "noop_s_per_recording": "noop",
    }
    if missing := sorted({line for name, line in needed.items() if name not in rates}):
        return f'# Scale\n\nNot measured yet: `make bench LINES="{" ".join(missing)}"`.\n'
    r = rates
    disk, work = [], []
    for size in SIZES:
        seconds = size.hours * HOUR
        clips = size.clips or round(seconds / CLIP_S)
        train = 0.7 * clips
        disk.append(
            [
                size.name,
                f"{size.recordings:,}",
                f"{size.hours:,.0f}",
                f"{clips:,}",
                _bytes(seconds * size.raw_bytes_per_s),
                _bytes(seconds * r["small_video_bytes_per_s"]),
                _bytes(seconds * r["imu_bytes_per_s"]),
                _bytes(clips * r["embedding_bytes"]),
            ]
        )
        prepare = seconds * (r["extract_core_s_per_video_s"] + r["imu_core_s_per_s"])
        encode_cpu = clips * (r["encode_core_s_per_clip"] + r["read_16_core_s_per_clip"])
        train_cpu = train * EPOCHS * r["distill_core_s_per_clip"] + clips * r["features_core_s_per_window"]
        encode_gpu = clips * ENCODE_FLOP / GPU_FLOPS
        train_gpu = train * EPOCHS * STUDENT_FLOP / GPU_FLOPS
        decode = clips * r["read_16_core_s_per_clip"]
        work.append(
            [
                size.name,
                _hours(prepare),
                _hours(encode_cpu),
                _hours(train_cpu),
                _hours(encode_gpu),
                f"{decode / encode_gpu:.0f}",
                _hours(train_gpu),
                f"{4 * size.shards + 12:,}",
                _time(r["noop_s_per_recording"] * size.recordings),
            ]
        )
    tflops, svm = GPU_FLOPS / 1e12, _time(r["svm_core_s"])
    small = r["small_video_bytes_per_s"] * 8 / 1000
    cpu = f"{figures['machine']['cores']} cores of {figures['machine']['cpu']}"
    return f"""# Scale

Written by `make bench` from the rates in [speed.json](speed.json), measured on {cpu};
`python -m benchmarks --docs-only` writes it again. Hours and sizes of the raw files are estimates. Clips are 5 s, the
teacher is VideoMAE-base, the student Mantis-8M, {EPOCHS} epochs, 70 % of the clips in train.

## Disk

{tabulate(disk, DISK, "github")}

Small video is measured on the bench's own scene, {small:.0f} kbit/s; three short GoPro files make 280 to 560.

## Work

{tabulate(work, WORK, "github")}

CPU figures follow from measured rates. GPU figures are **not** measured, as no GPU was at hand: they are the models'
arithmetic at an assumed {tflops:.0f} TFLOP/s sustained. *Cores that keep that GPU fed* decode as fast as it would
then encode: on a machine with fewer, the decoder is the limit. An SVM on all labels takes {svm} of core time
at its cap of 10,000 windows, whatever the size of the data set. *Looking for changes* is what `snakemake` takes to say
that nothing is to be done.

## What breaks first, and what to set

{chr(10).join(f"- **{size.name}**: {BREAKS[size.name]}." for size in SIZES)}
"""


def _bytes(value: float) -> str:
    for unit, size in (("PB", 1e15), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if value >= 0.95 * size:
            return f"{value / size:,.3g} {unit}"
    return f"{value / 1e3:.0f} kB"


def _hours(seconds: float) -> str:
    hours = seconds / HOUR
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.2g}"


def _time(seconds: float) -> str:
    for unit, size in (("h", HOUR), ("min", 60.0)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:.2g} s"
