"""Write what the learning benchmark measured into docs/benchmark-tables.md, between two markers.

    python benchmarks/learning/table.py <docs/benchmark-tables.md> <folder of a run>...

Each folder is one that Snakemake ran in (`--directory`), with its results and the config it ran with as config.yaml.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from comodo.config import Config, load
from comodo.report.intervals import differences, pool_hits
from comodo.report.runs import EvaluatedRun, evaluated_runs
from comodo.report.tables import collect

BEGIN = "<!-- learning: written by make benchmark-learning -->"
END = "<!-- learning: end -->"
TITLE = "# Benchmark tables\n"
BASELINES = ("frozen", "infonce", "l2", "comodo")
PROTOCOLS = {
    ("anchor", "0"): "zero-shot",
    ("svm", "1"): "SVM, 1 label",
    ("svm", "5"): "5 labels",
    ("svm", "10"): "10 labels",
    ("svm", "all"): "all labels",
    ("head", "all"): "own head",
}
ALL = PROTOCOLS["svm", "all"]
PACKAGES = ("torch", "transformers", "mantis-tsfm", "momentfm", "aeon", "scikit-learn", "numpy")


def found_runs(folder: Path, config: Config) -> list[EvaluatedRun]:
    """Return the evaluations of a config that are already scored below `folder`/results, for any of its seeds."""
    results = folder / "results"
    seeds = sorted({int(path.name.removeprefix("seed")) for path in results.glob("experiments/*/seed*")})
    runs = evaluated_runs(config.model_copy(update={"seeds": tuple(seeds)}))
    scored = [
        run | {"protocols": [name for name in run["protocols"] if _score_file(results, run, name).exists()]}
        for run in runs
    ]
    return [run for run in scored if "svm" in run["protocols"]]


def _score_file(results: Path, run: EvaluatedRun, protocol: str) -> Path:
    return results / run["folder"] / f"{protocol}.json"


def measured(folder: Path, config: Config) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Top-1 of every encoder by seed, and what each `comodo` experiment gains over each of the `BASELINES`.

    Both tables have the columns dataset, encoder and column (a protocol as the docs call it).
    """
    settings = {name: experiment.model_dump() for name, experiment in config.experiments.items()}
    runs = found_runs(folder, config)
    scores = collect(folder / "results", runs)
    encoder = [
        "teacher (video)" if row.student == "-" else f"{row.student}, {objective(settings[row.experiment])}"
        for row in scores.itertuples()
    ]
    scores = in_columns(scores.assign(encoder=encoder))
    place = {(own["dataset"], own["student"], objective(own)): name for name, own in settings.items()}
    gains = []
    for baseline in BASELINES:
        pairs = {
            name: base
            for name, own in settings.items()
            if own["objective"] == "comodo"
            and (base := place.get((own["dataset"], own["student"], baseline))) not in (None, name)
        }
        found = differences(pool_hits(folder / "results", runs), pairs)
        methods = [objective(settings[name]) for name in found["experiment"]]
        students = [settings[name]["student"] for name in found["experiment"]]
        names = [f"{s}, {method} − {baseline}" for s, method in zip(students, methods, strict=True)]
        if len(found):
            gains.append(in_columns(found.assign(encoder=names, baseline=baseline, method=methods)))
    return scores, pd.concat(gains)


def objective(settings: Mapping[str, Any]) -> str:
    """What an experiment's student learned by, in one word."""
    if settings["objective"] == "comodo" and settings["projection"] == "pca":
        return "comodo-warm"
    return "frozen" if settings["objective"] == "none" else str(settings["objective"])


def in_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of the docs' protocols, with the name of their column."""
    table = table[table["scoring"].isin(["mean", "decision", "head"])]
    keys = zip(table["protocol"], table["labels_per_class"].astype(str), strict=True)
    table = table.assign(column=[PROTOCOLS.get(key) for key in keys])
    return table[table["column"].notna()]


def wide(table: pd.DataFrame, texts: Sequence[str]) -> str:
    """A markdown table: encoders down, protocols across."""
    spread = table.assign(text=list(texts)).pivot(index="encoder", columns="column", values="text")
    columns = [name for name in PROTOCOLS.values() if name in spread]
    rows = list(dict.fromkeys(table["encoder"]))
    return (
        spread.loc[rows, columns]
        .fillna("")
        .rename_axis(None)
        .to_markdown(disable_numparse=True, stralign="right")
    )


def section(folders: Sequence[Path]) -> str:
    """The section between the markers."""
    text = ["## Does distillation teach?", "", Path(__file__).with_name("about.md").read_text()]
    seconds = 0.0
    for folder in folders:
        config = load(yaml.safe_load((folder / "config.yaml").read_text()))
        scores, gains = measured(folder, config)
        for dataset in dict.fromkeys(scores["eval_dataset"]):
            about = json.loads(next((folder / f"results/{dataset}/teachers").glob("*/svm.json")).read_text())
            note = f"{about['n_test']} test windows of {len(about['windows'])} recordings, {about['n_classes']} classes"
            text += ["", f"### {dataset}", "", *tables(scores, gains, dataset, note)]
        for benchmark in (folder / "results/benchmarks").rglob("*.tsv"):
            seconds += float(pd.read_csv(benchmark, sep="\t")["s"].iloc[-1])
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    machine = (
        f"{processor()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    )
    text += [
        "",
        f"`make benchmark-learning`: {seconds / 60:.0f} minutes of jobs, one core each. {machine}; {versions}.",
    ]
    return "\n".join(text)


def tables(scores: pd.DataFrame, gains: pd.DataFrame, dataset: str, note: str) -> list[str]:
    """Both tables of one dataset, and lines that say which of the gains are sure."""
    own = scores[scores["eval_dataset"] == dataset].sort_values("student", kind="stable")  # the teacher first
    grouped = (
        own.groupby(["encoder", "column"], sort=False)["top1"].agg(["mean", "std", "count"]).reset_index()
    )
    cells = [
        f"{100 * row.mean_:.1f}" + (f" ± {100 * row.std_:.1f}" if row.count_ > 1 else "")
        for row in grouped.rename(columns=lambda name: f"{name}_").itertuples()
    ]
    gained = gains[gains["eval_dataset"] == dataset]
    intervals = [
        f"{100 * r.difference:+.1f} [{100 * r.low:+.1f}, {100 * r.high:+.1f}]" for r in gained.itertuples()
    ]
    seeds = int(own["seed"].nunique())
    return [
        f"Top-1 on test, per cent, mean ± standard deviation over {seeds} seeds; {note}.",
        "",
        wide(grouped, cells),
        "",
        "What comodo gains, in points, with a 95 % interval (paired bootstrap over test recordings and seeds).",
        "",
        wide(gained, intervals),
        "",
        *verdicts(gained),
    ]


def verdicts(gained: pd.DataFrame) -> list[str]:
    """One line per method and baseline: the mean gain, and how many intervals lie above 0; all labels apart."""
    lines = []
    for (method, baseline), own in gained.groupby(["method", "baseline"], sort=False):
        told = []
        for name, rows in (
            ("zero-shot and 1, 5, 10 labels", own[own["column"] != ALL]),
            ("all labels", own[own["column"] == ALL]),
        ):
            above, below = int((rows["low"] > 0).sum()), int((rows["high"] < 0).sum())
            mean = 100 * rows["difference"].mean()
            told.append(
                f"{name} {mean:+.1f} on average, {above} of {len(rows)} intervals above 0, {below} below"
            )
        lines.append(f"- {method} − {baseline}: {'; '.join(told)}.")
    return lines


def processor() -> str:
    """Return the processor's name, if the system gives it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def insert(docs: Path, text: str) -> None:
    """Put `text` between the markers of `docs`; where they are missing, at its end."""
    old = docs.read_text() if docs.exists() else TITLE
    if BEGIN not in old:
        old = f"{old.rstrip()}\n\n{BEGIN}\n{END}\n"
    head, rest = old.split(BEGIN)
    tail = rest.split(END, 1)[1]
    docs.parent.mkdir(parents=True, exist_ok=True)
    docs.write_text(f"{head}{BEGIN}\n{text.strip()}\n{END}{tail}")


if __name__ == "__main__":
    insert(Path(sys.argv[1]), section([Path(folder) for folder in sys.argv[2:]]))
