"""int8 graphs of exported students."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from comodo.deploy.export import Exported, Windows, open_session, quiet_export, run_graph
from comodo.embeddings.ranking import unit
from comodo.errors import ModelError
from comodo.storage.files import atomic
from comodo.text import first_line


def quantise(graph: Path, windows: Windows, target: Path) -> Exported:
    """Write an int8 graph: static or dynamic, whichever agrees better with the float32 graph.

    Weights are quantised per channel, after ONNX Runtime's preprocessing. Half of the windows calibrate the ranges, the
    other half compares.

    Args:
        graph: graph of `export_onnx`.
        windows: (n, C, T) train windows.
        target: the file to write.

    Raises:
        ModelError: if there are fewer than 8 windows, or neither graph can be made.
    """
    if len(windows) < 8:
        raise ModelError(f"int8 needs at least 8 train windows to calibrate its ranges, not {len(windows)}")
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    ranges, held_out = windows[::2], windows[1::2]
    with tempfile.TemporaryDirectory() as scratch, quiet_export():
        ready = Path(scratch, "ready.onnx")
        try:
            quant_pre_process(str(graph), str(ready))
        except Exception:  # its symbolic shapes do not support every operator
            quant_pre_process(str(graph), str(ready), skip_symbolic_shape=True)
        weights = {"per_channel": True, "weight_type": QuantType.QInt8}
        made: dict[str, Path] = {}
        faults: list[str] = []
        for method in ("static", "dynamic"):
            path = Path(scratch, f"{method}.onnx")
            try:
                if method == "static":
                    reader = _Reader(ranges)
                    quantize_static(str(ready), str(path), reader, quant_format=QuantFormat.QDQ, **weights)
                else:
                    quantize_dynamic(str(ready), str(path), **weights)
                open_session(path)
                made[method] = path
            except Exception as error:  # ONNX Runtime raises any exception for an operator it cannot quantise
                faults.append(f"{method}: {first_line(error)}")
        if not made:
            raise ModelError(f"the graph cannot be quantised: {'; '.join(faults)}")
        scored = {method: agreement(graph, path, held_out) for method, path in made.items()}
        best = max(scored, key=lambda method: (-scored[method][0], scored[method][1] or 0.0))
        with atomic(target) as partial:
            shutil.copyfile(made[best], partial)
    difference, same = scored[best]
    return Exported(target, difference, same, f"int8 {best}")


def agreement(graph: Path, other: Path, windows: Windows) -> tuple[float, float | None]:
    """Return the mean cosine distance of features of two graphs, and the share of windows with the same class."""
    one, two = (run_graph(open_session(path), windows) for path in (graph, other))
    distance = 1 - float((unit(one["features"]) * unit(two["features"])).sum(axis=1).mean())
    if "scores" not in one:
        return distance, None
    return distance, float((one["scores"].argmax(axis=1) == two["scores"].argmax(axis=1)).mean())


class _Reader:
    """Calibration windows for ONNX Runtime, one by one."""

    def __init__(self, windows: Windows) -> None:
        self._rows: Iterator[Windows] = iter(windows[:200, None])

    def get_next(self) -> Mapping[str, Windows] | None:
        row = next(self._rows, None)
        return None if row is None else {"windows": row}
