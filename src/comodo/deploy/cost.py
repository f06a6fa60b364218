"""What a student costs on a device: size, operations, memory and latency on one thread, beside its accuracy."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from comodo.deploy.export import Graph, Windows, open_session, run_graph

REPEATS: Final = 30  # interleaved over the variants, after a warm-up
MEMORY: Final = """
import re, sys
import numpy, onnxruntime
def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1])
before = peak()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
window = numpy.zeros((1, int(sys.argv[2]), int(sys.argv[3])), dtype=numpy.float32)
for _ in range(3):
    session.run(None, {"windows": window})
print(peak() - before)
"""


def measure_cost(
    graph: Graph,
    files: Mapping[str, Path],
    windows: Windows,
    columns: NDArray[np.int64] | None = None,
) -> dict[str, Any]:
    """Return the cost of a student and of its exported graphs.

    Args:
        graph: student with or without classes, in torch.
        files: graphs by name: `onnx`, `onnx-int8`.
        windows: (n, C, T) test windows, n at least 1.
        columns: (n,) columns of the true classes, -1 for another class; None without classes.

    Returns:
        parameters, macs (multiply-accumulates per window), and `variants`: for torch and each graph ms (median latency
        of one window on one thread), MB of the file, memory_MB (peak above an empty process; graphs only) and top1.
    """
    graph = graph.cpu().eval()
    sessions = {name: open_session(path) for name, path in files.items()}
    runs: dict[str, Callable[[Windows], Any]] = {"torch": lambda batch: graph(torch.from_numpy(batch))}
    for name, session in sessions.items():
        runs[name] = lambda batch, session=session: session.run(None, {"windows": batch})  # type: ignore[misc]
    variants: dict[str, dict[str, Any]] = {
        name: {"ms": round(value, 4)} for name, value in latencies(runs, windows).items()
    }
    with torch.inference_mode():
        outputs = [
            graph(torch.from_numpy(windows[k : k + 64]))[-1].numpy() for k in range(0, len(windows), 64)
        ]
    scores = {"torch": np.concatenate(outputs)}
    for name, path in files.items():
        variants[name]["MB"] = round(path.stat().st_size / 1e6, 4)
        variants[name]["memory_MB"] = memory_mb(path, windows.shape[1:])
        scores[name] = run_graph(sessions[name], windows).get("scores", np.empty((0, 0)))
    if columns is not None:
        for name, rows in scores.items():
            variants[name]["top1"] = round(float((rows.argmax(axis=1) == columns).mean()), 6)
    return {
        "parameters": sum(values.numel() for values in graph.student.parameters()),
        "macs": count_macs(graph, windows[:1]),
        "test_windows": len(windows),
        "variants": variants,
    }


@torch.inference_mode()
def latencies(runs: Mapping[str, Callable[[Windows], Any]], windows: Windows) -> dict[str, float]:
    """Return the median time of one window by variant, ms, on one thread; the variants take turns."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    times: dict[str, list[float]] = {name: [] for name in runs}
    try:
        for repeat in range(-3, REPEATS):
            batch = np.ascontiguousarray(windows[[repeat % len(windows)]])
            for name, run in runs.items():
                begin = time.perf_counter()
                run(batch)
                if repeat >= 0:
                    times[name].append(1e3 * (time.perf_counter() - begin))
    finally:
        torch.set_num_threads(threads)
    return {name: float(np.median(values)) for name, values in times.items()}


def count_macs(model: nn.Module, window: Windows) -> int:
    """Return the multiply-accumulates of matrix products and convolutions for windows (B, C, T)."""
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model(torch.from_numpy(window))
    return int(counter.get_total_flops()) // 2


def memory_mb(path: Path, shape: tuple[int, ...]) -> float | None:
    """Return the peak memory of a graph above that of an empty process with ONNX Runtime, MB; None outside Linux."""
    command = [sys.executable, "-c", MEMORY, str(path), *map(str, shape)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return None
    return round(int(done.stdout.splitlines()[-1]) / 1e3, 1)
