from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from comodo.config import Config, load
from comodo.report.published import SETTING, candidates, compare, match, published_rows, write_published

ROOT = Path(__file__).parents[3]
PUBLISHED = ROOT / "results/published/comodo_2025.csv"
REPEATED = 2  # rows of one setting


@pytest.fixture(scope="module")
def raw() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "config/paper.yaml").read_text())


@pytest.fixture(scope="module")
def paper(raw: dict[str, Any]) -> Config:
    return load(raw)


@pytest.fixture(scope="module")
def published() -> pd.DataFrame:
    return published_rows(PUBLISHED)


def matches_per_row(published: pd.DataFrame, config: Config) -> list[int]:
    found = match(published, candidates(config))["row"].value_counts()
    return found.reindex(published.index, fill_value=0).tolist()


def test_each_published_row_is_matched_by_exactly_one_experiment(
    published: pd.DataFrame, paper: Config
) -> None:
    assert len(published) == 77
    assert matches_per_row(published, paper) == [1] * 77


def test_repeats_of_a_setting_are_matched_by_the_same_experiment(
    published: pd.DataFrame, paper: Config
) -> None:
    repeats = published.index[published.duplicated(SETTING, keep=False)].tolist()
    assert len(repeats) == REPEATED
    pairs = match(published, candidates(paper)).set_index("row").loc[repeats]
    assert pairs[["experiment", "evaluated_on"]].drop_duplicates().to_numpy().tolist() == [
        ["queue-ego4d-queue_size=65536", "ego4d"]
    ]


def test_paper_config_evaluates_nothing_that_was_not_published(
    published: pd.DataFrame, paper: Config
) -> None:
    found = candidates(paper)
    assert set(match(published, found)["candidate"]) == set(range(len(found)))
    assert len(found) == sum(len(paper.evaluated_on(name)) for name in paper.experiments)


def test_protocol_and_scoring_are_the_published_ones(published: pd.DataFrame, paper: Config) -> None:
    pairs = match(published, candidates(paper)).join(published["objective"], on="row")
    head = pairs[pairs["objective"] == "supervised"]
    assert set(zip(head["protocol"], head["scoring"], strict=True)) == {("head", "head")}
    others = pairs[pairs["objective"] != "supervised"]
    assert set(zip(others["protocol"], others["scoring"], strict=True)) == {("svm", "platt")}
    across = pairs[pairs["objective"] == "supervised+svm"]
    assert {paper.experiments[name].objective for name in across["experiment"]} == {"supervised"}


def experiment(name: str, **settings: Any) -> Callable[[dict[str, Any]], None]:
    return lambda raw: raw["experiments"][name].update(settings)


def drop(name: str) -> Callable[[dict[str, Any]], None]:
    def apply(raw: dict[str, Any]) -> None:
        del raw["experiments"][name]

    return apply


def duplicate(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda raw: raw["experiments"].update({"again": raw["experiments"][name]})


def simulated(raw: dict[str, Any]) -> None:
    raw["datasets"]["ego4d"]["simulate"] = {}


def another_student(raw: dict[str, Any]) -> None:
    raw["students"]["moment"]["checkpoint"] = "AutonLab/MOMENT-1-large"


def another_teacher(raw: dict[str, Any]) -> None:
    raw["teachers"]["videomae"] = {"checkpoint": "MCG-NJU/videomae-large-finetuned-kinetics"}


@pytest.mark.parametrize(
    ("mutate", "missing", "doubled"),
    [
        (drop("l2"), 3, 0),
        (drop("mantis-ego4d-videomae"), 1, 0),
        (drop("queue-ego4d"), 5, 0),
        (experiment("mantis-uestc-videomae", queue_size=1024), 1, 0),
        (experiment("mantis-uestc", queue_size=[256, 512, 1024]), 1, 0),
        (experiment("across-egoexo4d", batch_size=128), 2, 0),
        (experiment("mean-uestc", student="moment"), 1, 1),
        (experiment("infonce-uestc", teacher="videomae"), 1, 1),
        (experiment("infonce-uestc", epochs=10), 1, 0),
        (experiment("infonce-uestc", infonce_symmetric=True), 1, 0),
        (experiment("l2", clips_per_recording=4), 3, 0),
        (experiment("mantis-ego4d", student_temperature=0.07), 3, 0),
        (experiment("mantis-ego4d", projection="pca"), 3, 0),
        (experiment("supervised-uestc", labels_per_class=5), 1, 0),
        (experiment("supervised-uestc", learning_rate=3e-4), 1, 0),
        (experiment("supervised-across", eval_datasets=["ego4d"]), 4, 0),
        (experiment("mantis-ego4d", eval_datasets=["ego4d", "uestc"]), 1, 0),
        (experiment("frozen-mantis", eval_datasets=["ego4d"]), 2, 0),
        (duplicate("l2"), 0, 3),
        (duplicate("frozen-moment"), 0, 3),
        (duplicate("queue-ego4d"), 0, 5),
        (simulated, 31, 0),
        (another_student, 18, 0),
        (another_teacher, 12, 0),
    ],
)
def test_another_config_misses_or_doubles_rows(
    mutate: Callable[[dict[str, Any]], None],
    missing: int,
    doubled: int,
    raw: dict[str, Any],
    published: pd.DataFrame,
) -> None:
    changed = copy.deepcopy(raw)
    mutate(changed)
    for settings in changed["experiments"].values():
        settings["baseline"] = None
    changed["defaults"].pop("baseline")
    found = matches_per_row(published, load(changed))
    assert (found.count(0), sum(count > 1 for count in found)) == (missing, doubled)


def test_settings_that_an_objective_does_not_use_do_not_matter(
    raw: dict[str, Any], published: pd.DataFrame
) -> None:
    changed = copy.deepcopy(raw)
    changed["experiments"]["l2"] |= {"student_temperature": 0.07, "queue_size": 64}
    changed["experiments"]["frozen-mantis"] |= {"teacher": "videomae", "epochs": 3, "clips_per_recording": 2}
    assert matches_per_row(published, load(changed)) == [1] * 77


def test_names_of_ones_own_and_local_folders_do_not_matter(
    raw: dict[str, Any], published: pd.DataFrame
) -> None:
    text = yaml.safe_dump(raw).replace("facebook/timesformer", "/models/timesformer")
    text = text.replace("paris-noah/Mantis-8M", "models/mantis-8m/")
    changed = yaml.safe_load(text)
    changed["datasets"]["mine"] = changed["datasets"].pop("uestc")
    for settings in changed["experiments"].values():
        for key in ("dataset", "eval_datasets"):
            if key in settings:
                names = [settings[key]] if isinstance(settings[key], str) else settings[key]
                names = ["mine" if name == "uestc" else name for name in names]
                settings[key] = names[0] if isinstance(settings[key], str) else names
    assert matches_per_row(published, load(changed)) == [1] * 77


def test_the_other_published_configs_match_their_rows(published: pd.DataFrame) -> None:
    counts = {}
    for name in ("ego4d", "egoexo4d", "uestc", "config", "camera"):
        config = load(yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()))
        found = matches_per_row(published, config)
        assert max(found) <= 1
        counts[name] = sum(found)
    assert counts == {"ego4d": 6, "egoexo4d": 6, "uestc": 6, "config": 0, "camera": 0}


def test_paper_config_needs_no_environment(monkeypatch: pytest.MonkeyPatch, raw: dict[str, Any]) -> None:
    monkeypatch.delenv("COMODO_DATA", raising=False)
    assert load(raw).datasets["ego4d"].root == "dataset/Ego4D"
    monkeypatch.setenv("COMODO_DATA", "/data")
    assert load(raw).datasets["ego4d"].root == "/data/Ego4D"


def test_paper_datasets_are_those_of_their_own_configs(paper: Config) -> None:
    for name in paper.datasets:
        own = load(yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()))
        assert paper.datasets[name] == own.datasets[name]
        assert paper.teachers == own.teachers


def test_baselines_are_evaluated_wherever_they_are_compared(paper: Config) -> None:
    for name, settings in paper.experiments.items():
        if settings.baseline is not None:
            assert set(paper.evaluated_on(name)) <= set(paper.evaluated_on(settings.baseline)), name
    without = {name.split("-")[0] for name, e in paper.experiments.items() if e.baseline is None}
    assert without == {"frozen", "scratch"}


# The join with what was measured


def measured(*rows: tuple[Any, ...]) -> pd.DataFrame:
    columns = ["experiment", "eval_dataset", "protocol", "labels_per_class", "scoring", "seed", "top1"]
    return pd.DataFrame(rows, columns=columns)


ACCURACY = measured(
    ("mantis-ego4d", "uestc", "svm", "all", "platt", 1, 0.90),
    ("mantis-ego4d", "uestc", "svm", "all", "platt", 2, 0.94),
    ("mantis-ego4d", "uestc", "svm", "all", "decision", 1, 0.91),
    ("mantis-ego4d", "uestc", "svm", "all", "decision", 2, 0.95),
    ("mantis-ego4d", "uestc", "svm", 1, "decision", 1, 0.10),
    ("mantis-ego4d", "uestc", "anchor", 0, "mean", 1, 0.20),
    ("mantis-ego4d", "ego4d", "svm", "all", "platt", 1, 0.30),
    ("supervised-uestc", "uestc", "head", "all", "head", 1, 0.95),
    ("supervised-uestc", "uestc", "svm", "all", "platt", 1, 0.40),
)


def row_of(table: pd.DataFrame, experiment: str, eval_dataset: str) -> pd.Series[Any]:
    found = table[(table["experiment"] == experiment) & (table["eval_dataset"] == eval_dataset)]
    assert len(found) == 1
    return found.iloc[0]


def test_ours_stands_beside_theirs(paper: Config, published: pd.DataFrame) -> None:
    table = compare(ACCURACY, candidates(paper), published)
    assert len(table) == 77
    row = row_of(table, "mantis-ego4d", "mmea")
    assert row["top1"] == pytest.approx(0.92)
    assert row["top1_std"] == pytest.approx(0.04 / 2**0.5)
    assert row["top1_decision"] == pytest.approx(0.93)
    assert row["published_top1"] == pytest.approx(0.9422492401215805)
    assert row["difference"] == pytest.approx(0.92 - 0.9422492401215805)
    assert (row["seeds"], row["queue_size"], row["train_dataset"]) == (2, 16384, "ego4d")
    one_seed = row_of(table, "mantis-ego4d", "ego4d")
    assert one_seed["top1"] == pytest.approx(0.3)
    assert pd.isna(one_seed["top1_std"])
    assert one_seed["seeds"] == 1
    supervised = row_of(table, "supervised-uestc", "mmea")
    assert supervised["top1"] == pytest.approx(0.95)
    assert pd.isna(supervised["top1_decision"])


def test_what_was_not_run_is_empty(paper: Config, published: pd.DataFrame) -> None:
    table = compare(ACCURACY, candidates(paper), published)
    rest = table[table["seeds"] == 0]
    assert len(rest) == 77 - 3
    assert rest[["top1", "top1_decision", "difference"]].isna().all(axis=None)
    assert rest["published_top1"].notna().all()


def test_files_of_the_report(paper: Config, tmp_path: Path) -> None:
    # candidates go through Snakemake's params, accuracy through a csv
    ACCURACY.to_csv(tmp_path / "accuracy.csv", index=False)
    plain = json.loads(json.dumps(candidates(paper)))
    write_published(pd.read_csv(tmp_path / "accuracy.csv"), plain, PUBLISHED, tmp_path)
    table = pd.read_csv(tmp_path / "published.csv")
    assert len(table) == 77
    assert row_of(table, "mantis-ego4d", "mmea")["top1_decision"] == pytest.approx(0.93)
    text = (tmp_path / "published.md").read_text()
    assert "3 of 77 published rows" in text
    line = next(line for line in text.splitlines() if "92.0 ± 2.8" in line)
    assert [cell.strip() for cell in line.strip("|").split("|")] == [
        *(
            "mmea",
            "Mantis-8M",
            "ego4d",
            "timesformer-base-finetuned-k400",
            "comodo",
            "16384",
            "128",
            "concat",
        ),
        *("94.2 / 98.8 / 99.6", "92.0 ± 2.8", "93.0 ± 2.8", "-2.2", "2"),
    ]


def test_report_of_a_config_without_published_settings(tmp_path: Path) -> None:
    config = load(yaml.safe_load((ROOT / "config/config.yaml").read_text()))
    assert candidates(config) == []
    write_published(ACCURACY, [], PUBLISHED, tmp_path)
    assert "No published row" in (tmp_path / "published.md").read_text()
    assert pd.read_csv(tmp_path / "published.csv").empty


def test_a_table_of_other_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("eval_dataset,top1\nego4d,0.5\n")
    with pytest.raises(ValueError, match=r"own\.csv: no column student"):
        published_rows(tmp_path / "own.csv")
