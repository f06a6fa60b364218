"""`comodo train`: the published train.py by its flags. It writes a config and runs the workflow."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NamedTuple

from comodo.commands.inputs import check_model
from comodo.commands.workflow import (
    add_result,
    add_shared_flags,
    dataset_settings,
    run_experiment,
    short_name,
)
from comodo.storage.files import json_digest


class _Flag(NamedTuple):
    """A published flag that is a setting of the experiment."""

    key: str
    default: int | float
    help: str


SETTINGS = {
    "queue_size": _Flag("queue_size", 16384, "teacher embeddings in the queue"),
    "student_temp": _Flag("student_temperature", 0.05, "softmax temperature of the student"),
    "teacher_temp": _Flag("teacher_temperature", 0.1, "softmax temperature of the teacher"),
    "learning_rate": _Flag("learning_rate", 3e-4, "peak learning rate"),
    "num_epochs": _Flag("epochs", 20, "passes over the train clips"),
    "batch_size": _Flag("batch_size", 128, "windows per step"),
    "num_clips": _Flag("clips_per_recording", 0, "train on that many clips of each recording; 0: on all"),
    "mlp_hidden_dim": _Flag("projection_hidden", 2048, "hidden width of the projection MLPs"),
    "mlp_output_dim": _Flag("projection_dim", 128, "output width of the projection MLPs"),
}
WITHOUT_MEANING = {
    "is_raw": "raw and processed IMU are recognised by their files",
    "encoded_video_path": "teacher embeddings are kept in results/<dataset>/teachers/, one file for every experiment",
    "anchor_video_path": "anchors are kept in results/<dataset>/teachers/",
}


def main(arguments: Sequence[str]) -> int:
    """Run `comodo train …`; returns the exit status. Raises `ComodoError` where it cannot run."""
    options = parser().parse_args(arguments)
    for flag, reason in WITHOUT_MEANING.items():
        if getattr(options, flag) is not None:
            print(f"--{flag} has no meaning here: {reason}")
    config = experiment_config(options)
    figures = run_experiment(config, ["train", *arguments], options)
    if figures is not None:
        model = f"results/experiments/{next(iter(config['experiments']))}/seed{options.seed}/student"
        add_result(options.imu_ckpt, options.dataset_path, model, "COMODO", figures, options.scoring)
    return 0


def parser() -> argparse.ArgumentParser:
    """The published flags, with their published defaults."""
    parser = argparse.ArgumentParser(prog="comodo train", description=__doc__)
    parser.add_argument("--video_ckpt", required=True, help="the teacher: hub id or folder")
    parser.add_argument("--imu_ckpt", required=True, help="the student to start from: hub id or folder")
    add_shared_flags(parser, "dataset/ego4d_data")
    for flag, setting in SETTINGS.items():
        parser.add_argument(
            f"--{flag}", type=type(setting.default), default=setting.default, metavar="NUMBER",
            help=f"{setting.help}; default %(default)s",
        )  # fmt: skip
    parser.add_argument("--seed", type=int, default=42, metavar="NUMBER", help="default %(default)s")
    parser.add_argument(
        "--reduction", choices=["concat", "mean"], default="concat", help="how channels become one embedding"
    )
    for flag in WITHOUT_MEANING:
        parser.add_argument(f"--{flag}", nargs="?", const="", help="accepted, without a meaning here")
    return parser


def experiment_config(options: argparse.Namespace) -> dict[str, Any]:
    """The config of one experiment, as plain values, from the flags. Raises `ValueError`."""
    check_model("--video_ckpt", options.video_ckpt)
    check_model("--imu_ckpt", options.imu_ckpt)
    dataset = short_name(options.dataset_path, "--dataset_path")
    teacher = short_name(options.video_ckpt, "--video_ckpt")
    student = short_name(options.imu_ckpt, "--imu_ckpt")
    given = vars(options)
    changed = {flag: given[flag] for flag, s in SETTINGS.items() if given[flag] != s.default}
    if options.reduction != "concat":
        changed["reduction"] = options.reduction
    about = json_digest([options.dataset_path, options.video_ckpt, options.imu_ckpt, changed])[:6]
    base = student.rpartition("_")[2].lstrip(".+=-")[:24]
    name = f"{base or 'student'}-{about}"
    return {
        "datasets": {dataset: dataset_settings(options.dataset_path, options.dataset)},
        "teachers": {teacher: {"checkpoint": options.video_ckpt}},
        "students": {student: {"checkpoint": options.imu_ckpt, "reduction": options.reduction}},
        "experiments": {
            name: {"dataset": dataset, "teacher": teacher, "student": student, "objective": "comodo"}
            | {setting.key: given[flag] for flag, setting in SETTINGS.items()}
        },
        "seeds": [options.seed],
        "evaluation": {"score_windows": "imu"},  # as published
    }
