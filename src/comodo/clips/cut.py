"""Windows of one IMU signal, outside any dataset: for `comodo embed` and the Python API."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comodo.clips.reasons import REASONS
from comodo.clips.windows import ImuCoverage
from comodo.errors import DataError, ImuError
from comodo.recordings.signal import ImuSignal


@dataclass(frozen=True, slots=True)
class SignalWindows:
    """Whole windows of one IMU signal: `windows[i]` is (C, T) float32, in m/s² and rad/s.

    Attributes:
        data: (n, C, T) float32.
        start_s: (n,) float64, start of each window on the signal's clock, s.
        end_s: (n,) float64.
        left_out: (m, 2) float64, start and end of the windows that a hole of the signal touches, s.
    """

    data: NDArray[np.float32]
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    left_out: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, row: int) -> NDArray[np.float32]:
        window: NDArray[np.float32] = self.data[row]
        return window

    def describe(self, row: int) -> str:
        """Name a window: its number and its time."""
        return f"window {row} ({self.start_s[row]:g} to {self.end_s[row]:g} s)"


def cut_windows(signal: ImuSignal, seconds: float | None = 5.0, step_s: float | None = None) -> SignalWindows:
    """Cut a signal into windows, as the workflow does for an IMU-only dataset.

    Window i covers [i · step_s, i · step_s + seconds) of the signal's clock. Windows that a hole touches are left out.

    Args:
        signal: what `read_imu` returns.
        seconds: length of a window, as in the student's training; None: the whole signal is one window.
        step_s: from one window to the next, s; None: `seconds`, so that none overlap.

    Raises:
        DataError: when a window or a step would hold no sample.
        ImuError: when no window is whole; its reason is `imu_gap` or `imu_too_short`.

    Example:
        >>> windows = cut_windows(signal, seconds=5)
        >>> windows.data.shape
        (12, 6, 1000)
    """
    if seconds is not None and not seconds * signal.rate_hz >= 1:
        raise DataError(f"windows of {seconds:g} s at {signal.rate_hz:g} Hz hold no sample: make them longer")
    if step_s is not None and not step_s * signal.rate_hz >= 1:
        raise DataError(f"a step of {step_s:g} s at {signal.rate_hz:g} Hz holds no sample: make it longer")
    coverage = ImuCoverage(signal.runs, signal.start_s, signal.rate_hz, seconds, step_s)
    candidates = coverage.imu_only(seconds)
    whole = [window for window in candidates if not window.reason]
    if not whole:
        reason, detail = coverage.why_none(candidates)
        error = ImuError(reason, detail or f"{REASONS[reason]}, in each of {len(candidates)} windows")
        error.notes = signal.notes
        raise error
    return SignalWindows(
        np.stack([signal.data[:, slice(*window.samples)] for window in whole]),
        np.array([window.time_s[0] for window in whole]),
        np.array([window.time_s[1] for window in whole]),
        np.array([window.time_s for window in candidates if window.reason]).reshape(-1, 2),
    )
