"""A stream gives the numbers of `predict` on the same samples, however they are chunked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comodo.deploy.classifier import Classifier, load_classifier
from comodo.deploy.predictions import predict
from comodo.deploy.stream import Prediction, StudentStream
from comodo.errors import DataError
from comodo.recordings.one_file import read_imu
from tests.support.saved import FORM, save_trained, sway

COLUMNS = {"time": "t", "accel": ["ax", "ay", "az"], "gyro": ["gx", "gy", "gz"]}


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    folder = tmp_path_factory.mktemp("student") / "student"
    save_trained(folder)
    return load_classifier(folder)


def samples(rate_hz: float = 104.0, seconds: float = 21.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Times with jitter, and samples that sway ever faster."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    time = time + np.concatenate([[0], rng.uniform(-0.2, 0.2, len(time) - 1) / rate_hz])
    return time, sway(time, 0.3 + 0.1 * seed) + 0.2 * sway(time**1.5 / 3, 1.0)


def offline(
    classifier: Classifier, time: np.ndarray, values: np.ndarray, path: Path, step_s: float | None
) -> pd.DataFrame:
    table = np.column_stack([time, values])
    np.savetxt(path, table, delimiter=",", header="t,ax,ay,az,gx,gy,gz", comments="", fmt="%.17g")
    signal = read_imu(path, COLUMNS, rate_hz=FORM.rate_hz, max_gap_s=FORM.max_gap_s)
    return predict(classifier, signal, step_s=step_s, top=1)


def same(stream: list[Prediction], table: pd.DataFrame) -> None:
    assert [round(made.start_s, 6) for made in stream] == table["start_s"].round(6).tolist()
    assert [made.label for made in stream] == table["label"].tolist()
    np.testing.assert_allclose([made.score for made in stream], table["score"], atol=1e-4)
    np.testing.assert_allclose([made.margin for made in stream], table["margin"], atol=1e-4)
    assert [made.unknown for made in stream] == table["unknown"].tolist()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 700), min_size=1, max_size=20),
    st.sampled_from([None, 0.5, 1.0, 3.0]),
    st.sampled_from([12.5, 50.0, 104.0, 400.0]),
    st.lists(st.tuples(st.floats(0, 20), st.floats(0.2, 5)), max_size=2),
    st.integers(0, 3),
)
def test_any_chunks_give_the_numbers_of_predict(
    tmp_path_factory: pytest.TempPathFactory,
    classifier: Classifier,
    chunks: list[int],
    step_s: float | None,
    rate_hz: float,
    holes: list[tuple[float, float]],
    seed: int,
) -> None:
    time, values = samples(rate_hz, seed=seed)
    for begin, length in holes:
        keep = (time < begin) | (time > begin + length)
        keep[:3] = True  # the clock begins at the first sample
        time, values = time[keep], values[keep]
    form = classifier.form.model_copy(update={"max_gap_s": 0.25 if rate_hz < 20 else 0.1})
    classifier.form = form
    stream, made, row = StudentStream(classifier, step_s), [], 0
    while row < len(time):
        for size in chunks:
            made += stream.push(values[row : row + size], time[row : row + size])
            row += size
    made += stream.close()
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    np.savetxt(
        path,
        np.column_stack([time, values]),
        delimiter=",",
        header="t,ax,ay,az,gx,gy,gz",
        comments="",
        fmt="%.17g",
    )
    signal = read_imu(path, COLUMNS, rate_hz=form.rate_hz, max_gap_s=form.max_gap_s)
    same(made, predict(classifier, signal, step_s=step_s, top=1))
    assert stream.ignored == 0
    assert stream.notes == []


def test_late_samples_are_put_in_their_place(classifier: Classifier, tmp_path: Path) -> None:
    time, values = samples()
    late = np.random.default_rng(0).uniform(0, 0.3, len(time))
    order = np.argsort(time + late * (time > 0))  # the clock begins at the first sample
    stream = StudentStream(classifier)
    made = [p for k in order for p in stream.push(values[k : k + 1], time[k : k + 1])]
    same(made + stream.close(), offline(classifier, time, values, tmp_path / "a.csv", None))


def test_a_window_comes_with_the_stated_delay_and_the_clock_of_the_stream(classifier: Classifier) -> None:
    time, values = samples(rate_hz=50.0)
    stream = StudentStream(classifier)
    for k in range(len(time)):
        if made := stream.push(values[k : k + 1], 1e9 + time[k : k + 1]):
            assert made[0].end_s == 2.0
            assert made[0].clock_s == pytest.approx(1e9, abs=1e-6)
            assert time[k] == pytest.approx(2.0 + stream.delay_s, abs=0.03)
            return
    pytest.fail("no window")


@pytest.mark.parametrize("jump_s", [-1000.0, -7.0, 5000.0])
def test_a_clock_that_jumps_starts_the_stream_anew(classifier: Classifier, jump_s: float) -> None:
    time, values = samples(rate_hz=50.0)
    moved = np.concatenate([time, time + 21 + jump_s])
    stream = StudentStream(classifier)
    made = stream.push(np.concatenate([values, values]), moved) + stream.close()
    if jump_s < 0:
        assert len(stream.notes) == 1
        assert "the clock jumped from 20.9" in stream.notes[0]
        assert len(made) == 20
        assert made[10].clock_s == pytest.approx(21 + jump_s, abs=0.03)
        np.testing.assert_allclose([m.score for m in made[10:]], [m.score for m in made[:10]], atol=1e-4)
    else:  # a hole
        assert stream.notes == []
        assert [round(m.start_s) for m in made[9:12]] == [18, 5022, 5024]
        assert len(made) == 20
        assert stream.left_out > 2000


def test_one_wrong_time_stamp_costs_no_more_than_a_second(classifier: Classifier) -> None:
    time, values = samples(rate_hz=50.0)
    time[500] += 1e6
    stream = StudentStream(classifier)
    made = stream.push(values, time) + stream.close()
    assert len(stream.notes) == 1
    assert len(made) >= 8


def test_a_stop_of_a_minute_is_a_hole(classifier: Classifier) -> None:
    time, values = samples(rate_hz=50.0)
    time[525:] += 60
    stream = StudentStream(classifier)
    made = stream.push(values, time) + stream.close()
    assert [m.start_s for m in made] == [0, 2, 4, 6, 8, 72, 74, 76, 78]
    assert stream.left_out == 31


def test_memory_is_bounded(classifier: Classifier) -> None:
    stream = StudentStream(classifier)
    time = np.arange(100) / 50
    for k in range(500):
        stream.push(sway(time, 1.0), time + 2 * k)
        assert stream._values.shape[1] < 400


def test_wrong_shapes_are_refused(classifier: Classifier) -> None:
    with pytest.raises(DataError, match=r"samples must be \(n, 6\)"):
        StudentStream(classifier).push(np.zeros((6, 5)), np.arange(5))
    with pytest.raises(DataError, match="a step of 0 s holds no sample"):
        StudentStream(classifier, 0.0)


def test_samples_that_are_not_finite_are_counted(classifier: Classifier) -> None:
    time, values = samples(rate_hz=50.0)
    values[100:110, 2] = np.nan
    time[5] = np.inf
    stream = StudentStream(classifier)
    stream.push(values, time)
    assert stream.ignored == 11


def test_the_command_follows_standard_input(tmp_path: Path) -> None:
    save_trained(tmp_path / "student")
    time, values = samples(rate_hz=50.0)
    lines = "\n".join(
        ",".join(f"{v:.9g}" for v in (1000 * t, *row)) for t, row in zip(time, values, strict=True)
    )
    run = "from comodo.commands.cli import main; raise SystemExit(main())"
    command = [sys.executable, "-c", run, "predict", "--student", str(tmp_path / "student"), "--follow"]
    command += ["--csv", "time=t", "time_unit=ms", "accel=ax,ay,az", "gyro=gx,gy,gz"]
    done = subprocess.run(
        command,
        input=f"t,ax,ay,az,gx,gy,gz\n{lines}\n",
        capture_output=True,
        text=True,
        env=dict(os.environ),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    table = offline(load_classifier(tmp_path / "student"), time, values, tmp_path / "a.csv", None)
    assert [row["label"] for row in rows] == table["label"].tolist()
    np.testing.assert_allclose([row["score"] for row in rows], table["score"], atol=1e-4)
    assert "0 samples ignored" in done.stderr


def test_the_command_ends_quietly_when_its_reader_does(tmp_path: Path) -> None:
    save_trained(tmp_path / "student")
    time, values = samples(rate_hz=50.0)
    rows = (",".join(f"{v:.9g}" for v in (t, *row)) for t, row in zip(time, values, strict=True))
    (tmp_path / "a.csv").write_text("\n".join(rows) + "\n")
    run = "from comodo.commands.cli import main; raise SystemExit(main())"
    follow = f"{sys.executable} -c '{run}' predict --student student --follow"
    piped = ["bash", "-c", f"set -o pipefail; {follow} < a.csv | head -n 1"]
    done = subprocess.run(piped, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
