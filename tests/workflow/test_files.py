"""docs/files.md lists every column, dataset, attribute and key of a real run, and nothing else."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatch
from pathlib import Path

import h5py
import pandas as pd
import pytest

from comodo.recordings.sync_table import COLUMNS as SYNC_COLUMNS
from comodo.report.cost import COLUMNS as COST_COLUMNS
from comodo.report.published import COLUMNS
from tests.support.docs import code_blocks
from tests.support.project import ROOT, Project

pytestmark = pytest.mark.workflow
PAGE = "docs/files.md"
RUN = "results/experiments/<experiment>/seed<seed>"


def sections() -> dict[str, list[set[str]]]:
    """The first columns of the tables of each file of the page, without rows of other objectives."""
    text = (ROOT / PAGE).read_text().replace("&lt;", "<").replace("&gt;", ">")
    found = {}
    for title, body in re.findall(r"^Path: `(.*?)`\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL):
        tables = re.split(r"\n\n(?!\|)", body)
        rows = [re.findall(r"^\| `([^`]+)` \|(?!.*supervised only)", table, re.MULTILINE) for table in tables]
        found[title] = [set(names) for names in rows if names]
    return found


SECTIONS = sections()


def file(finished: Project, name: str) -> Path:
    """A file of the run by its name on the page."""
    return next(iter(sorted(finished.folder.glob(re.sub(r"<\w+>", "*", name)))))


@pytest.mark.parametrize("name", [name for name in SECTIONS if name.endswith((".parquet", ".csv"))])
def test_columns(finished: Project, name: str) -> None:
    if name.endswith("published.csv"):
        assert [set(COLUMNS)] == SECTIONS[name]
        return
    if name.endswith("cost.csv"):  # test_export.py
        assert [set(COST_COLUMNS)] == SECTIONS[name]
        return
    if name.endswith("sync.csv"):  # test_sync.py
        assert [set(SYNC_COLUMNS)] == SECTIONS[name]
        return
    path = file(finished, name)
    table = pd.read_parquet(path) if name.endswith(".parquet") else pd.read_csv(path)
    assert [set(table)] == SECTIONS[name]


def test_imu_shards(finished: Project) -> None:
    name = "results/<dataset>/imu/<shard>.h5"
    with h5py.File(file(finished, name)) as shard:
        groups = list(shard.values())
        assert [set(shard.attrs), set(groups[0].attrs), set(groups[0])] == SECTIONS[name]


@pytest.mark.parametrize("name", ["embeddings.h5", "anchors.h5"])
def test_stores_and_anchors(finished: Project, name: str) -> None:
    page = f"results/<dataset>/teachers/<teacher>/{name}"
    with h5py.File(file(finished, page)) as store:
        if name == "anchors.h5":
            assert set(store) == {"first", "medoid", "mean"}
            assert all([set(group)] == SECTIONS[page] for group in store.values())
        else:
            assert [set(store), set(store.attrs)] == SECTIONS[page]


def test_features(finished: Project) -> None:
    page = f"{RUN}/<dataset>/features.h5"
    with h5py.File(file(finished, page.replace("<experiment>", "comodo"))) as features:
        assert set(features) == {"train", "test", "anchors"}
        found = [set(features["test"]), set(features["anchors/mean"]), set(features.attrs)]
        assert found == SECTIONS[page]


def test_students(finished: Project) -> None:
    page = f"{RUN}/student/"
    names = {path.name for path in file(finished, page).iterdir()} - {".snakemake_timestamp"}
    assert [names] == SECTIONS[page]


def test_histories_and_scores(finished: Project) -> None:
    page = f"{RUN}/history.json"
    history = json.loads(file(finished, page.replace("<experiment>", "comodo")).read_text())
    assert [set(history[0])] == SECTIONS[page]
    page = f"{RUN}/<dataset>/svm.json"
    scores = json.loads(file(finished, page).read_text())
    rows = {key for row in scores["results"] for key in row}
    assert [set(scores), rows] == SECTIONS[page]


def test_every_file_of_a_run_is_on_the_page(finished: Project) -> None:
    text = (ROOT / PAGE).read_text().replace("&lt;", "<").replace("&gt;", ">")
    named = re.findall(r"`((?:results/|\w+[\w-]*\.)[^`]*)`", text)
    patterns = [re.sub(r"<\w+>", "*", name) for name in named]
    beside = {Path(pattern).name for pattern in patterns if "/" not in pattern}
    patterns += [pattern + "*" for pattern in patterns if pattern.endswith("/")]
    for path in (finished.folder / "results").rglob("*"):
        name = str(path.relative_to(finished.folder))
        if path.is_file() and "published" not in name:
            assert any(fnmatch(name, pattern) for pattern in patterns) or path.name in beside, name


def test_the_example(finished: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's own dataset is the demo's; here it is the tiny one."""
    monkeypatch.chdir(finished.folder)
    (block,) = code_blocks(PAGE, "python")
    teacher = next((finished.folder / "results/tiny/teachers").iterdir()).name
    exec(
        block.replace("teachers/simulated", f"teachers/{teacher}").replace(
            "results/simulated", "results/tiny"
        ),
        {},
    )
