"""The published command lines to the result file: tiny checkpoints, data as the published scripts leave them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

from comodo.commands.cli import main
from tests.support.writers import ego4d_lines, motion, write_ego4d_imu, write_splits, write_video

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

SPLITS = {
    "train": ["a\twalk", "b\trun", "c\twalk", "d\trun"],
    "val": ["e\twalk", "f\trun"],
    "test": ["g\twalk", "h\trun"],
}
FLAGS = ["--queue_size", "4", "--num_epochs", "2", "--batch_size", "4", "--learning_rate", "0.001"]
FLAGS += ["--mlp_hidden_dim", "32", "--mlp_output_dim", "16", "--seed", "7"]
IGNORED = [
    "--encoded_video_path",
    "data/encoded.pkl",
    "--anchor_video_path",
    "data/anchor.pkl",
    "--is_raw",
    "true",
]


def write_dataset(folder: Path) -> None:
    """The published folder: 20 s of processed video and IMU per recording; h is there as released, with a hole."""
    write_splits(folder, SPLITS)
    root, time = folder / "v2", np.arange(4000) / 200
    (root / "processed_imu").mkdir(parents=True)
    for i, line in enumerate(line for lines in SPLITS.values() for line in lines):
        name, label = line.split("\t")
        write_video(root / f"processed_video/{name}.mp4", 200)
        noise = np.random.default_rng(i).normal(0, 0.3, (6, len(time)))
        signal = motion(time * (2 if label == "run" else 1)) + noise
        np.save(root / f"processed_imu/{name}.npy", signal.astype(np.float32))
        np.save(root / f"processed_imu/{name}_timestamps.npy", time * 1000)
    write_ego4d_imu(root / "imu/h.csv", ego4d_lines(time[(time < 6) | (time > 7)]))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, golden: Path) -> Path:
    """A working folder in which `comodo train` has run."""
    folder = tmp_path_factory.mktemp("commands")
    write_dataset(folder / "ego4d_data")
    checkpoints = golden / "ckpt"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        command = ["train", "--video_ckpt", str(checkpoints / "videomae-tiny")]
        command += ["--imu_ckpt", str(checkpoints / "paris-noah-Mantis-tiny"), "--dataset_path", "ego4d_data"]
        assert main([*command, *FLAGS, *IGNORED, "--cores", "2"]) == 0
    return folder


def results(project: Path) -> list[dict[str, object]]:
    content = json.loads((project / "results/unsupervised_result/results.json").read_text())
    assert list(content) == ["COMODO"]
    entries: list[dict[str, object]] = content["COMODO"]
    return entries


def test_training_ends_with_the_published_fields(project: Path, golden: Path) -> None:
    entry = results(project)[0]
    assert list(entry) == ["imu", "dataset", "model", "acc1", "acc3", "acc5"]
    assert entry["imu"] == str(golden / "ckpt/paris-noah-Mantis-tiny")
    assert entry["dataset"] == "ego4d_data"
    student = project / str(entry["model"])
    assert (student / "model.safetensors").is_file()
    (scores,) = student.parent.glob("*/svm.json")
    rows = json.loads(scores.read_text())["results"]
    (row,) = (row for row in rows if row["labels_per_class"] == "all" and row["scoring"] == "decision")
    assert [entry[f"acc{k}"] for k in (1, 3, 5)] == [row[f"top{k}"] for k in (1, 3, 5)]
    assert len(json.loads((student.parent / "history.json").read_text())) == 2


def test_the_config_is_there_to_read_and_says_what_the_flags_said(project: Path) -> None:
    name = Path(str(results(project)[0]["model"])).parents[1].name
    (path,) = (project / "results/commands").glob(f"{name}*.yaml")
    config = yaml.safe_load(path.read_text())
    (experiment,) = config["experiments"].values()
    expected = {"queue_size": 4, "epochs": 2, "batch_size": 4, "learning_rate": 0.001, "projection_dim": 16}
    assert expected.items() <= experiment.items()
    assert config["seeds"] == [7]
    assert path.read_text().startswith("# Written by: comodo train --video_ckpt ")


def test_evaluation_takes_the_student_as_it_is(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same figures as at the end of the training, and nothing is trained, encoded or prepared again."""
    monkeypatch.chdir(project)
    entry = results(project)[0]
    made = {
        path: path.stat().st_mtime_ns for path in Path("results").glob("ego4d_data*/**/*") if path.is_file()
    }
    made |= {path: path.stat().st_mtime_ns for path in Path(str(entry["model"])).parent.rglob("*")}
    command = ["evaluate", "--imu_ckpt", str(entry["imu"]), "--dataset_path", "ego4d_data", "--cores", "2"]
    assert main([*command, "--model_path", str(entry["model"])]) == 0
    assert results(project) == [entry]
    assert {path: path.stat().st_mtime_ns for path in made} == made
    names = ("*_student-*", Path(str(entry["model"])).parents[1].name)
    (own,), (trained,) = (Path("results/experiments").glob(f"{name}/seed*/*/features.h5") for name in names)
    with h5py.File(own) as evaluated, h5py.File(trained) as file:
        np.testing.assert_array_equal(evaluated["test/feature"], file["test/feature"])


@pytest.mark.parametrize(
    ("folder", "jobs"),
    [
        ("ego4d_data", {"distill", "extract_features", "evaluate_svm"}),  # the windows of the training
        (
            "egoexo4d",
            {"index_recordings", "preprocess_imu", "pair_clips", "report_quality", "merge_clips"}
            | {"distill", "extract_features", "evaluate_svm"},
        ),  # no video is read where nobody has trained
    ],
)
def test_evaluating_a_frozen_checkpoint_plans_no_more_than_it_needs(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    folder: str,
    jobs: set[str],
) -> None:
    monkeypatch.chdir(project)
    write_splits(project / "egoexo4d", SPLITS)
    command = ["evaluate", "--imu_ckpt", "paris-noah/Mantis-8M", "--dataset_path", folder, "--dry_run"]
    assert main(command) == 0
    told = capfd.readouterr()
    stats = (told.out + told.err).split("Job stats:")[1].split("total")[0]
    assert set(re.findall(r"^(\w+) +\d+$", stats, re.MULTILINE)) == jobs
    assert len(results(project)) == 1


def test_embedding_gives_the_features_of_the_workflow(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    student = Path(str(results(project)[0]["model"]))
    files = ["ego4d_data/v2/imu/h.csv", "ego4d_data/v2/processed_imu/g.npy"]
    assert main(["embed", "--student", str(student), "--imu", *files, "--out", "new.h5"]) == 0
    assert "h.csv: 3 windows; left out for holes: 5–10 s" in capsys.readouterr().out
    (features,) = student.parent.glob("*/features.h5")
    with h5py.File("new.h5") as new, h5py.File(features) as workflow:
        clips = workflow["test/clip"].asstr()[:].tolist()
        assert len(clips) == len(new["file"]) == 7
        for file, start, feature in zip(new["file"].asstr()[:], new["start_s"], new["feature"], strict=True):
            row = clips.index(f"{Path(file).stem}#{round(start / 5):05d}")
            np.testing.assert_allclose(feature, workflow["test/feature"][row], rtol=1e-4, atol=1e-5)
