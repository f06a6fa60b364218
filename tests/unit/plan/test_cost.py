from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from comodo.commands.plan import main
from comodo.config import Config, load
from comodo.distill.schedule import shuffled_batches
from comodo.layouts.split_files import read_split_files
from comodo.plan.cost import PUBLISHED_SIZES, dataset_sizes, epochs_of, plan
from comodo.plan.rates import REPEATS, Rates, ramp, rate_name
from comodo.plan.text import as_text
from comodo.recordings.published_splits import PUBLISHED
from comodo.simulate.dataset import takes

ROOT = Path(__file__).parents[3]
TINY_TEACHER = {
    "architecture": "videomae",
    "architecture_config": {
        "image_size": 32, "patch_size": 16, "num_frames": 4, "tubelet_size": 2,
        "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
    },
}  # fmt: skip
RAW: dict[str, Any] = {
    "datasets": {
        "home": {"layout": "table", "table": "home.csv", "root": "data"},
        "away": {"layout": "table", "table": "away.csv", "root": "data", "video": None},
    },
    "teachers": {"t": TINY_TEACHER | {"batch_size": 4}},
    "students": {
        "s": {"checkpoint": "org/Tiny"},
        "mean": {"checkpoint": "org/Tiny", "reduction": "mean"},
        "rocket": {"architecture": "minirocket"},
    },
    "defaults": {"dataset": "home", "epochs": 3, "batch_size": 8},
    "experiments": {
        "frozen": {"student": "s", "objective": "none", "eval_datasets": ["home", "away"]},
        "comodo": {"student": "s", "teacher": "t", "queue_size": 10, "eval_datasets": ["home", "away"]},
        "infonce": {"student": "mean", "teacher": "t", "objective": "infonce", "clips_per_recording": 2},
        "labels": {"student": "s", "objective": "supervised", "labels_per_class": 7},
        "rocket": {"student": "rocket", "objective": "supervised"},
    },
    "seeds": [1, 2],
}


@pytest.fixture
def config() -> Config:
    return load(RAW)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two prepared datasets: at home 5 recordings in train, 1 in val, 2 in test, each of 6 windows with 4 pairs."""
    rows = [
        {"recording": f"{split}{n}", "split": split, "label": f"class {n % 2}", "paired": window < 4}
        for split, recordings in (("train", 5), ("val", 1), ("test", 2))
        for n in range(recordings)
        for window in range(6)
    ]
    for name, clips in (("home", pd.DataFrame(rows)), ("away", pd.DataFrame(rows).assign(paired=False))):
        (tmp_path / name).mkdir()
        clips.to_parquet(tmp_path / name / "clips.parquet")
    return tmp_path


def rates(config: Config) -> Rates:
    teacher = rate_name(config.teachers["t"])
    return Rates(
        device="a stopwatch",
        seconds={
            f"encode {teacher}": {1: 9.0, 4: 36.0},
            "train Tiny, 1000 samples": {2: 90.0, 8: 360.0, 16: 1.0},
            "embed Tiny, 1000 samples": {2: 3.6},
        },
        widths={teacher: 1000, "Tiny": 600},
    )


def row_of(table: pd.DataFrame, job: str) -> dict[str, Any]:
    (row,) = table[table["job"] == job].to_dict("records")
    return row


def test_costs_of_prepared_datasets_are_exact(config: Config, results: Path) -> None:
    table = plan(config, dataset_sizes(config, results), rates(config))
    assert table["job"].tolist() == ["encode home by t", *config.experiments]
    assert not table["estimated"].any()

    encode = row_of(table, "encode home by t")  # 8 recordings × 4 pairs, 36 s each
    assert (encode["clips"], encode["device_h"]) == (32, pytest.approx(0.32))
    assert encode["gb"] == pytest.approx(32 * 1000 * 4 / 1e9)

    # 20 pairs, 10 of them queued in epoch 0; both datasets' train and test windows
    comodo = row_of(table, "comodo")
    assert (comodo["train"], comodo["epochs"]) == (20, 3)
    assert comodo["steps"] == 2 * (2 + 3 + 3)
    assert comodo["windows"] == 2 * 2 * 42
    assert comodo["device_h"] == pytest.approx(2 * (50 * 0.1 + 3 * 4 * 0.001 + 2 * 42 * 0.001))
    assert comodo["gb"] == pytest.approx(2 * 2 * 42 * 600 * 4 / 1e9)


def test_limits_of_clips_and_labels(config: Config, results: Path) -> None:
    table = plan(config, dataset_sizes(config, results), rates(config))
    assert row_of(table, "infonce")["train"] == 5 * 2
    assert row_of(table, "infonce")["gb"] == pytest.approx(2 * 42 * 100 * 4 / 1e9)  # the mean of six channels
    assert row_of(table, "labels")["train"] == 7 + 7  # of 18 and 12 labelled windows
    assert row_of(table, "labels")["steps"] == 2 * 3 * 2


def test_what_is_not_trained_on_the_device(config: Config, results: Path) -> None:
    table = plan(config, dataset_sizes(config, results), rates(config))
    frozen = row_of(table, "frozen")
    assert math.isnan(frozen["steps"])
    assert frozen["device_h"] == pytest.approx(2 * 84 * 0.001)
    rocket = row_of(table, "rocket")
    assert (rocket["train"], rocket["device_h"]) == (30, 0)


def test_unknown_rates_are_question_marks_and_no_zeros(config: Config, results: Path) -> None:
    table = plan(
        config, dataset_sizes(config, results), Rates(device="none", failed={"Tiny": "no such model"})
    )
    assert table.set_index("job")["device_h"].isna().drop("rocket").all()
    text = as_text(table, Rates(device="none", failed={"Tiny": "no such model"}))
    assert "no rate is known for 5 of these jobs" in text
    assert "Tiny: no such model" in text


@pytest.mark.parametrize(("objective", "withheld"), [("comodo", 5), ("infonce", 0)])
@pytest.mark.parametrize("windows", [7, 8, 9, 13, 14, 16, 17, 33])
def test_steps_are_those_of_the_training(config: Config, objective: str, withheld: int, windows: int) -> None:
    experiment = config.experiments["comodo"].model_copy(update={"objective": objective, "queue_size": 5})
    expected = [
        (n, len(shuffled_batches(np.arange(n), 8, 0, epoch)))
        for epoch, n in enumerate([windows - withheld, windows, windows])
    ]
    assert epochs_of(windows, experiment) == expected


def test_estimates_of_a_simulated_dataset_are_what_is_simulated(tmp_path: Path) -> None:
    config = load(yaml.safe_load((ROOT / "config/config.yaml").read_text()))
    (settings,) = config.datasets.values()
    assert settings.simulate is not None
    size, estimated = dataset_sizes(config, tmp_path)[next(iter(config.datasets))]
    world = takes(settings.simulate)
    assert estimated
    assert (
        size["split"].value_counts().to_dict() == pd.Series([t.split for t in world]).value_counts().to_dict()
    )
    assert size["label"].nunique() == len({t.label_id for t in world})


def test_published_sizes_are_those_of_the_split_files(reference_splits: Path) -> None:
    for layout, (counts, classes, _) in PUBLISHED_SIZES.items():
        rows = read_split_files(reference_splits / PUBLISHED[layout][0])
        assert tuple(sum(split == s for *_, split in rows) for s in ("train", "val", "test")) == counts
        assert len({label for _, label, _ in rows}) == classes


def test_paper_is_planned_without_any_data(tmp_path: Path) -> None:
    config = load(yaml.safe_load((ROOT / "config/paper.yaml").read_text()))
    encodes = [(d, t) for d in ("ego4d", "egoexo4d", "uestc") for t in ("timesformer", "videomae")]
    assert config.encoded() == encodes
    unknown = Rates(device="none")
    table = plan(config, dataset_sizes(config, tmp_path), unknown)
    assert len(table) == len(encodes) + len(config.experiments)
    assert table["clips"].sum() == 2 * (430_000 + 160_000 + 6_522)
    assert table["estimated"].all()
    assert row_of(table, "encode ego4d by videomae")["clips"] == 430_000
    assert row_of(table, "supervised-uestc")["steps"] == 40 * math.ceil(4553 / 48)
    # the queue's clips are not trained on in epoch 0
    assert row_of(table, "mantis-uestc-videomae")["steps"] == math.ceil((4553 - 2048) / 128) + 19 * 36
    lines = as_text(table, unknown).splitlines()
    assert any("encode ego4d by videomae" in line and "~430,000" in line for line in lines)
    assert any("supervised-uestc" in line and "~4,550 × 40" in line for line in lines)


def test_a_dataset_of_unknown_size_is_named_with_the_remedy(config: Config, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"datasets\.home.*clips\.parquet.*`prepared`"):
        dataset_sizes(config, tmp_path)


# The command, with rates measured here


@pytest.fixture
def tiny(golden: Path, tmp_path: Path) -> Path:
    """A config of models that are measured in seconds, by every way a model can be given."""
    raw = {
        "datasets": {"world": {"layout": "ego4d", "root": "w", "simulate": {}, "clip_s": 2.0}},
        "teachers": {
            "fresh": {**TINY_TEACHER, "batch_size": 3},
            "folder": {"checkpoint": str(golden / "ckpt/timesformer-tiny"), "batch_size": 2},
        },
        "students": {
            "fresh": {"architecture": "mantis", "architecture_config": {"transf_depth": 1, "seq_len": 64}},
            "folder": {"checkpoint": str(golden / "ckpt/AutonLab-MOMENT-tiny")},
            "absent": {"checkpoint": str(tmp_path / "nothing")},
        },
        "defaults": {"dataset": "world", "batch_size": 6, "epochs": 2, "queue_size": 64},
        "experiments": {
            "a": {"teacher": ["fresh", "folder"], "student": ["fresh", "folder"]},
            "b": {"objective": "none", "student": "absent"},
        },
    }
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


def test_command_measures_and_plans(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    saved = tmp_path / "rates.json"
    here = ["--results", str(tmp_path)]
    assert main([str(tiny), *here, "--seconds", "4", "--save-rates", str(saved)]) == 0
    measured = capsys.readouterr().out
    found = Rates.model_validate_json(saved.read_text())
    assert {work.split(",")[0].split("-")[0] for work in found.seconds} == {
        *(
            "encode videomae",
            "encode timesformer",
            "train mantis",
            "embed mantis",
            "train AutonLab",
            "embed AutonLab",
        ),
    }
    assert all(second > 0 for sizes in found.seconds.values() for second in sizes.values())
    assert set(found.widths.values()) == {16, 32, 6 * 32, 6 * 256}
    assert list(found.failed) == ["nothing"]
    assert found.device in measured
    assert "encode world by folder" in measured
    assert "no rate is known for 1 of these jobs" in measured

    assert main([str(tiny), *here, "--rates", str(saved)]) == 0
    assert capsys.readouterr().out == measured


def test_batches_grow_while_there_is_time() -> None:
    runs: list[int] = []
    now = time.perf_counter()
    assert list(ramp(runs.append, 2, 48, now + 3600)) == [2, 4, 8, 16, 32, 48]
    assert runs.count(48) == REPEATS
    assert list(ramp(runs.append, 2, 1, now + 3600)) == [1]
    runs.clear()
    assert list(ramp(runs.append, 2, 48, now - 1)) == [2]
    assert runs == [2]


def test_rates_are_per_item() -> None:
    found = ramp(lambda size: time.sleep(0.01), 2, 50, time.perf_counter() + 3600)
    assert all(seconds >= 0.01 / size for size, seconds in found.items())
    assert found[50] < 0.01


def test_rate_of_the_nearest_smaller_batch() -> None:
    found = Rates(device="d", seconds={"w": {2: 5.0, 8: 3.0}})
    assert [found.per_item("w", size) for size in (1, 2, 7, 8, 100)] == [5, 5, 5, 3, 3]
    assert math.isnan(found.per_item("else", 8))


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("rates.json", '{"seconds": 3}', r"rates\.json holds no rates .*--save-rates"),
        ("rates.json", "no json", r"rates\.json holds no rates"),
        ("tiny.yaml", "a: [1", r"tiny\.yaml is no YAML"),
        ("tiny.yaml", "text", r"tiny\.yaml is no config"),
        ("tiny.yaml", "datasets: {}", "datasets: .*"),
    ],
)
def test_faults_are_named(tiny: Path, tmp_path: Path, name: str, text: str, says: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=says):
        main([str(tiny), "--results", str(tmp_path), "--rates", str(tmp_path / "rates.json")])
