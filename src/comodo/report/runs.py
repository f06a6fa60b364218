"""The evaluations of a config: every encoder on every dataset, with their score files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from comodo.config import Config, fold_folder


class EvaluatedRun(TypedDict):
    """One encoder on one dataset, as plain data: a teacher (no experiment, no seed), or a student of an experiment.

    Keys: folder (relative to results/) with one score file per protocol, `<protocol>.json`; dataset (trained on);
    eval_dataset; and the rest as in the config. trained_by is the digest that
    its student carries. fold is the number of the evaluated dataset's fold. Where there is none: None for experiment,
    seed, queue_size, fold and trained_by, "-" for a student without teacher.
    """

    folder: str
    protocols: list[str]
    dataset: str
    eval_dataset: str
    teacher: str
    student: str | None
    objective: str | None
    queue_size: int | None
    seed: int | None
    experiment: str | None
    fold: int | None
    trained_by: str | None


def evaluated_runs(config: Config, folds: Mapping[str, int] | None = None) -> list[EvaluatedRun]:
    """Return the evaluations of a config: teachers first, then every experiment by dataset, fold and seed.

    Args:
        config: the config.
        folds: number of folds of each dataset with folds.
    """

    def numbers(dataset: str) -> Sequence[int | None]:
        return range(folds[dataset]) if folds and dataset in folds else [None]

    evaluations = [(name, d) for name in config.experiments for d in config.evaluated_on(name)]
    teachers = {
        (dataset, str(config.experiments[name].teacher))
        for name, dataset in evaluations
        if "anchors" in config.protocols(name, dataset)
    }
    runs = [
        teacher_run(dataset, teacher, fold)
        for dataset, teacher in sorted(teachers)
        for fold in numbers(dataset)
    ]
    for name, dataset in evaluations:
        protocols = config.protocols(name, dataset)
        runs += [
            student_run(config, name, seed, dataset, protocols, fold)
            for fold in numbers(dataset)
            for seed in config.seeds
        ]
    return list({run["folder"]: run for run in runs}.values())  # a seed or dataset may be listed twice


def teacher_run(dataset: str, teacher: str, fold: int | None = None) -> EvaluatedRun:
    """Return the run of a teacher's own embeddings, on a fold of the dataset if it has folds."""
    return EvaluatedRun(
        folder=f"{dataset}/{fold_folder(fold)}teachers/{teacher}",
        protocols=["anchors", "svm"],
        dataset=dataset,
        eval_dataset=dataset,
        teacher=teacher,
        student=None,
        objective=None,
        queue_size=None,
        seed=None,
        experiment=None,
        fold=fold,
        trained_by=None,
    )


def student_run(
    config: Config,
    experiment: str,
    seed: int,
    dataset: str,
    protocols: tuple[str, ...],
    fold: int | None = None,
) -> EvaluatedRun:
    """Return the run of an experiment's student on a dataset, or on a fold of it."""
    settings = config.experiments[experiment]
    # a student of another dataset, with a fixed split, is the same for all folds
    trained_on = fold if config.datasets[settings.dataset].folds is not None else None
    return EvaluatedRun(
        folder=f"experiments/{experiment}/{fold_folder(fold)}seed{seed}/{dataset}",
        protocols=sorted(protocols),
        dataset=settings.dataset,
        eval_dataset=dataset,
        teacher=settings.used.get("teacher", "-"),
        student=settings.student,
        objective=settings.objective_name,
        queue_size=settings.of_objective.withheld or None,
        seed=seed,
        experiment=experiment,
        fold=fold,
        trained_by=config.trained_by(experiment, seed, trained_on),
    )
