"""What runs again after a change, read from the dry run's job list: that and nothing else."""

from __future__ import annotations

import os
import shutil
from typing import Any

import pytest

from tests.support.project import STUDENT, TEACHER, Project, tiny_config

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

PREPARED_SHARD = {"extract_clips": 1, "preprocess_imu": 1, "pair_clips": 1, "encode_video": 1}
PREPARED = {"report_quality": 1, "merge_clips": 1, "merge_embeddings": 1, "select_anchors": 1}
EVALUATED = {"extract_features": 1, "evaluate_anchors": 1, "evaluate_svm": 1, "report": 1}
DISTILLED = {"distill": 1, **EVALUATED}
TEACHER_EVALUATED = {"extract_teacher_features": 1, "evaluate_anchors": 1, "evaluate_svm": 1}


def plus(*counts: dict[str, int]) -> dict[str, int]:
    total: dict[str, int] = {}
    for count in counts:
        for rule, number in count.items():
            total[rule] = total.get(rule, 0) + number
    return total | {"report": 1}


@pytest.fixture(scope="module")
def finished(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the finished project: these tests touch its files for a moment."""
    folder = tmp_path_factory.mktemp("caching") / "copy"
    shutil.copytree(finished.folder, folder, symlinks=True)
    return Project(folder)


@pytest.fixture
def config() -> dict[str, Any]:
    return tiny_config()


def test_nothing_to_do(finished: Project, config: dict[str, Any]) -> None:
    assert finished.plan(config) == {}


@pytest.mark.parametrize("setting", [("student_temperature", 0.06), ("queue_size", 6), ("epochs", 3)])
def test_training_setting_reruns_distill_and_what_follows(
    finished: Project, config: dict[str, Any], setting: tuple[str, float]
) -> None:
    config["defaults"][setting[0]] = setting[1]
    assert finished.plan(config) == DISTILLED  # of `comodo`; `frozen` is not trained


def test_second_teacher_reruns_encode_for_it_only(finished: Project, config: dict[str, Any]) -> None:
    config["teachers"]["other"] = {**TEACHER, "seed": 1}
    config["experiments"]["other"] = {"teacher": "other"}
    expected = plus({"make_teacher": 1, "encode_video": 2}, {"merge_embeddings": 1, "select_anchors": 1})
    assert finished.plan(config) == plus(expected, DISTILLED, TEACHER_EVALUATED)


def test_how_a_teacher_looks_at_clips_leaves_its_weights_alone(
    finished: Project, config: dict[str, Any]
) -> None:
    config["teachers"]["small"] = {**TEACHER, "precision": "bfloat16", "flip": 0.5, "n_frames": 4}
    plan = finished.plan(config)
    assert plan["encode_video"] == 2
    assert "make_teacher" not in plan


def test_a_smaller_batch_encodes_nothing_again(finished: Project, config: dict[str, Any]) -> None:
    config["teachers"]["small"] = {**TEACHER, "batch_size": 3}
    assert finished.plan(config) == {}


def test_the_target_embedded_includes_the_dataset_that_is_trained_on(
    finished: Project, config: dict[str, Any]
) -> None:
    config["datasets"]["away"] = {**config["datasets"]["tiny"], "root": "dataset/away"}
    config["defaults"]["dataset"] = "away"
    config["defaults"]["eval_datasets"] = ["tiny"]
    plan = finished.plan(config, "embedded")
    assert plan["encode_video"] == 2  # the shards of `away`; those of `tiny` are there
    assert plan["select_anchors"] == 1


def test_experiments_with_one_teacher_share_its_store(finished: Project, config: dict[str, Any]) -> None:
    config["students"]["other"] = {**STUDENT, "reduction": "mean"}
    config["experiments"]["second"] = {"student": "other", "teacher_temperature": 0.2}
    assert finished.plan(config) == DISTILLED


def test_sweep_adds_its_new_points_only(finished: Project, config: dict[str, Any]) -> None:
    config["experiments"]["sweep"] = {"queue_size": [4, 8]}
    assert finished.plan(config) == plus(DISTILLED, DISTILLED)


def test_second_seed_adds_one_run_of_each_experiment(finished: Project, config: dict[str, Any]) -> None:
    config["seeds"] = [42, 43]
    assert finished.plan(config) == plus(DISTILLED, DISTILLED)


@pytest.mark.parametrize("kind", ["full_scale/*.mp4", "imu/*.csv"])
def test_replaced_raw_file_reruns_its_shard_and_what_follows(
    finished: Project, config: dict[str, Any], kind: str
) -> None:
    raw = min((finished.folder / "dataset" / "tiny").glob(kind))
    before = raw.stat()
    try:
        os.utime(raw, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000_000))
        plan = finished.plan(config)
    finally:
        os.utime(raw, ns=(before.st_atime_ns, before.st_mtime_ns))
    everything_after = plus(PREPARED_SHARD, PREPARED, DISTILLED, DISTILLED, TEACHER_EVALUATED)
    assert plan == everything_after
    assert finished.plan(config) == {}


def test_video_setting_leaves_the_imu_alone(finished: Project, config: dict[str, Any]) -> None:
    config["datasets"]["tiny"]["video"] = {"size": 32, "crf": 20}
    plan = finished.plan(config)
    assert plan["extract_clips"] == plan["encode_video"] == 2
    assert "preprocess_imu" not in plan


def test_imu_setting_leaves_the_video_alone(finished: Project, config: dict[str, Any]) -> None:
    config["datasets"]["tiny"]["imu"] = {"max_gap_s": 0.2}
    plan = finished.plan(config)
    assert plan["preprocess_imu"] == plan["pair_clips"] == 2
    assert "extract_clips" not in plan


def test_more_label_counts_rerun_the_svm_only(finished: Project, config: dict[str, Any]) -> None:
    config["evaluation"] = {"labels_per_class": [1, 2, "all"]}
    assert finished.plan(config) == {"evaluate_svm": 3, "report": 1}
