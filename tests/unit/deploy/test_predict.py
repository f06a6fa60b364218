"""Predictions for files: what the command writes, prints and refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from comodo.commands.cli import main
from comodo.deploy.classifier import load_classifier
from comodo.deploy.predictions import minutes_per_class, predict
from comodo.deploy.smooth import viterbi
from comodo.errors import DataError
from comodo.recordings.signal import ImuSignal
from tests.support.saved import COLUMNS, SWAYS, save_trained, sway, write_csv


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def student(tmp_path: Path) -> Path:
    save_trained(tmp_path / "student")
    return tmp_path / "student"


def run(student: Path, *arguments: str | Path) -> int:
    return main(["predict", "--student", str(student), *map(str, arguments)])


def test_a_recording_of_three_activities_is_named_window_by_window(
    student: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(student, "--imu", write_csv("a.csv"), *COLUMNS) == 0
    table = pd.read_csv("predictions.csv")
    assert table.columns.tolist() == [
        "file", "start_s", "end_s", "label", "score", "margin", "unknown", "label_2", "score_2", "label_3", "score_3",
    ]  # fmt: skip
    assert table["start_s"].tolist() == list(range(0, 60, 2))
    right = table["label"] == np.repeat(list(SWAYS), 10)
    assert right.mean() > 0.8
    np.testing.assert_allclose(table[["score", "score_2", "score_3"]].sum(axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(table["margin"], table["score"] - table["score_2"], atol=1e-4)
    assert (table["unknown"] == (table["margin"] < 0.2)).all()
    out = capsys.readouterr().out
    assert "a.csv: " in out
    assert "fast 0." in out
    assert "classes ranked by mean" in out


def test_the_signal_and_the_file_give_the_same(student: Path) -> None:
    run(student, "--imu", write_csv("a.csv"), *COLUMNS, "--step", "0.5", "--out", "p.parquet", "--top", "1")
    table = pd.read_parquet("p.parquet")
    assert len(table) == 117
    assert table.columns.tolist()[-1] == "unknown"
    time = np.arange(3000) / 50
    parts = [sway(part, hz) for part, hz in zip(np.array_split(time, 3), SWAYS.values(), strict=True)]
    signal = ImuSignal(np.concatenate(parts).T.astype(np.float32), 0.0, 50.0)
    mine = predict(load_classifier(student), signal, step_s=0.5)
    inside = (mine["start_s"] % 20).between(1, 17)  # elsewhere the low-pass sees the change of the activity
    assert (mine["label"] == table["label"])[inside].mean() > 0.97


def test_smoothing_removes_single_windows(student: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_csv("a.csv")
    run(student, "--imu", path, *COLUMNS, "--out", "raw.csv")
    assert (
        run(student, "--imu", path, *COLUMNS, "--smooth", "hmm", "--bout_s", "20", "--out", "smooth.csv") == 0
    )
    assert "smoothed by an HMM with bouts of 20 s" in capsys.readouterr().out
    raw, smooth = pd.read_csv("raw.csv"), pd.read_csv("smooth.csv")
    changes = (smooth["label"] != smooth["label"].shift()).sum()
    assert changes <= (raw["label"] != raw["label"].shift()).sum()
    assert (smooth["margin"] <= raw["margin"] + 1e-6).all()


def test_viterbi_is_the_best_of_all_sequences() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        probabilities = rng.dirichlet([1, 1, 1], size=6)
        time = np.cumsum(rng.uniform(1, 10, 6))
        apart = np.exp(-np.diff(time) * 3 / (2 * 8.0))
        best, found = -np.inf, None
        for code in range(3**6):
            path = [(code // 3**k) % 3 for k in range(6)]
            value = sum(np.log(probabilities[k, c]) for k, c in enumerate(path))
            value += sum(
                np.log(1 / 3 + 2 / 3 * apart[k] if path[k] == path[k + 1] else (1 - apart[k]) / 3)
                for k in range(5)
            )
            if value > best:
                best, found = value, path
        assert viterbi(probabilities, time, 8.0).tolist() == found
    with pytest.raises(DataError, match="must be positive"):
        viterbi(probabilities, time, 0.0)
    assert viterbi(np.ones((4, 1)), time[:4], 1.0).tolist() == [0] * 4


def test_minutes_count_unknown_windows_apart() -> None:
    table = pd.DataFrame(
        {
            "start_s": [0.0, 30.0, 60.0], "end_s": [30.0, 60.0, 90.0], "label": ["a", "a", "b"],
            "unknown": pd.array([False, True, None], dtype="boolean"),
        }
    )  # fmt: skip
    assert minutes_per_class(table) == {"a": 0.5, "b": 0.5, "unknown": 0.5}
    assert minutes_per_class(table, step_s=6.0)["a"] == pytest.approx(0.1)


def test_the_folder_answers_and_a_flag_that_contradicts_it_warns(
    student: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_csv("a.csv")
    assert run(student, "--imu", path, *COLUMNS) == 0
    assert caplog.text == ""
    assert run(student, "--imu", path, *COLUMNS, "--clip_s", "4") == 0
    assert "--clip_s 4 differs from the student's training (2)" in caplog.text
    assert len(pd.read_csv("predictions.csv")) == 15


def test_embed_takes_the_windows_of_the_training(student: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_csv("a.csv")
    assert main(["embed", "--student", str(student), "--imu", str(path), *COLUMNS, "--out", "f.h5"]) == 0
    assert "30 windows" in capsys.readouterr().out


def test_a_slow_sensor_and_a_wrong_unit_are_said(student: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run(
            student, "--imu", write_csv("a.csv", rate_hz=11.0, scale=1 / 9.81), *COLUMNS, "--max_gap_s", "0.2"
        )
        == 0
    )
    told = capsys.readouterr().err
    assert "warning: sampled at 11 Hz, but the student was trained at 50 Hz" in told
    assert "imu_accel_unit" in told


def test_a_timeline_is_one_page_and_one_picture(student: Path) -> None:
    path = write_csv("a <b>.csv")
    assert run(student, "--imu", path, *COLUMNS, "--plot", "plots") == 0
    page = Path("plots/a <b>.csv.html").read_text()
    assert "<h1>a &lt;b&gt;.csv</h1>" in page
    assert page.count("<tr") == 31
    assert "http" not in page.replace("data:image/png;base64", "")[:2000]
    assert Path("plots/a <b>.csv.png").read_bytes().startswith(b"\x89PNG")


def test_timelines_of_one_name_are_refused(student: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("b").mkdir()
    files = [write_csv("a.csv"), write_csv("b/a.csv")]
    assert run(student, "--imu", *files, *COLUMNS, "--plot", "plots") == 1
    assert "--plot: two files are called a.csv" in capsys.readouterr().err
    assert not Path("plots").exists()


def test_files_that_cannot_be_used_are_named_and_the_others_written(
    student: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = write_csv("short.csv", seconds=1.5)
    Path("nogyro.csv").write_text("t,ax,ay,az\n0,0,0,9.8\n0.01,0,0,9.8\n")
    assert run(student, "--imu", short, "nogyro.csv", "gone.csv", write_csv("a.csv"), *COLUMNS) == 1
    told = capsys.readouterr().err
    assert "short.csv: left out" in told
    assert "nogyro.csv: left out" in told
    assert "column 'gx' is missing" in told or "gx" in told
    assert "gone.csv" in told
    assert set(pd.read_csv("predictions.csv")["file"]) == {"a.csv"}
    assert run(student, "--imu", "gone.csv", *COLUMNS, "--out", "none.csv") == 1
    assert not Path("none.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "a.txt"], "give a name that ends in .csv or .parquet"),
        (["--out", "a.csv"], "is the input a.csv"),
        (["--out", "other.csv"], "exists and is not a table by `comodo predict`"),
        (["--top", "0"], "--top 0: give at least 1"),
        (["--by", "head"], "cannot rank classes by head: it has: mean, medoid, first"),
        (["--step", "0.001"], "holds no sample"),
        (["--smooth", "hmm", "--bout_s", "-1"], "must be positive"),
        (["--follow"], "--follow reads standard input"),
    ],
)
def test_arguments_that_cannot_be_are_one_line(
    student: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("other.csv").write_text("a,b\n1,2\n")
    path = write_csv("a.csv")
    assert run(student, "--imu", path, *COLUMNS, *arguments) == 1
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["gopro/karma.mp4", "gopro/hero7.mp4"])
def test_camera_files_as_they_are(student: Path, realdata: Path, name: str) -> None:
    assert run(student, "--imu", realdata / name, "--plot", "plots") == 0
    assert len(pd.read_csv("predictions.csv")) > 2
    assert Path("plots", f"{Path(name).name}.html").stat().st_size > 50_000


@pytest.mark.realdata
def test_the_aria_sample_is_too_short(
    student: Path, realdata: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(student, "--imu", realdata / "aria/aea_recording.vrs") == 1
    assert "aea_recording.vrs" in capsys.readouterr().err
