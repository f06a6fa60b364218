"""How the picture of a small video moves from frame to frame, by phase correlation.

Kuglin & Hines, "The phase correlation image alignment method", 1975. The picture is divided into four quarters, whose
shifts give the shift of the whole and its roll.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from comodo.layouts.media import open_video, video_stream

Floats = NDArray[np.float64]
SIDE: Final = 64
"""Largest side of the pictures that are compared, pixels: larger ones are no more precise."""
DARKEST: Final = 2.0
"""Standard deviation of the grey values of a quarter below which nothing can be recognised in it."""
SMOOTHEST: Final = 0.15
"""Standard deviation of the Gaussian low-pass on the correlation, cycles per pixel."""
FLOOR: Final = 1e-3
"""Share of the mean amplitude that is added to each, so that frequencies without content do not count."""
BATCH: Final = 128  # frames in memory as floats


def read_motion(path: Path, first: int, count: int, fps: float) -> Floats:
    """Return the motion of the picture between successive frames of an extracted video.

    Args:
        path: the small video.
        first: number of the first frame.
        count: number of frames, N.
        fps: frames per second.

    Returns:
        (3, N − 1) float64: shift to the right, shift downwards, and roll as a shift of the quarters, in pixels of a
        picture with sides of at most `SIDE`; NaN where a frame is dark, without texture, or the same as the one before.

    Raises:
        VideoError: the file cannot be opened.
    """
    frames = _read_grey(path, first, count, fps)
    parts = [measure_motion(frames[k : k + BATCH + 1]) for k in range(0, max(1, len(frames) - 1), BATCH)]
    return np.concatenate(parts, axis=1)


def measure_motion(frames: NDArray[np.uint8]) -> Floats:
    """Return the motion between successive grey pictures (N, H, W), as `read_motion` does."""
    if len(frames) < 2:
        return np.empty((3, 0))
    pictures = _reduced(frames)
    height, width = pictures.shape[1] // 2, pictures.shape[2] // 2
    quarters = [
        pictures[:, y : y + height, x : x + width] for y in (0, height) for x in (0, width)
    ]  # top left, top right, bottom left, bottom right
    shifts = np.array([_shifts(quarter) for quarter in quarters])  # (4, 2, N − 1)
    right, down = np.median(shifts, axis=0)
    # Turning clockwise moves the right side down, the left side up, the top right and the bottom left.
    roll = (shifts[[1, 3], 1].sum(0) - shifts[[0, 2], 1].sum(0)) / 4
    roll += (shifts[[0, 1], 0].sum(0) - shifts[[2, 3], 0].sum(0)) / 4
    motion = np.array([right, down, roll])
    motion[:, (frames[1:] == frames[:-1]).all(axis=(1, 2))] = np.nan
    return motion


def _reduced(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The pictures as floats, with sides of at most `SIDE` pixels: means of square blocks."""
    count, height, width = frames.shape
    block = max(1, -(-max(height, width) // SIDE))
    rows, columns = height // block, width // block
    cut = frames[:, : rows * block, : columns * block]
    by_row = cut.reshape(count, rows, block, columns * block).sum(axis=2, dtype=np.uint16)
    by_block = by_row.reshape(count, rows, columns, block).sum(axis=3, dtype=np.float32)
    return by_block / block**2


def _shifts(pictures: NDArray[np.float32]) -> Floats:
    """Shift to the right and downwards (2, N − 1) between pictures (N, H, W), in pixels; NaN without texture."""
    _, height, width = pictures.shape
    centred = pictures - pictures.mean(axis=(1, 2), keepdims=True)
    clear = pictures.std(axis=(1, 2)) >= DARKEST
    window = np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)
    spectra = np.fft.rfft2(centred * window)
    cross = spectra[1:] * np.conj(spectra[:-1])
    amplitude = np.abs(cross)
    cross /= amplitude + FLOOR * amplitude.mean(axis=(1, 2), keepdims=True) + 1e-12
    frequency = np.fft.fftfreq(height)[:, None] ** 2 + np.fft.rfftfreq(width)[None] ** 2
    correlation = np.fft.irfft2(cross * np.exp(-frequency / (2 * SMOOTHEST**2)), s=(height, width))
    row = np.arange(len(correlation))
    y, x = np.unravel_index(correlation.reshape(len(row), -1).argmax(axis=1), (height, width))
    down = y + _vertex(*(correlation[row, (y + step) % height, x] for step in (-1, 0, 1)))
    right = x + _vertex(*(correlation[row, y, (x + step) % width] for step in (-1, 0, 1)))
    shifts = np.array([(right + width / 2) % width - width / 2, (down + height / 2) % height - height / 2])
    shifts[:, ~(clear[1:] & clear[:-1])] = np.nan
    return shifts


def _vertex(before: Floats, at: Floats, after: Floats) -> Floats:
    """Where a parabola through three neighbours has its top, from −0.5 to 0.5."""
    curve = before - 2 * at + after
    return np.where(curve < 0, 0.5 * (before - after) / np.where(curve < 0, curve, 1.0), 0.0)


def _read_grey(path: Path, first: int, count: int, fps: float) -> NDArray[np.uint8]:
    """Grey frames (N, H, W), fewer than `count` where the file ends."""
    frames: list[NDArray[np.uint8]] = []
    with open_video(path) as container:
        stream = video_stream(container, path)
        stream.codec_context.options |= {"skip_loop_filter": "all"}  # faster; the blocks are averaged anyway
        container.seek(int(first / fps / stream.time_base), stream=stream, backward=True)
        for frame in container.decode(stream):
            number = round(float(frame.pts * stream.time_base) * fps)
            if number >= first + count:
                break
            if number >= first:
                luma = frame.planes[0]
                rows = np.frombuffer(luma, dtype=np.uint8).reshape(-1, luma.line_size)
                frames.append(rows[: frame.height, : frame.width].copy())
    return np.stack(frames) if frames else np.empty((0, 2, 2), dtype=np.uint8)
