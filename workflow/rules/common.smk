# What the rules share: the validated config, and the names in it.
import re
from pathlib import Path

from comodo.config import PREDICT, SPLITS, fold_folder, load
from comodo.config.description import describe_experiment
from comodo.config.duplicates import check_duplicate_keys
from comodo.errors import ClassPathError, ConfigError, LayoutError, QualityError, SplitsError, WriteError
from comodo.jobs.class_paths import class_digest
from comodo.jobs.versions import VERSIONS
from comodo.recordings.accepted import check_accepted
from comodo.recordings.published_splits import PUBLISHED
from comodo.recordings.raw_files import (
    count_folds,
    folder_state,
    imu_state,
    labelled_state,
    model_state,
    predicted_shards,
    predicted_state,
    raw_state,
)
from comodo.report.published import TABLE as PUBLISHED_FIGURES
from comodo.report.published import candidates
from comodo.report.runs import evaluated_runs
from comodo.storage.files import check_working_folder

try:
    check_working_folder(Path.cwd())
    for file in workflow.configfiles:
        check_duplicate_keys(Path(file))
    CONFIG = load(config)
except ConfigError as error:
    raise WorkflowError(f"the config has faults:\n{error}")
except WriteError as error:
    raise WorkflowError(str(error))

EXPERIMENTS = CONFIG.experiments
SETTINGS = {name: CONFIG.used_settings(name) for name in EXPERIMENTS}  # what the students depend on
EVALUATIONS = [(e, d) for e in EXPERIMENTS for d in CONFIG.evaluated_on(e)]
ENCODED = CONFIG.encoded()
DATASETS = sorted({e.dataset for e in EXPERIMENTS.values()} | {d for _, d in EVALUATIONS})


try:
    for dataset in DATASETS:
        check_accepted(dataset, CONFIG.datasets[dataset].max_bad_fraction, Path("results"))
except QualityError as error:
    raise WorkflowError(str(error))

# How many folds each dataset with folds by group has.
FOLDS = {}
for dataset in DATASETS:
    if CONFIG.datasets[dataset].folds is not None:
        try:
            FOLDS[dataset] = count_folds(dataset, CONFIG.datasets[dataset])
        except LayoutError:
            FOLDS[dataset] = 0  # the rules that list its recordings give the reason and its remedy
        except SplitsError as error:
            raise WorkflowError(f"{error} (config key datasets.{dataset}.splits)")


def check_classes():
    """Refuse class paths whose module or class does not exist, before the first job."""
    for block, entries in [
        ("datasets", CONFIG.datasets),
        ("students", CONFIG.students),
        ("teachers", CONFIG.teachers),
        ("experiments", EXPERIMENTS),
    ]:
        for name, settings in entries.items():
            try:
                class_digest(settings.class_path)
            except ClassPathError as error:
                raise WorkflowError(f"the config has faults:\n{block}.{name}.class: {error}")


check_classes()


def one_of(names):
    return "|".join(re.escape(str(name)) for name in names)


wildcard_constraints:
    dataset=one_of(CONFIG.datasets),
    teacher=one_of(CONFIG.teachers),
    experiment=one_of(EXPERIMENTS),
    fold=r"(fold\d+/)?",  # empty for a dataset with one fixed split
    number=r"\d+",  # of a fold
    seed=r"\d+",
    shard=r"\d+",
