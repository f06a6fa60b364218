"""The training loop under its name of the first version: see `comodo.distill`."""

from comodo.clips.imu_windows import Windows
from comodo.distill.loop import Run, train_distillation
from comodo.distill.schedule import WARMUP, learning_rate, schedule_steps, shuffled_batches
from comodo.distill.states import STATES_KEPT
from comodo.errors import TrainingError
from comodo.objectives import Lesson
from comodo.objectives.targets import Targets

__all__ = [
    "STATES_KEPT",
    "WARMUP",
    "Lesson",
    "Run",
    "Targets",
    "TrainingError",
    "Windows",
    "learning_rate",
    "schedule_steps",
    "shuffled_batches",
    "train_distillation",
]
