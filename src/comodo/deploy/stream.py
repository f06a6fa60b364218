"""Predictions on a stream of IMU samples, with the numbers of `predict` on the same data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from comodo.deploy.classifier import Classifier, load_classifier
from comodo.errors import DataError, ImuError
from comodo.models.calibration import margins
from comodo.recordings.overlaps import Stretch
from comodo.recordings.packets import spread_packets
from comodo.recordings.resample import FILTER_HALF, resample_stretches
from comodo.recordings.stuck import cut_stuck

LATE_S: Final = 1.0  # samples that are this much earlier than the latest one are ignored
NEIGHBOURS: Final = 3  # samples on each side that the interpolation uses
ACCEL, GYRO = slice(0, 3), slice(3, 6)


@dataclass(frozen=True, slots=True)
class Prediction:
    """Class of one window.

    Attributes:
        start_s: start of the window after the first sample of the stream, s.
        end_s: its end, s.
        clock_s: its start on the clock of the stream, s.
        label: class.
        score: its probability.
        margin: difference to the next class.
        unknown: whether the margin is under the calibrated threshold; None without one.
        probabilities: of all classes, (C,), in the order of `Classifier.classes`.
    """

    start_s: float
    end_s: float
    clock_s: float
    label: str
    score: float
    margin: float
    unknown: bool | None
    probabilities: NDArray[np.float64]


class StudentStream:
    """Classify windows of a stream as they become complete.

    Samples may come at any rate, one by one or in bursts, with holes, and up to `delay_s` late. A window is predicted
    `delay_s` after its end. Windows that a hole touches are left out and counted. If the clock jumps back or far ahead
    and goes on from there for a second, the stream starts anew: windows are counted from the new first sample, and
    `notes` says so. The memory is that of one window and step.

    Args:
        student: folder of a student, its id on the hub, or a `Classifier`.
        step_s: from one window to the next, s; None: the length of a window.

    Attributes:
        delay_s: time after the end of a window until it is predicted, s.
        left_out: number of windows that were left out for holes.
        ignored: number of samples that came too late or were not finite.
        notes: restarts of the clock.

    Raises:
        ModelError: if the student has no classes or no fixed window length.

    Example:
        >>> stream = StudentStream("results/experiments/comodo/seed42/student", step_s=1.0)
        >>> for prediction in stream.push(samples, timestamps):
        ...     print(prediction.clock_s, prediction.label)
    """

    def __init__(self, student: str | Path | Classifier, step_s: float | None = None) -> None:
        self.classifier = student if isinstance(student, Classifier) else load_classifier(student)
        form = self.classifier.form
        if form.clip_s is None:
            raise DataError("this student was trained on whole recordings: a stream has no windows for it")
        self.step_s = form.clip_s if step_s is None else step_s
        if not self.step_s * form.rate_hz >= 1:
            raise DataError(f"a step of {self.step_s:g} s holds no sample at {form.rate_hz:g} Hz")
        self.form, self.clip_s = form, form.clip_s
        self.delay_s = FILTER_HALF / form.rate_hz + NEIGHBOURS * form.max_gap_s
        self.left_out = self.ignored = 0
        self.notes: list[str] = []
        self._start(None)

    def _start(self, origin_s: float | None) -> None:
        self._origin_s = origin_s
        self._time = np.empty(0)
        self._values = np.empty((6, 0))
        self._window = 0  # the next one
        self._behind: list[tuple[float, NDArray[np.float64]]] = []  # samples that may be a new clock

    def push(self, samples: ArrayLike, timestamps: ArrayLike) -> list[Prediction]:
        """Add samples, and return the predictions of the windows that are complete now.

        Args:
            samples: (n, 6), acceleration in m/s² and angular rate in rad/s.
            timestamps: (n,), s, on any clock that runs on.

        Raises:
            DataError: if the shapes are wrong.
        """
        values, time = np.asarray(samples, dtype=np.float64), np.asarray(timestamps, dtype=np.float64)
        if time.ndim != 1 or values.shape != (len(time), 6):
            raise DataError(
                f"samples must be (n, 6) and timestamps (n,), not {values.shape} and {time.shape}"
            )
        usable = np.isfinite(values).all(axis=1) & np.isfinite(time)
        self.ignored += int((~usable).sum())
        made: list[Prediction] = []
        for row in _runs(time[usable], values[usable]):
            made += self._add(*row)
        return made + self._predict()

    def close(self) -> list[Prediction]:
        """End the stream, and return the predictions of the windows that are complete without later samples."""
        made = self._predict(ended=True)
        self._start(None)
        return made

    def _add(self, time: NDArray[np.float64], values: NDArray[np.float64]) -> list[Prediction]:
        """Add samples of ascending times; returns predictions where the clock starts anew."""
        if self._origin_s is None:
            self._start(float(time[0]))
        assert self._origin_s is not None
        time = time - self._origin_s
        latest = self._time[-1] if len(self._time) else time[0]
        late = time < latest - LATE_S
        if not late.any():
            self._behind = []
        else:
            self._behind += list(zip(time[late] + self._origin_s, values[late], strict=True))
            first, last = self._behind[0][0], self._behind[-1][0]
            if last - first >= LATE_S:
                return self._restart(first, time[~late] + self._origin_s, values[~late])
            if not late.all():  # the clock goes on as before: the others were late
                self.ignored += len(self._behind)
                self._behind = []
        self._insert(time[~late], values[~late].T)
        return []

    def _restart(
        self, first: float, time: NDArray[np.float64], values: NDArray[np.float64]
    ) -> list[Prediction]:
        held, made = self._behind, self._predict(ended=True)
        assert self._origin_s is not None
        latest = self._origin_s + self._time[-1]
        self.notes.append(f"the clock jumped from {latest:.3f} s to {first:.3f} s: the stream starts anew")
        self._start(first)
        for moment, sample in sorted(held, key=lambda pair: pair[0]):
            self._insert(np.array([moment - first]), sample[:, None])
        if len(time):
            self._insert(time - first, values.T)
        return made

    def _insert(self, time: NDArray[np.float64], values: NDArray[np.float64]) -> None:
        if not len(time):
            return
        in_order = not len(self._time) or time[0] >= self._time[-1]
        self._time = np.concatenate([self._time, time])
        self._values = np.concatenate([self._values, values], axis=1)
        if not in_order:
            order = np.argsort(self._time, kind="stable")
            self._time, self._values = self._time[order], self._values[:, order]

    def _predict(self, ended: bool = False) -> list[Prediction]:
        windows: list[NDArray[np.float32]] = []
        starts: list[float] = []
        while len(self._time) and self._ready(ended):
            start_s = self._window * self.step_s
            window = self._cut(start_s)
            if window is None:
                self.left_out += start_s + self.clip_s <= self._time[-1]
            else:
                windows.append(window)
                starts.append(start_s)
            self._window += 1
            self._forget()
        if not windows:
            return []
        probabilities = self.classifier.scores(np.stack(windows)).probabilities
        return [self._prediction(start, row) for start, row in zip(starts, probabilities, strict=True)]

    def _ready(self, ended: bool) -> bool:
        end_s = self._window * self.step_s + self.clip_s
        return bool(self._time[-1] + (LATE_S if ended else -self.delay_s) >= end_s)

    def _cut(self, start_s: float) -> NDArray[np.float32] | None:
        """Return the window (6, T) that starts at a time; None where a hole touches it."""
        form = self.form
        low, high = start_s - self.delay_s, start_s + self.clip_s + self.delay_s
        begin, end = np.searchsorted(self._time, (low, high))
        if end - begin < 2:
            return None
        stretch = Stretch(self._time[begin:end], self._values[:, begin:end])
        try:
            spread, _ = spread_packets(stretch, 1 / form.rate_hz, [])
        except ImuError:  # all samples have one timestamp
            return None
        stretches = cut_stuck(spread, form.max_gap_s, ACCEL, GYRO, [])
        first, data = resample_stretches(stretches, form.rate_hz, form.max_gap_s)
        length = round(self.clip_s * form.rate_hz)
        begin = round(self._window * (self.step_s * form.rate_hz)) - first
        window = data[:, max(0, begin) : max(0, begin + length)]
        whole = begin >= 0 and window.shape[1] == length
        return np.ascontiguousarray(window) if whole and bool(np.isfinite(window).all()) else None

    def _forget(self) -> None:
        """Drop the samples that no later window needs; skip the windows before the next sample after a hole."""
        keep = int(np.searchsorted(self._time, self._window * self.step_s - self.delay_s))
        if keep:
            self._time, self._values = self._time[keep:], self._values[:, keep:]
        if len(self._time) and (ahead := self._time[0] - self._window * self.step_s) > self.clip_s:
            skipped = math.floor((ahead - self.clip_s) / self.step_s)
            self._window += skipped
            self.left_out += skipped

    def _prediction(self, start_s: float, probabilities: NDArray[Any]) -> Prediction:
        assert self._origin_s is not None
        place = int(probabilities.argmax())
        margin = margins(probabilities[None])
        unknown = self.classifier.unknown(margin)
        return Prediction(
            start_s=start_s,
            end_s=start_s + self.clip_s,
            clock_s=self._origin_s + start_s,
            label=self.classifier.classes[place],
            score=float(probabilities[place]),
            margin=float(margin[0]),
            unknown=None if unknown is None else bool(unknown[0]),
            probabilities=probabilities,
        )


def _runs(
    time: NDArray[np.float64], values: NDArray[np.float64]
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Split samples into runs of ascending times, so that a restart within a burst is seen."""
    cuts = np.flatnonzero(np.diff(time) < 0) + 1
    return [run for run in zip(np.split(time, cuts), np.split(values, cuts), strict=True) if len(run[0])]
