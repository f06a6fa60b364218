"""Samples of what each stage writes, to notice when an output moves without its number in `comodo.jobs.versions`.

Tables and texts are kept as digests, arrays as a few values with a tolerance, since CPUs differ in the last digits.
Write the samples anew, after raising the number of the stage: `python -m tests.support.stages`.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from safetensors.numpy import load_file

from comodo.config import EvaluationSettings, load
from comodo.deploy.classifier import load_classifier
from comodo.deploy.package import figures_on_test
from comodo.deploy.unlabelled import predict_recordings, read_signals
from comodo.evaluate.anchors import score_anchors
from comodo.evaluate.head import score_head
from comodo.evaluate.results import Scores, write_scores
from comodo.evaluate.svm import score_svm
from comodo.jobs.versions import VERSIONS
from comodo.layouts.opening import open_layout
from comodo.recordings.folds import fold_windows
from comodo.recordings.image_motion import read_motion
from comodo.recordings.index import read_groups
from comodo.recordings.small_video import read_frames
from comodo.recordings.sync import Stretch, estimate_sync
from comodo.report.runs import evaluated_runs
from comodo.report.write import write_report
from comodo.storage.artefacts import create_hdf5, read_table, write_array, write_texts
from tests.support.project import ROOT, Project, tiny_config

SAMPLES = ROOT / "tests/data/stages.json"
VALUES = 24  # of each array
RUN = "results/experiments/comodo/seed42"
TEACHER = "results/tiny/teachers/small"


@dataclass
class Sample:
    """What is kept of the output of a stage: digests of texts, values of arrays and how much these may differ."""

    version: int
    texts: dict[str, str] = field(default_factory=dict)
    arrays: dict[str, tuple[float, list[float]]] = field(default_factory=dict)

    def text(self, name: str, content: object) -> None:
        """Keep the digest of a text, a table or anything that json can write."""
        if isinstance(content, pd.DataFrame):
            content = f"{content.dtypes.to_dict()}\n{content.to_csv()}"
        if not isinstance(content, str):
            content = json.dumps(content, sort_keys=True)
        self.texts[name] = hashlib.sha256(content.encode()).hexdigest()[:16]

    def array(self, name: str, values: ArrayLike, tolerance: float) -> None:
        """Keep some values of an array, evenly spread; its shape counts as a text."""
        array = np.asarray(values, dtype=np.float64)
        self.text(f"shape of {name}", list(array.shape))
        flat = array.ravel()
        places = np.linspace(0, flat.size - 1, min(VALUES, flat.size)).astype(int)
        self.arrays[name] = (tolerance, [round(float(value), 7) for value in flat[places]])


def moved(stored: Sample, found: Sample) -> list[str]:
    """Return the names of what differs between two samples of a stage."""
    names = [
        name for name in {**stored.texts, **found.texts} if stored.texts.get(name) != found.texts.get(name)
    ]
    for name in {**stored.arrays, **found.arrays}:
        (tolerance, before), (_, now) = (kept.arrays.get(name, (0.0, [])) for kept in (stored, found))
        if len(before) != len(now) or not np.allclose(
            before, now, rtol=tolerance, atol=tolerance, equal_nan=True
        ):
            names.append(name)
    return names


def samples(project: Project, folder: Path) -> dict[str, Sample]:
    """Sample every stage: of a finished project of `tiny_config`, and of fixed features in `folder`."""
    found = {stage: Sample(version) for stage, version in VERSIONS.items()}
    for stage, write in STAGES.items():
        write(found[stage], project.folder)
    found["export"].text(
        "figures", figures_on_test({"anchors": project.folder / RUN / "tiny/anchors.json"}, "tiny")
    )
    _evaluation(found, folder)
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


def _evaluation(found: dict[str, Sample], folder: Path) -> None:
    """Sample the protocols and the report on fixed features: two classes and a half, 60 train and 30 test windows."""
    features = folder / "features.h5"
    _write_features(features)
    settings = EvaluationSettings(labels_per_class=(2, "all"), label_draws=2)
    scores = {
        "anchors": score_anchors(features, settings),
        "head": score_head(features, EvaluationSettings(labels_per_class=("all",))),
        "svm": score_svm(features, settings),
    }
    for name, scored in scores.items():
        found[f"evaluate_{name}"].text("scores", _rounded(scored.model_dump(mode="json", exclude_none=True)))
    _report(found["report"], scores, folder)


def _report(sample: Sample, scores: dict[str, Scores], folder: Path) -> None:
    config = load(tiny_config())
    runs = evaluated_runs(config)
    for run in runs:
        for protocol in run["protocols"]:
            write_scores(scores[protocol], folder / run["folder"] / f"{protocol}.json")
    history = folder / "history.json"
    history.write_text(json.dumps([{"epoch": 0, "loss": 1.0, "zero_shot_mean": 0.5}]))
    write_report(folder, runs, {str(history): "comodo"}, folder / "report", {"comodo": "frozen"})
    sample.text("files", sorted(path.name for path in (folder / "report").iterdir()))
    for name in ("accuracy.csv", "differences.csv"):
        sample.text(name, pd.read_csv(folder / "report" / name).round(6))
    for name in ("accuracy.md", "summary.md"):
        sample.text(name, (folder / "report" / name).read_text())


def _write_features(path: Path) -> None:
    rng = np.random.default_rng(0)
    classes = ["a", "b", "c"]
    centres = rng.standard_normal((3, 6))
    with create_hdf5(path) as file:
        for split, count in (("train", 60), ("test", 30)):
            own = np.arange(count) % 3
            rows = centres[own] + rng.standard_normal((count, 6))
            group = file.create_group(split)
            for name in ("feature", "projected"):
                write_array(group, name, rows.astype(np.float32))
            write_array(group, "scores", (rows @ centres.T).astype(np.float32))
            write_texts(group, "clip", [f"{split}{k}#00000" for k in range(count)])
            write_texts(group, "label", [classes[k] for k in own])
            write_texts(group, "recording", [f"{split}{k // 6}" for k in range(count)])
        for rule in ("first", "medoid", "mean"):
            group = file.create_group(f"anchors/{rule}")
            write_array(group, "projected", centres.astype(np.float32))
            write_texts(group, "label", classes)
        file["classes"] = classes


def _rounded(content: Any) -> Any:
    """Numbers of six digits, for CPUs differ in the last ones."""
    if isinstance(content, float):
        return round(content, 6)
    if isinstance(content, dict):
        return {key: _rounded(value) for key, value in content.items()}
    return [_rounded(value) for value in content] if isinstance(content, list) else content


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
