"""`comodo evaluate`: the published unsupervised_rep_test.py by its flags. It writes a config and runs the workflow."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from comodo.commands.inputs import check_model, is_folder
from comodo.commands.workflow import (
    add_result,
    add_shared_flags,
    dataset_settings,
    run_experiment,
    short_name,
)
from comodo.errors import CommandError


def main(arguments: Sequence[str]) -> int:
    """Run `comodo evaluate …`; returns the exit status. Raises `ComodoError` where it cannot run."""
    options = parser().parse_args(arguments)
    if options.model_path and not (
        is_folder(options.model_path) and Path(options.model_path, "config.json").is_file()
    ):
        raise CommandError(
            f"--model_path {options.model_path} is no trained student: give the folder that "
            "`comodo train` names (published .pth files hold no model, only weights: they cannot be read)"
        )
    check_model("--imu_ckpt", options.imu_ckpt)
    check_model("--model_path", options.model_path)
    category = published_category(options.model_path)  # first, as it may find the student broken
    figures = run_experiment(experiment_config(options), ["evaluate", *arguments], options)
    if figures is not None:
        add_result(
            options.imu_ckpt, options.dataset_path, options.model_path, category, figures, options.scoring
        )
    return 0


def parser() -> argparse.ArgumentParser:
    """The published flags, with their published defaults."""
    parser = argparse.ArgumentParser(prog="comodo evaluate", description=__doc__)
    parser.add_argument(
        "--imu_ckpt",
        default="AutonLab/MOMENT-1-small",
        help="the student as it came: hub id or folder; default %(default)s",
    )
    parser.add_argument(
        "--model_path",
        default="",
        metavar="DIR",
        help="a trained student, …/student, which is whole: --imu_ckpt is then only written to the result file",
    )
    add_shared_flags(parser, "dataset/egoexo4d")
    return parser


def experiment_config(options: argparse.Namespace) -> dict[str, Any]:
    """The config of one experiment, as plain values, from the flags. Raises `ValueError`."""
    dataset = short_name(options.dataset_path, "--dataset_path")
    settings = dataset_settings(options.dataset_path, options.dataset)
    name = short_name(options.model_path or options.imu_ckpt, "--imu_ckpt")
    if not Path("results", dataset, "clips.parquet").exists():
        # No training on this dataset: an evaluation needs no video, so none is read.
        dataset, settings["video"] = f"{dataset}-imu", None
    return {
        "datasets": {dataset: settings},
        "students": {name: {"checkpoint": options.model_path or options.imu_ckpt}},
        "experiments": {f"{dataset}_{name}": {"dataset": dataset, "student": name, "objective": "none"}},
        "evaluation": {"score_windows": "imu"},  # as published
    }


def published_category(model_path: str) -> str:
    """Return the heading of the published result file that a student belongs under; "" is a frozen one."""
    from comodo.models.distilled import has_linear_head, saved_about
    from comodo.report.published import BASELINE_CATEGORY, CATEGORIES, COMODO_CATEGORY

    if not model_path or not (Path(model_path) / "comodo.json").is_file():
        return COMODO_CATEGORY
    objective = saved_about(Path(model_path), "objective")
    if objective is not None:
        return CATEGORIES.get(objective, COMODO_CATEGORY)
    if not has_linear_head(Path(model_path)):
        return COMODO_CATEGORY
    print(
        f"note: {model_path} does not say by which objective it was trained (an older version); its head is linear, "
        f"so it is filed under {BASELINE_CATEGORY}"
    )
    return BASELINE_CATEGORY
