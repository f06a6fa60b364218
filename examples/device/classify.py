"""Classify a csv of IMU samples with an exported student: numpy and onnxruntime alone.

    python classify.py student.onnx walk.csv

The csv has a header and seven columns: time (s), acceleration x y z (m/s²), angular rate x y z (rad/s).
"""

import json
import sys

import numpy as np
import onnxruntime


def windows(table, rate_hz, clip_s, max_gap_s):
    """Yield the start (s) and samples (6, T) of each window that no hole touches.

    Samples are interpolated linearly. Of a sensor that is much faster than `rate_hz`, average the samples first.
    """
    time, values = table[:, 0] - table[0, 0], table[:, 1:7].T
    length = round(clip_s * rate_hz)
    end = time[-1] + np.median(np.diff(time))  # the last sample lasts as long as the others
    for number in range(int((end + 1e-6) / clip_s)):
        grid = number * clip_s + np.arange(length) / rate_hz
        inside = time[(time >= grid[0] - max_gap_s) & (time <= grid[-1] + max_gap_s)]
        if len(inside) > 1 and np.diff(inside).max() <= max_gap_s:
            yield grid[0], np.stack([np.interp(grid, time, row) for row in values]).astype(np.float32)


def main(graph, csv):
    """Print the class of each window."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    stored = session.get_modelmeta().custom_metadata_map
    about = {
        key.removeprefix("comodo."): json.loads(text) for key, text in stored.items() if key[:7] == "comodo."
    }
    table = np.genfromtxt(csv, delimiter=",", skip_header=1)
    found = list(windows(table, about["rate_hz"], about["clip_s"], about["max_gap_s"]))
    if not found:
        sys.exit(f"{csv}: no whole window of {about['clip_s']} s: is the time in seconds?")
    for start, window in found:
        scores = session.run(["scores"], {"windows": window[None]})[0][0]
        second, best = np.argsort(scores)[-2:]
        unknown = (
            about["unknown_below"] is not None and scores[best] - scores[second] < about["unknown_below"]
        )
        print(f"{start:g},{about['classes'][best]},{scores[best]:.3f},{'unknown' if unknown else ''}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
