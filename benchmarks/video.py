"""Video: extraction, reading frames, encoding."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pandas as pd

from benchmarks.measure import Bench, Row, Skipped, compare, in_turn, seconds

CLIP_FRAMES = 50
FPS = 10


def write_video(
    path: Path, seconds: float, width: int, height: int, fps: int, bit_rate: int = 1_000_000
) -> Path:
    """Write H.264 of a panned textured scene with sensor noise, of about the bit rate of a camera."""
    draw = np.random.default_rng(0)
    coarse = draw.integers(0, 256, (height // 8 + 40, width // 8 + 40), dtype=np.uint8)
    scene = np.kron(coarse, np.ones((8, 8), dtype=np.uint8))
    noise = draw.integers(0, 17, (height + 16, width + 16), dtype=np.uint8)
    chroma = np.full((height // 2, width), 128, dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(os.fspath(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "veryfast", "b": str(bit_rate)})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for k in range(round(seconds * fps)):
            x, y = (round(150 * (1 + np.sin(k / fps * rate))) for rate in (0.9, 0.7))
            u, v = draw.integers(0, 16, 2)
            luma = scene[y : y + height, x : x + width] // 2 + noise[u : u + height, v : v + width]
            frame = av.VideoFrame.from_ndarray(np.concatenate([luma, chroma]), format="yuv420p")
            frame.pts, frame.time_base = k, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def extract(bench: Bench) -> list[Row]:
    """Full-HD footage into small video: as many files at a time as there are cores, by either program."""
    from comodo.recordings.small_video import extract as extract_one

    seconds = 12
    source = write_video(bench.folder / "0.mp4", seconds, 1920, 1080, 30, 8_000_000)
    sources = [source] + [
        Path(shutil.copy(source, bench.folder / f"{core}.mp4")) for core in range(1, bench.cores)
    ]

    def ours() -> None:
        with ThreadPoolExecutor(len(sources)) as pool:
            list(
                pool.map(
                    lambda path: extract_one(
                        path, path.with_name(f"ours-{path.name}"), FPS, 224, CLIP_FRAMES, 18
                    ),
                    sources,
                )
            )

    command = ["ffmpeg", "-v", "error", "-y", "-i"]
    chain = ["-vf", f"fps={FPS},crop='min(iw,ih)':'min(iw,ih)',scale=224:224", "-c:v", "libx264", "-an"]

    def peer() -> None:
        jobs = [
            subprocess.Popen([*command, path, *chain, path.with_name(f"peer-{path.name}")])
            for path in sources
        ]
        if any(job.wait() for job in jobs):
            raise RuntimeError("ffmpeg failed")

    if not shutil.which("ffmpeg"):
        raise Skipped("no ffmpeg on this machine (Debian: apt-get install ffmpeg)")
    pairs = in_turn(ours, peer, bench.repeats)
    footage = seconds * len(sources)
    row = compare(
        "extract_clips, 1080p30 H.264",
        pairs,
        "ffmpeg command line, fps=10, crop, scale, libx264",
        at_most=1.0,
        items=footage,
        unit="s per s of video",
        note=f"{source.stat().st_size * 8e-6 / seconds:.0f} Mbit/s",
    )
    small = bench.folder / "ours-0.mp4"
    row.rates = {
        "extract_core_s_per_video_s": row.ours * bench.cores,
        "small_video_bytes_per_s": small.stat().st_size / seconds,
    }
    return [row]


def frames(bench: Bench) -> list[Row]:
    """A teacher's frames of each clip of a small video, against decoding the video once from end to end."""
    import decord

    from comodo.embeddings.encode import RUN, read_clips

    raw = write_video(bench.folder / "raw.mp4", 300, 256, 256, FPS)
    video = _extracted(raw, bench.folder / "video" / "a.mp4", 224)
    clips = list(clip_table(["a"], 300).itertuples(index=False))

    def peer() -> None:
        reader = decord.VideoReader(os.fspath(video), ctx=decord.cpu(0), num_threads=1)
        for _ in range(len(reader)):
            reader.next().asnumpy()

    rows = []
    for count in (8, 16):

        def ours(count: int = count) -> None:
            for start in range(0, len(clips), RUN):  # as encode_video does
                read_clips(clips[start : start + RUN], video.parent, count)

        row = compare(
            f"reading {count} of a clip's 50 frames, 224²",
            in_turn(ours, peer, bench.repeats),
            "decord, each frame once in order",
            at_most=1.1,
            items=len(clips) / 1000,
            unit="ms per clip",
        )
        row.rates = {f"read_{count}_core_s_per_clip": row.ours / 1000}
        rows.append(row)
    rows.append(_torchcodec(bench, video))
    return rows


def _torchcodec(bench: Bench, video: Path) -> Row:
    """torchcodec, which replaces decord where that has no wheel, against decord."""

    from comodo.recordings.frames import read_frames

    def read() -> None:
        for start in range(0, 300, 50):
            read_frames(video, range(start, start + 50, 3))

    def ours() -> None:
        decord = sys.modules.pop("decord", None)
        sys.modules["decord"] = None  # type: ignore[assignment]  # hidden
        try:
            read()
        finally:
            del sys.modules["decord"]
            if decord is not None:
                sys.modules["decord"] = decord

    return compare(
        "reading 17 of a clip's 50 frames by torchcodec",
        in_turn(ours, read, bench.repeats),
        "decord, the same frames",
        at_most=1.1,
        items=6 / 1000,
        unit="ms per clip",
    )


def encode(bench: Bench) -> list[Row]:
    """Frames on disk to embeddings, against the same forward passes on tensors in memory."""
    base = _encode(bench, "VideoMAE-base, 224²", 224, batch=2, n_clips=4)
    base.rates = {"encode_core_s_per_clip": bench.cores / base.ours}
    fast = _encode(bench, "VideoMAE-base, 224², bfloat16", 224, batch=2, n_clips=4, precision="bfloat16")
    fast.note = f"{fast.ours / base.ours:.1f} × as fast as float32"
    small = _encode(bench, "TimeSformer of 6 × 192, 112²", 112, batch=32, n_clips=96)
    small.target, small.met = "", None  # decoding weighs a tenth of so small a model
    return [base, fast, small]


def _encode(
    bench: Bench,
    name: str,
    size: int,
    batch: int,
    n_clips: int,
    device: str = "cpu",
    precision: str = "float32",
    at_least: float = 0.95,
) -> Row:
    import torch

    from comodo.embeddings.encode import encode_clips
    from comodo.jobs.devices import use_device
    from comodo.models.teachers import load_teacher

    use_device(bench.cores)
    folder = write_teacher(bench.folder / f"teacher-{size}", size)
    teacher = load_teacher(folder, device=device, precision=precision)
    recordings = [f"r{k}" for k in range(-(-n_clips // 12))]
    raw = write_video(bench.folder / f"raw-{size}.mp4", 60, size + 32, size + 32, FPS)
    video = bench.folder / f"video-{size}"
    for recording in recordings:
        _extracted(raw, video / f"{recording}.mp4", size)
    clips = clip_table(recordings, 60).iloc[:n_clips]
    pixels = torch.randn(batch, teacher.n_frames, 3, size, size, device=device)

    def ours() -> None:
        for _ in encode_clips(clips, video, teacher, batch, bench.cores):
            pass

    def peer() -> None:
        for _ in range(n_clips // batch):
            embeddings = teacher.encode(pixels)
        embeddings.cpu()  # a GPU has only been asked so far

    return compare(
        f"encode_video, {name}, batch {batch}",
        in_turn(ours, peer, bench.repeats),
        "forward alone",
        at_least=at_least,
        items=n_clips,
        unit="clips",
    )


def gpu(bench: Bench) -> list[Row]:
    """VideoMAE-base in bfloat16 on a GPU, and the throughput of one decoding thread per core."""
    import torch

    if not torch.cuda.is_available():
        raise Skipped("no GPU here")
    bench = replace(bench, cores=os.cpu_count() or 1)
    what, device = "VideoMAE-base, bfloat16", torch.cuda.get_device_name()
    row = _encode(bench, f"{what}, {device}", 224, 32, 960, "cuda:0", "bfloat16", at_least=0.85)
    clips = clip_table([f"r{k}" for k in range(80)], 60).iloc[:960]
    took = seconds(lambda: _read_all(clips, bench.folder / "video-224", bench.cores))
    row.note = f"{bench.cores} decoding threads alone: {len(clips) / took:.0f} clips/s"
    return [row]


def _read_all(clips: pd.DataFrame, video: Path, workers: int) -> None:
    from comodo.embeddings.encode import read_clips

    runs = [list(own.itertuples(index=False)) for _, own in clips.groupby("recording")]
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda run: len(read_clips(run, video, 16)), runs))


def write_teacher(folder: Path, size: int) -> Path:
    """A teacher with random weights: VideoMAE-base for 224², a TimeSformer of 6 layers × 192 for 112²."""
    import json

    import torch
    import transformers

    torch.manual_seed(0)
    if size == 224:
        config = transformers.VideoMAEConfig(num_frames=16, use_mean_pooling=True)
        model = transformers.VideoMAEModel(config)
    else:
        config = transformers.TimesformerConfig(
            image_size=size,
            num_frames=8,
            hidden_size=192,
            num_hidden_layers=6,
            num_attention_heads=3,
            intermediate_size=768,
        )
        model = transformers.TimesformerModel(config)
    model.save_pretrained(folder)
    processor = {"image_mean": [0.45] * 3, "image_std": [0.225] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def clip_table(recordings: list[str], seconds: int) -> pd.DataFrame:
    """Clips of 5 s of recordings, with the columns that reading needs."""
    return pd.DataFrame(
        [
            {
                "clip": f"{recording}#{k:05d}",
                "recording": recording,
                "split": "test",
                "window": k,
                "reason": "",
                "first_frame": CLIP_FRAMES * k,
                "n_frames": CLIP_FRAMES,
            }
            for recording in recordings
            for k in range(seconds * FPS // CLIP_FRAMES)
        ]
    )


def _extracted(raw: Path, target: Path, size: int) -> Path:
    from comodo.recordings.small_video import extract as extract_one

    target.parent.mkdir(exist_ok=True)
    extract_one(raw, target, FPS, size, CLIP_FRAMES, 18)
    return target
