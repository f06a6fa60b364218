"""ONNX graphs of students: equal to torch, complete in themselves, and refused where they cannot be."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from comodo.commands.cli import main
from comodo.deploy import export
from comodo.deploy.classifier import load_classifier
from comodo.deploy.export import NOT_EXPORTED, PARITY, export_onnx, open_session, run_graph
from comodo.deploy.quantise import quantise
from comodo.errors import ModelError
from comodo.models.about import InputFormat
from comodo.models.distilled import save_distilled
from tests.support.saved import COLUMNS, FORM, SWAYS, save_trained, windows_of, write_csv
from tests.support.students import FRESH, small_student

pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
SHORT = InputFormat(rate_hz=50.0, clip_s=2.0, max_gap_s=0.1)  # MOMENT pads it
WINDOWS = np.concatenate([windows_of(name, 20) for name in SWAYS])


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("family", FRESH)
def test_a_graph_of_every_family_equals_torch_or_says_why_not(family: str, tmp_path: Path) -> None:
    student = small_student(family).eval()
    target = tmp_path / "s.onnx"
    if family in NOT_EXPORTED:
        with pytest.raises(ModelError, match=f"a {family} student has no ONNX graph: "):
            export_onnx(student, None, SHORT, target)
        assert not target.exists()
        return
    assert export_onnx(student, None, SHORT, target, WINDOWS).difference <= PARITY
    with torch.inference_mode():
        batch, mask = student.collate(list(WINDOWS[:5]))
        wanted = student(batch, mask).numpy()
    found = run_graph(open_session(target), WINDOWS[:5])
    np.testing.assert_allclose(found["features"], wanted, atol=1e-4)


def test_the_graph_names_classes_as_predict_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_trained(tmp_path / "student", family="cnn")
    assert main(["export", "--student", "student", "--out", "s.onnx"]) == 0
    assert "s.onnx: float32" in capsys.readouterr().out
    session = open_session(Path("s.onnx"))
    assert session.get_inputs()[0].shape == ["batch", 6, 100]
    scores = load_classifier("student").scores(WINDOWS)
    found = run_graph(session, WINDOWS, batch_size=7)
    np.testing.assert_allclose(found["scores"], scores.probabilities, atol=1e-5)
    np.testing.assert_allclose(found["features"], scores.features, atol=1e-4)
    assert found["embedding"].shape == (60, 8)
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["comodo.classes"]) == list(SWAYS)
    assert json.loads(about["comodo.rate_hz"]) == 50.0
    assert json.loads(about["comodo.unknown_below"]) == 0.2


def test_int8_is_smaller_and_keeps_the_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_trained(tmp_path / "student", family="cnn")
    path = write_csv("a.csv")
    assert (
        main(["export", "--student", "student", "--out", "s.onnx", "--int8", "--imu", str(path), *COLUMNS])
        == 0
    )
    told = capsys.readouterr().out
    assert "int8 " in told
    assert float(told.split("the class is the same in ")[1].split(" ")[0]) > 80


def test_a_graph_that_differs_from_torch_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_trained(tmp_path / "student", family="cnn")
    classifier = load_classifier(tmp_path / "student")
    monkeypatch.setattr(export, "PARITY", 1e-12)
    with pytest.raises(ModelError, match="differs from torch by"):
        export_onnx(classifier.student, classifier, classifier.form, tmp_path / "s.onnx")
    assert list(tmp_path.glob("*.onnx")) == []
    assert list(tmp_path.glob(".partial*")) == []


def test_a_student_without_classes_gives_features(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_distilled(tmp_path / "s", small_student("cnn"), {}, [])
    assert main(["export", "--student", "s", "--out", "s.onnx"]) == 0
    assert "returns features alone" in capsys.readouterr().err
    assert [output.name for output in open_session(Path("s.onnx")).get_outputs()] == ["features"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "gone/s.onnx"], "does not exist"),
        (["--out", "s.bin"], "give a name that ends in .onnx"),
        (["--out", "student/s.onnx"], "lies in"),
        (["--int8"], "--int8 needs recordings from training"),
        (["--by", "head"], "cannot rank classes by head"),
    ],
)
def test_arguments_that_cannot_be_are_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_trained(tmp_path / "student", family="cnn")
    assert main(["export", "--student", "student", *arguments]) == 1
    told = capsys.readouterr().err
    assert message in told
    assert "Traceback" not in told
    assert list(tmp_path.glob("*.onnx")) == []


def test_few_windows_are_refused_for_int8(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="int8 needs at least 8 train windows"):
        quantise(tmp_path / "s.onnx", WINDOWS[:3], tmp_path / "q.onnx")


def test_a_student_of_whole_recordings_has_no_graph(tmp_path: Path) -> None:
    form = FORM.model_copy(update={"clip_s": None})
    with pytest.raises(ModelError, match="needs windows of one length"):
        export_onnx(small_student("cnn"), None, form, tmp_path / "s.onnx")


def test_a_missing_package_is_named_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxscript" else found(name)
    )
    with pytest.raises(ModelError, match=r"onnxscript is not installed: pip install .*comodo\[onnx\]"):
        export_onnx(small_student("cnn"), None, FORM, tmp_path / "s.onnx")
    assert list(tmp_path.iterdir()) == []
