"""Objectives, one module each: training data, heads and loss of a student (distill.smk).

The settings of each objective are in `comodo.config.objectives`, under the same name.
"""

from typing import Any

from comodo.config import ExperimentSettings
from comodo.config.objectives import ClassSettings
from comodo.objectives.by_class import class_objective
from comodo.objectives.comodo import Comodo, ComodoLoss
from comodo.objectives.infonce import Infonce, InfoNCELoss
from comodo.objectives.l2 import L2, L2Loss
from comodo.objectives.lesson import Inputs, Lesson, Objective
from comodo.objectives.none import Untrained
from comodo.objectives.supervised import Supervised

__all__ = [
    "OBJECTIVES",
    "ComodoLoss",
    "InfoNCELoss",
    "Inputs",
    "L2Loss",
    "Lesson",
    "Objective",
    "objective_of",
]

OBJECTIVES: dict[str, Any] = {
    "comodo": Comodo,
    "infonce": Infonce,
    "l2": L2,
    "supervised": Supervised,
    "none": Untrained,
}
"""Built-in objectives by their name in the config."""


def objective_of(experiment: ExperimentSettings) -> Objective:
    """Create the objective of an experiment from its settings."""
    settings = experiment.of_objective
    if isinstance(settings, ClassSettings):
        return class_objective(experiment.class_path or "", experiment.class_kwargs, settings)
    objective: Objective = OBJECTIVES[experiment.objective_name](settings)
    return objective
