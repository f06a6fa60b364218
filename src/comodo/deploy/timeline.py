"""Timeline of the predictions for one recording: a picture, and a page that holds it and the table."""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from numpy.typing import NDArray

from comodo.deploy.classifier import Classifier
from comodo.errors import VideoError
from comodo.layouts.media import open_video, video_stream
from comodo.recordings.signal import ImuSignal
from comodo.storage.files import atomic
from comodo.text import inert_line

mpl.use("Agg")
VIDEO: Final = (".mp4", ".mov", ".lrv", ".360", ".m4v", ".insv")
FRAMES: Final = 12
POINTS: Final = 4000  # per trace


def write_timeline(
    folder: Path, recording: Path, signal: ImuSignal, predictions: pd.DataFrame, classifier: Classifier
) -> Path:
    """Write `<name>.html` and `<name>.png` for a recording to a folder; return the page.

    Args:
        folder: receives the files; it is created.
        recording: the file that was read. Of a camera file, frames are shown.
        signal: its IMU.
        predictions: table of `predict`.
        classifier: the classifier.
    """
    folder.mkdir(parents=True, exist_ok=True)
    frames = video_frames(recording, signal) if recording.suffix.lower() in VIDEO else []
    figure = draw(recording.name, signal, predictions, classifier.classes, frames)
    stem = folder / recording.name
    picture = io.BytesIO()
    figure.savefig(picture, dpi=120, format="png")
    plt.close(figure)
    with atomic(stem.with_name(f"{stem.name}.png")) as partial:
        partial.write_bytes(picture.getvalue())
    page = stem.with_name(f"{stem.name}.html")
    with atomic(page) as partial:
        partial.write_text(_page(recording.name, picture.getvalue(), predictions))
    return page


def draw(
    name: str,
    signal: ImuSignal,
    predictions: pd.DataFrame,
    classes: list[str],
    frames: list[tuple[float, NDArray[np.uint8]]],
) -> Figure:
    """Return the figure: predictions with scores, video frames if there are any, acceleration and angular rate."""
    rows = [1.2 + 0.22 * len(classes), *([0.75] if frames else []), 1.6, 1.6]
    figure, panels = plt.subplots(
        len(rows), 1, figsize=(14, 1.2 + sum(rows)), height_ratios=rows, sharex=True, layout="constrained"
    )
    figure.suptitle(_drawn(name), fontsize="medium")
    places = {label: row for row, label in enumerate(classes)}
    colours = plt.get_cmap("cividis_r")
    columns = ("start_s", "end_s", "label", "score")
    hatched = predictions["unknown"].fillna(False).to_numpy(bool)
    for (start, end, label, score), unknown in zip(
        predictions[list(columns)].to_numpy(object), hatched, strict=True
    ):
        panels[0].broken_barh(
            [(start, end - start)],
            (places[label] - 0.4, 0.8),
            facecolor="none" if unknown else colours(score),
            edgecolor="grey" if unknown else "black",
            hatch="////" if unknown else None,
            linewidth=0.5,
        )
    panels[0].set_yticks(range(len(classes)), [_drawn(label) for label in classes], fontsize="small")
    panels[0].set_ylim(len(classes) - 0.5, -0.5)
    panels[0].set_title("prediction; darker: higher score; hatched: unknown", fontsize="small", loc="left")
    figure.colorbar(
        mpl.cm.ScalarMappable(mpl.colors.Normalize(0, 1), colours), ax=panels[0], label="score", pad=0.01
    )
    time = signal.start_s + np.arange(signal.data.shape[1]) / signal.rate_hz
    if frames:
        _draw_frames(panels[1], frames, float(time[-1] - time[0]))
    step = max(1, len(time) // POINTS)
    for panel, channels, unit in ((panels[-2], slice(0, 3), "m/s²"), (panels[-1], slice(3, 6), "rad/s")):
        for axis, values in zip("xyz", signal.data[channels], strict=False):
            panel.plot(time[::step], values[::step], linewidth=0.6, label=axis)
        panel.set_ylabel(unit)
        panel.legend(loc="upper right", fontsize="x-small", ncols=3)
        panel.grid(alpha=0.3)
    panels[-2].set_title("acceleration", fontsize="small", loc="left")
    panels[-1].set_title("angular rate", fontsize="small", loc="left")
    panels[-1].set_xlabel("time, s")
    panels[-1].set_xlim(time[0], time[-1])
    return figure


def _draw_frames(panel: Any, frames: list[tuple[float, NDArray[np.uint8]]], length_s: float) -> None:
    width = 0.95 * length_s / FRAMES
    for moment, frame in frames:
        panel.imshow(frame, extent=(moment - width / 2, moment + width / 2, 0, 1), aspect="auto")
    panel.set_ylim(0, 1)
    panel.set_yticks([])
    panel.set_title("video", fontsize="small", loc="left")


def video_frames(recording: Path, signal: ImuSignal) -> list[tuple[float, NDArray[np.uint8]]]:
    """Return small frames (H, W, 3) of a video, spread over the signal, with their times, s; none without video."""
    import av

    length = signal.data.shape[1] / signal.rate_hz
    wanted = signal.start_s + length * (np.arange(FRAMES) + 0.5) / FRAMES
    found: list[tuple[float, NDArray[np.uint8]]] = []
    try:
        with open_video(recording) as container:
            stream = video_stream(container, recording)
            begin = float((stream.start_time or 0) * stream.time_base)
            for moment in wanted:
                container.seek(int((moment + begin) / stream.time_base), stream=stream)
                for frame in container.decode(stream):
                    if frame.time is not None and frame.time - begin >= moment - 0.05:
                        height = max(2, round(160 * frame.height / frame.width))
                        small = frame.to_ndarray(width=160, height=height, format="rgb24")
                        found.append((float(moment), small))
                        break
    except (VideoError, av.FFmpegError, IndexError, OSError, ValueError):
        return found
    return found


def _drawn(text: str) -> str:
    """Return a text for matplotlib: no mathematics, at most 60 characters."""
    plain = inert_line(text).replace("$", r"\$")
    return plain if len(plain) <= 60 else f"{plain[:57]}…"


def _page(name: str, picture: bytes, predictions: pd.DataFrame) -> str:
    """Return a page without any outside resource."""
    title = html.escape(inert_line(name))
    shown = predictions.assign(
        label=[inert_line(label) for label in predictions["label"]],
        unknown=np.where(predictions["unknown"].fillna(False).to_numpy(bool), "yes", ""),
    )
    table = shown.to_html(index=False, float_format=lambda value: f"{value:.3f}", border=0, na_rep="")
    counts = ", ".join(
        f"{html.escape(inert_line(str(label)))} {count}"
        for label, count in predictions["label"].value_counts().items()
    )
    encoded = base64.b64encode(picture).decode()
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 1rem auto; max-width: 1400px; padding: 0 1rem }}
img {{ max-width: 100%; height: auto; background: white }}
div {{ overflow-x: auto }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums }}
th, td {{ text-align: right; padding: .15rem .6rem; border-bottom: 1px solid #8886 }}
</style></head><body>
<h1>{title}</h1>
<p>{len(predictions)} windows: {counts}.</p>
<img alt="Timeline of the predictions, acceleration and angular rate; the table below has the values."
 src="data:image/png;base64,{encoded}">
<div>{table}</div>
</body></html>
"""
