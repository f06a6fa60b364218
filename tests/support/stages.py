"""Samples of what each stage writes, to notice when an output moves without its number in `comodo.jobs.versions`.

Tables and texts are kept as digests, arrays as a few values with a tolerance, since CPUs differ in the last digits.
Write the samples anew, after raising the number of the stage: `python -m tests.support.stages`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from safetensors.numpy import load_file

from comodo.config import load
from comodo.deploy.classifier import load_classifier
from comodo.deploy.package import figures_on_test
from comodo.deploy.unlabelled import predict_recordings, read_signals
from comodo.jobs.versions import VERSIONS
from comodo.layouts.opening import open_layout
from comodo.recordings.folds import fold_windows
from comodo.recordings.image_motion import read_motion
from comodo.recordings.index import read_groups
from comodo.recordings.small_video import read_frames
from comodo.recordings.sync import Stretch, estimate_sync
from comodo.storage.artefacts import read_table
from tests.support.fixed_features import sample_evaluation
from tests.support.project import ROOT, Project, tiny_config
from tests.support.samples import Sample

SAMPLES = ROOT / "tests/data/stages.json"
RUN = "results/experiments/comodo/seed42"
TEACHER = "results/tiny/teachers/small"


def samples(project: Project, folder: Path) -> dict[str, Sample]:
    """Sample every stage: of a finished project of `tiny_config`, and of fixed features in `folder`."""
    found = {stage: Sample(version) for stage, version in VERSIONS.items()}
    for stage, write in STAGES.items():
        write(found[stage], project.folder)
    found["export"].text(
        "figures", figures_on_test({"anchors": project.folder / RUN / "tiny/anchors.json"}, "tiny")
    )
    sample_evaluation(found, folder)
    return found


def _simulate(sample: Sample, root: Path) -> None:
    raw = root / "dataset/tiny"
    sample.text("ego4d.json", (raw / "ego4d.json").read_text())
    sample.text("splits", [path.read_text() for path in sorted((raw / "splits").iterdir())])
    sample.array("imu", pd.read_csv(min((raw / "imu").iterdir())).to_numpy(), 1e-4)
    sample.array("frames", read_frames(min((raw / "full_scale").iterdir()), [0, 9]), 8.0)


def _make_teacher(sample: Sample, root: Path) -> None:
    weights = load_file(root / "results/teachers/small/model.safetensors")
    sample.text("files", sorted(path.name for path in (root / "results/teachers/small").iterdir()))
    sample.array("weights", np.concatenate([weights[name].ravel() for name in sorted(weights)]), 1e-5)


def _table(*paths: str) -> Callable[[Sample, Path], None]:
    def write(sample: Sample, root: Path) -> None:
        for path in paths:
            read = pd.read_parquet if path.endswith(".parquet") else pd.read_csv
            sample.text(path, read(root / path))

    return write


def _extract_clips(sample: Sample, root: Path) -> None:
    for shard in (0, 1):
        table = pd.read_parquet(root / f"results/tiny/video/{shard}.parquet")
        digits = table["sha256"].str.len()  # which digits depends on the CPU that encoded
        sample.text(
            f"results/tiny/video/{shard}.parquet", table.assign(sha256=digits).drop(columns="decoder")
        )
    sample.array("frames", read_frames(min((root / "results/tiny/video/0").glob("*.mp4")), [0, 77]), 8.0)


def _preprocess_imu(sample: Sample, root: Path) -> None:
    with h5py.File(root / "results/tiny/imu/0.h5") as file:
        sample.text("recordings", list(file))
        group = file[min(file)]
        sample.text("attributes", {key: str(value) for key, value in group.attrs.items()})
        sample.text("valid", group["valid"][:].tolist())
        sample.array("data", group["data"][:], 1e-4)


def _estimate_sync(sample: Sample, root: Path) -> None:
    """The motion of a small video, and the sync of a motion that follows the gyroscope 0.37 s late."""
    motion = read_motion(min((root / "results/tiny/video/0").glob("*.mp4")), 0, 30, 10.0)
    sample.array("motion", motion, 0.3)
    gyro = np.cumsum(np.random.default_rng(0).normal(size=(3, 8000)), axis=1)
    gyro -= np.apply_along_axis(np.convolve, 1, gyro, np.ones(400) / 400, "same")
    seen = gyro[:, 74:].reshape(3, -1)[:, :6000].reshape(3, 300, 20).mean(axis=2)
    found = estimate_sync([Stretch(0.0, 0.1, seen)], gyro * 0.05, 0.0, 200.0)
    sample.text("reason", found.reason)
    sample.array("offset", [found.offset_s, found.confidence], 1e-3)


def _store(path: str) -> Callable[[Sample, Path], None]:
    def write(sample: Sample, root: Path) -> None:
        with h5py.File(root / path) as file:
            sample.text("rows", {name: file[name].asstr()[:].tolist() for name in ("clip", "label", "split")})
            sample.text("names", [sorted(file), sorted(file.attrs)])
            sample.array("embedding", file["embedding"][:], 1e-4)

    return write


def _select_anchors(sample: Sample, root: Path) -> None:
    with h5py.File(root / TEACHER / "anchors.h5") as file:
        sample.text("names", {rule: sorted(file[rule]) for rule in file})
        for rule in ("first", "mean"):
            sample.text(rule, {name: file[rule][name].asstr()[:].tolist() for name in ("label", "clips")})
            sample.array(f"embedding {rule}", file[rule]["embedding"][:], 1e-4)


def _distill(sample: Sample, root: Path) -> None:
    history = json.loads((root / RUN / "history.json").read_text())
    sample.text("files", sorted(path.name for path in (root / RUN / "student").iterdir()))
    sample.text("history", [sorted(row) for row in history])
    about = json.loads((root / RUN / "student/comodo.json").read_text())
    sample.text("comodo.json", about | {"packages": "of this environment", "history": "of this machine"})
    sample.array("loss", [row["loss"] for row in history], 1e-3)


def _extract_features(sample: Sample, root: Path) -> None:
    for name, path, tolerance in (("student", f"{RUN}/tiny", 2e-2), ("teacher", TEACHER, 1e-4)):
        with h5py.File(root / path / "features.h5") as file:
            names: list[str] = []
            file.visit(names.append)
            sample.text(f"names, {name}", sorted(names))
            sample.text(f"recordings, {name}", file["test/recording"].asstr()[:].tolist())
            sample.array(f"features, {name}", file["test/feature"][:], tolerance)
            sample.array(f"projected, {name}", file["test/projected"][:], tolerance)


def _predict(sample: Sample, root: Path) -> None:
    """The first test recording, and one that is missing."""
    settings = load(tiny_config()).datasets["tiny"].model_copy(update={"root": str(root / "dataset/tiny")})
    own = next(r for r in open_layout("tiny", settings).recordings() if r.split == "test")
    lost = replace(own, id="lost", video=None, imu=root / "lost.csv")
    classifier = load_classifier(root / RUN / "student")
    table = predict_recordings(classifier, read_signals("tiny", settings, [own, lost]))
    sample.text("columns", {name: str(kind) for name, kind in table.dtypes.items()})
    sample.text("windows", table[["recording", "start_s", "end_s", "reason"]])
    sample.array("scores", table["score"], 2e-2)


def _assign_fold(sample: Sample, root: Path) -> None:
    windows, groups = (
        read_table(root / "results/tiny/clips.parquet"),
        read_groups(root / "results/tiny/recordings.parquet"),
    )
    for folds in (3, None):
        sample.text(f"fold 1 of {folds}", fold_windows(windows, groups, folds, 1))


STAGES: dict[str, Callable[[Sample, Path], None]] = {
    "simulate": _simulate,
    "make_teacher": _make_teacher,
    "index_recordings": _table("results/tiny/recordings.parquet"),
    "extract_clips": _extract_clips,
    "preprocess_imu": _preprocess_imu,
    "estimate_sync": _estimate_sync,
    "pair_clips": _table("results/tiny/clips/0.parquet", "results/tiny/clips/1.parquet"),
    "report_quality": _table("results/tiny/quality.csv"),
    "merge_clips": _table("results/tiny/clips.parquet"),
    "assign_fold": _assign_fold,
    "encode_video": _store(f"{TEACHER}/shards/0.h5"),
    "merge_embeddings": _store(f"{TEACHER}/embeddings.h5"),
    "select_anchors": _select_anchors,
    "distill": _distill,
    "extract_features": _extract_features,
    "predict": _predict,
}


def stored() -> dict[str, Sample]:
    """Read the samples of the repository."""
    return {
        stage: Sample(kept["version"], kept["texts"], {name: tuple(a) for name, a in kept["arrays"].items()})
        for stage, kept in json.loads(SAMPLES.read_text()).items()
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as work:
        finished = Project(Path(work, "project"))
        finished.folder.mkdir()
        finished.run(tiny_config())
        Path(work, "fixed").mkdir()
        content = {stage: asdict(sample) for stage, sample in samples(finished, Path(work, "fixed")).items()}
    SAMPLES.write_text(json.dumps(content, indent=1) + "\n")
    print(f"{SAMPLES}: {len(content)} stages")
