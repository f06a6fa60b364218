"""No objective: the student is not trained."""

from __future__ import annotations

from comodo.config.objectives import UntrainedSettings
from comodo.objectives.lesson import Inputs, Lesson, paired_lesson, train_rows
from comodo.objectives.projections import projections


class Untrained:
    """No training. With a teacher, untrained heads allow the student's zero-shot accuracy to be measured."""

    def __init__(self, settings: UntrainedSettings) -> None:
        self.settings = settings

    def lesson(self, inputs: Inputs) -> Lesson:
        """Return the train windows and, with a teacher, the heads."""
        if inputs.store is None:
            return Lesson(train=inputs.split("train"))
        rows = train_rows(inputs, clips_per_recording=0)
        return paired_lesson(inputs, rows, projections(inputs, rows, self.settings))
