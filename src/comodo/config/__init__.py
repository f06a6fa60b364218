"""The config: one pydantic model per block, the single source of schema, defaults and docs.

`load` turns the merged YAML into a `Config` or raises `ConfigError` with one line per fault, each naming the key.
Imported by every Snakemake process, so it imports nothing heavy.
"""

from comodo.config.block import PathStr, Precision
from comodo.config.datasets import (
    PREDICT,
    SPLITS,
    DatasetSettings,
    SimulateSettings,
)
from comodo.config.evaluation import EvaluationSettings
from comodo.config.experiments import ExperimentSettings, trained_by
from comodo.config.folds import FoldSettings, fold_folder
from comodo.config.loading import load, load_config
from comodo.config.models import (
    ModelSettings,
    PretrainingSettings,
    StudentSettings,
    TeacherSettings,
    model_name,
)
from comodo.config.raw_data import ImuCsvColumns, ImuSettings, VideoSettings
from comodo.config.root import Config
from comodo.errors import ConfigError

__all__ = [
    "PREDICT",
    "SPLITS",
    "Config",
    "ConfigError",
    "DatasetSettings",
    "EvaluationSettings",
    "ExperimentSettings",
    "FoldSettings",
    "ImuCsvColumns",
    "ImuSettings",
    "ModelSettings",
    "PathStr",
    "Precision",
    "PretrainingSettings",
    "SimulateSettings",
    "StudentSettings",
    "TeacherSettings",
    "VideoSettings",
    "fold_folder",
    "load",
    "load_config",
    "model_name",
    "trained_by",
]
