"""Heads for few labels: what is learned, what is stored, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from comodo.commands.cli import main
from comodo.deploy.classifier import load_classifier
from comodo.deploy.fitted import LogisticHead, SvmHead, fit_logistic, fit_support_vectors
from comodo.embeddings.ranking import unit
from comodo.evaluate.svm import fit_svm
from comodo.models.distilled import load_distilled, save_distilled
from tests.support.saved import COLUMNS, SWAYS, save_trained, write_csv
from tests.support.students import small_student


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_labels(rows: list[tuple[str, float, float, str]]) -> None:
    pd.DataFrame(rows, columns=["file", "start_s", "end_s", "label"]).to_csv("labels.csv", index=False)


THREE = [
    ("a.csv", 20.0 * k + 4 * part, 20.0 * k + 4 * part + 4, name)
    for k, name in enumerate(SWAYS)
    for part in range(3)
]


def fit(*arguments: str, student: str = "student") -> int:
    return main(
        ["fit", "--student", student, "--labels", "labels.csv", "--out", "fitted", *COLUMNS, *arguments]
    )


@pytest.mark.parametrize("head", ["logistic", "svm"])
def test_a_few_segments_make_a_classifier(
    head: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_trained(tmp_path / "student")
    write_csv("a.csv")
    write_labels(THREE)
    assert fit("--imu", "a.csv", "--head", head) == 0
    assert f"fitted: {head} head, windows: fast 6, medium 6, slow 6" in capsys.readouterr().out
    classifier = load_classifier("fitted")
    assert classifier.by == "fitted"
    assert classifier.classes == sorted(SWAYS)
    assert classifier.calibration is not None
    assert classifier.calibration.windows == 18
    assert load_classifier("fitted", "mean").by == "mean"  # the anchors are still there
    assert main(["predict", "--student", "fitted", "--imu", "a.csv", *COLUMNS]) == 0
    table = pd.read_csv("predictions.csv")
    later = table["start_s"] % 20 >= 12
    assert (table["label"] == np.repeat(list(SWAYS), 10))[later].mean() > 0.9
    load_distilled(Path("fitted"), "cpu")  # checks all checksums
    assert not [path for path in Path("fitted").iterdir() if path.suffix in (".pkl", ".joblib")]


def test_the_arrays_are_scikit_learn_s_models() -> None:
    rng = np.random.default_rng(0)
    for classes in (2, 3, 5):
        labels = np.repeat([f"c{k}" for k in range(classes)], 20)
        features = (
            rng.normal(size=(len(labels), 12)) + np.repeat(rng.normal(size=(classes, 12)), 20, axis=0)
        ).astype(np.float32)
        asked = rng.normal(size=(50, 12)).astype(np.float32)
        scaler = StandardScaler().fit(unit(features))
        model = LogisticRegression(max_iter=2000).fit(scaler.transform(unit(features)), labels)
        arrays, names = fit_logistic(features, labels)
        ours = LogisticHead(arrays["weight"], arrays["bias"])(torch.from_numpy(asked)).softmax(dim=1).numpy()
        np.testing.assert_allclose(ours, model.predict_proba(scaler.transform(unit(asked))), atol=1e-4)
        assert names == model.classes_.tolist()
        svm = fit_svm(unit(features), labels)
        arrays, names = fit_support_vectors(features, labels)
        scores = SvmHead(arrays)(torch.from_numpy(asked)).numpy()
        wanted = svm.decision_function(unit(asked.astype(np.float64)))
        assert names == svm.classes.tolist()
        assert (scores.argmax(axis=1) == wanted.argmax(axis=1)).mean() > 0.99
        if classes > 2:
            np.testing.assert_allclose(scores, wanted, atol=1e-3)


def test_a_student_without_classes_gets_some(tmp_path: Path) -> None:
    save_distilled(tmp_path / "student", small_student("cnn"), {}, [])
    write_csv("a.csv", rate_hz=200.0)
    write_labels([("a.csv", 0, 20, "fast"), ("a.csv", 40, 60, "other")])
    assert fit("--imu", "a.csv") == 0
    assert load_classifier("fitted").classes == ["fast", "other"]
    assert load_classifier("fitted").calibration is None  # one segment of each class


def test_labels_of_the_workflow(finished: object, tmp_path: Path) -> None:
    run = finished.folder / "results/experiments/comodo/seed42"  # type: ignore[attr-defined]
    arguments = [
        "fit",
        "--student",
        str(run / "student"),
        "--features",
        str(run / "tiny/features.h5"),
        "--out",
        "f",
    ]
    assert main(arguments) == 0
    assert len(load_classifier("f").classes) == 3
    other = finished.folder / "results/experiments/frozen/seed42"  # type: ignore[attr-defined]
    assert main([*arguments[:2], str(other / "student"), *arguments[3:-1], "g"]) == 1
    assert not Path("g").exists()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a.csv", 0, 4, "x"), ("a.csv", 20, 22, "y")], "class 'y' has one window: label at least two"),
        ([("a.csv", 0, 8, "x")], "needs windows of two classes"),
        ([("b.csv", 0, 8, "x"), *THREE], "labels.csv names b.csv, which is not among --imu"),
        ([("a.csv", 4, 4, "x")], "row 2: start_s must be from 0 on and less than end_s"),
        ([("a.csv", 0, 4, "")], "row 2: file or label is empty"),
        ([("a.csv", 0, 1, "x"), ("a.csv", 90, 99, "y")], "hold no whole window"),
        (
            [("a.csv", 0, 30, "x"), ("a.csv", 10, 40, "y")],
            "row 3: the segment from 10 s overlaps another one of a.csv",
        ),
    ],
)
def test_labels_that_cannot_be_used_are_named(
    rows: list[tuple[str, float, float, str]],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save_trained(tmp_path / "student")
    write_csv("a.csv")
    write_labels(rows)
    assert fit("--imu", "a.csv") == 1
    assert message in capsys.readouterr().err
    assert not Path("fitted").exists()


def test_segments_without_a_whole_window_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_trained(tmp_path / "student")
    write_csv("a.csv")
    write_labels([*THREE, ("a.csv", 59, 60, "slow")])
    assert fit("--imu", "a.csv") == 0
    assert "labels.csv, row 11: no whole window in 59 to 60 s of a.csv" in capsys.readouterr().err


def test_an_existing_folder_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_trained(tmp_path / "student")
    Path("fitted").mkdir()
    write_labels(THREE)
    assert fit("--imu", "a.csv") == 1
    assert "--out fitted exists" in capsys.readouterr().err


def test_a_name_that_fits_two_files_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_trained(tmp_path / "student")
    for folder in ("one", "two"):
        Path(folder).mkdir()
        write_csv(f"{folder}/a.csv")
    write_labels(THREE)
    assert fit("--imu", "one/a.csv", "two/a.csv") == 1
    assert "labels.csv names a.csv, which fits several files of --imu" in capsys.readouterr().err
    write_labels([("one/a.csv", *row[1:]) for row in THREE])
    assert fit("--imu", "one/a.csv", "two/a.csv") == 0
    assert "fast 6, medium 6, slow 6" in capsys.readouterr().out


def test_the_card_describes_the_new_classifier(tmp_path: Path) -> None:
    save_trained(tmp_path / "student")
    write_csv("a.csv")
    write_labels([(*row[:3], f"my {row[3]}") for row in THREE])
    assert fit("--imu", "a.csv") == 0
    card = Path("fitted/README.md").read_text()
    assert "- classifier: my fast, my medium, my slow" in card
    assert "- anchors: fast, medium, slow" in card
    assert "Calibration of fitted on 18" in card
    assert "Calibration of mean" not in card
