"""What reruns when one key of the config changes: that and nothing else (docs/operations.md shows it)."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from comodo.config import (
    DatasetSettings,
    EvaluationSettings,
    ExperimentSettings,
    ImuSettings,
    StudentSettings,
    TeacherSettings,
    VideoSettings,
)
from tests.support.project import Project, tiny_config

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

EVALUATED = {"extract_features": 1, "evaluate_anchors": 1, "evaluate_svm": 1, "report": 1}
TRAINED = {"distill": 1, **EVALUATED}  # of `comodo`
BOTH = {"distill": 2, "extract_features": 2, "evaluate_anchors": 2, "evaluate_svm": 2, "report": 1}
ENCODED = {
    "encode_video": 2, "merge_embeddings": 1, "select_anchors": 1, "extract_teacher_features": 1,
    **BOTH, "evaluate_anchors": 3, "evaluate_svm": 3,
}  # fmt: skip
SCORED = {"report_quality": 1, "merge_clips": 1, **ENCODED}
del SCORED["encode_video"]
PAIRED = {"pair_clips": 2, "report_quality": 1, "merge_clips": 1, **ENCODED}
IMU = {"preprocess_imu": 2, **PAIRED}
VIDEO = {"extract_clips": 2, **PAIRED}
ALL = {"index_recordings": 1, "extract_clips": 2, **IMU}
THREE_SHARDS = {**ALL, "extract_clips": 3, "preprocess_imu": 3, "pair_clips": 3, "encode_video": 3}
FOLDED = {
    "assign_fold": 3, "select_fold_anchors": 3, "extract_teacher_features": 3, "distill": 6,
    "extract_features": 6, "evaluate_anchors": 9, "evaluate_svm": 9, "report": 1,
}  # fmt: skip
TABLE: dict[str, list[tuple[str, Any, dict[str, int]]]] = {
    "datasets.tiny": [
        ("shards", 3, THREE_SHARDS),
        ("clip_s", 3, VIDEO),
        ("windows", "reference", PAIRED),
        ("alignment", "reference", IMU),
        ("clips_per_recording", 2, PAIRED),
        ("stride_s", 1.0, PAIRED),
        ("sync", "report", {"estimate_sync": 2, "merge_sync": 1, "report": 1}),
        ("sync", "correct", {"estimate_sync": 2, "merge_sync": 1, **PAIRED}),
        ("max_bad_fraction", 0.2, {}),
        ("splits", "dataset/tiny/splits", {}),  # spelt out, but the default
        ("splits", {"folds": 3}, FOLDED),
    ],
    "datasets.tiny.video": [
        ("fps", 5, VIDEO),
        ("size", 64, VIDEO),
        ("crf", 20, VIDEO),
        ("hwaccel", "cuda", {}),  # the same video, faster
    ],
    "datasets.tiny.imu": [
        ("rate_hz", 100, IMU),
        ("max_gap_s", 0.2, IMU),
        ("accel_counts_per_g", 8192, {}),  # of layout uestc
        ("gyro_counts_per_dps", 16, {}),
    ],
    "datasets.tiny.simulate": [("seed", 1, {"simulate": 1, **ALL})],
    "teachers.small": [
        ("batch_size", 3, {}),
        ("compile", True, {}),
        ("precision", "bfloat16", ENCODED),
        ("flip", 0.5, ENCODED),
        ("pooling", "first", ENCODED),
        ("n_frames", 4, {}),  # the model's own
        ("n_frames", 2, ENCODED),
        ("seed", 1, {"make_teacher": 1, **ENCODED}),
        ("revision", "x", {}),  # of checkpoints
    ],
    "students.small": [
        ("reduction", "mean", BOTH),
        ("gradient_checkpointing", True, {}),  # of MOMENT
        ("revision", "x", {}),
    ],
    "experiments.comodo": [
        ("queue_size", 6, TRAINED),
        ("student_temperature", 0.06, TRAINED),
        ("teacher_temperature", 0.2, TRAINED),
        ("infonce_temperature", 0.2, {}),  # of infonce
        ("infonce_symmetric", True, {}),
        ("clips_per_recording", 2, TRAINED),
        ("projection", "pca", TRAINED),
        ("student_head", "linear", TRAINED),
        ("projection_hidden", 16, TRAINED),
        ("projection_dim", 8, TRAINED),
        ("learning_rate", 1e-3, TRAINED),
        ("epochs", 1, TRAINED),
        ("batch_size", 4, TRAINED),
        ("precision", "bfloat16", TRAINED),
        ("compile", True, TRAINED),
        ("schedule", "reference", TRAINED),
        ("baseline", "frozen", {"report": 1}),
    ],
    "evaluation": [
        ("labels_per_class", [1, "all"], {"evaluate_svm": 3, "report": 1}),
        ("label_draws", 2, {"evaluate_svm": 3, "report": 1}),
        ("max_train_windows", 50, {"evaluate_svm": 3, "report": 1}),
        ("score_windows", "imu", SCORED),
    ],
}
BLOCKS = {
    "datasets.tiny": DatasetSettings,
    "datasets.tiny.video": VideoSettings,
    "datasets.tiny.imu": ImuSettings,
    "teachers.small": TeacherSettings,
    "students.small": StudentSettings,
    "experiments.comodo": ExperimentSettings,
    "evaluation": EvaluationSettings,
}
# What makes another dataset, model or experiment, or cannot be had in this one; and blocks with rows of their own.
ELSEWHERE = {
    "layout", "root", "table", "segments", "simulate", "video", "imu", "csv", "checkpoint", "architecture",
    "architecture_config", "pretraining", "class_path", "class_kwargs", "embeddings", "dataset", "teacher", "student",
    "objective", "labels_per_class", "eval_datasets",
}  # fmt: skip
ROWS = [(block, *row) for block, rows in TABLE.items() for row in rows]


@pytest.mark.parametrize(("block", "key", "value", "expected"), ROWS, ids=[f"{b}.{k}" for b, k, *_ in ROWS])
def test_a_changed_key_reruns(
    finished: Project, block: str, key: str, value: Any, expected: dict[str, int]
) -> None:
    config = copy.deepcopy(tiny_config())
    part = config
    for name in block.split("."):
        part = part.setdefault(name, {})
    part[key] = value
    assert finished.plan(config) == expected


@pytest.mark.parametrize("block", BLOCKS)
def test_the_table_has_every_key(block: str) -> None:
    listed = {key for key, *_ in TABLE[block]}
    assert set(BLOCKS[block].model_fields) - ELSEWHERE <= listed
