"""Tables and figures of everything that was measured."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import pandas as pd

from comodo.bootstrap import paired_difference
from comodo.files import atomic

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

COLUMNS: Final = [
    *("dataset", "eval_dataset", "teacher", "student", "objective", "queue_size", "seed", "protocol"),
    *("labels_per_class", "scoring", "top1", "top3", "top5", "n_test", "experiment"),
]
SCORES: Final = ["top1", "top3", "top5"]
DIFFERENCES: Final = [
    *("eval_dataset", "experiment", "baseline", "protocol", "labels_per_class", "scoring"),
    *("seeds", "difference", "low", "high"),
]
# Score files and their names in the tables.
PROTOCOLS: Final = {"anchors": "anchor", "head": "head", "svm": "svm"}
TEACHER_ROWS: Final = {"student": "-", "objective": "-", "experiment": "-"}


def collect(
    results: Path, runs: Mapping[str, Sequence[str]], experiments: Mapping[str, Mapping[str, Any]]
) -> pd.DataFrame:
    """One row per run, protocol, number of labels and scoring.

    Args:
        results: the folder that `runs` are relative to.
        runs: folders and the score files in them, without `.json`: `experiments/<experiment>/seed<seed>/<eval dataset>`
            for a student, `<eval dataset>/teachers/<teacher>` for a teacher itself.
        experiments: settings of each experiment.

    Returns:
        A table with the columns `COLUMNS`.
    """
    rows = []
    for run, protocols in runs.items():
        parts = Path(run).parts
        if parts[0] == "experiments":
            settings = experiments[parts[1]]
            about = {key: settings.get(key, "-") for key in ("dataset", "teacher", "student", "objective")}
            about |= {
                "experiment": parts[1],
                "seed": int(parts[2].removeprefix("seed")),
                "eval_dataset": parts[3],
            }
            if settings["objective"] == "comodo":
                about["queue_size"] = settings["queue_size"]
        else:
            about = {"dataset": parts[0], "eval_dataset": parts[0], "teacher": parts[2], **TEACHER_ROWS}
        for name in sorted(protocols):
            scored = json.loads((results / run / f"{name}.json").read_text())
            for result in scored["results"]:
                rows.append({**about, "protocol": PROTOCOLS[name], "n_test": scored["n_test"], **result})
    table = pd.DataFrame(rows).reindex(columns=COLUMNS)
    return table.astype({"seed": "Int64", "queue_size": "Int64"})


def differences(
    results: Path, runs: Mapping[str, Sequence[str]], baselines: Mapping[str, str]
) -> pd.DataFrame:
    """What each experiment gains in top-1 over its baseline, wherever both were measured alike.

    Args:
        results: the folder that `runs` are relative to.
        runs: see `collect`.
        baselines: an experiment's baseline, by the experiment's name.

    Returns:
        A table with the columns `DIFFERENCES`; difference, low and high (95 %) are fractions.
    """
    hits: dict[tuple[str, ...], dict[str, Any]] = {}
    windows: dict[tuple[str, str], list[int]] = {}
    for run, protocols in runs.items():
        if not run.startswith("experiments/"):
            continue
        _, experiment, seed, dataset = Path(run).parts
        for name in sorted(protocols):
            scored = json.loads((results / run / f"{name}.json").read_text())
            windows[dataset, name] = scored["windows"]
            for row in scored["results"]:
                key = (dataset, experiment, name, str(row["labels_per_class"]), row["scoring"])
                hits.setdefault(key, {})[seed] = row["hits"]
    rows = []
    for (dataset, experiment, name, labels, scoring), ours in hits.items():
        baseline = baselines.get(experiment)
        theirs = hits.get((dataset, str(baseline), name, labels, scoring))
        seeds = sorted(ours.keys() & (theirs or {}).keys())
        if theirs is None or not seeds:
            continue
        gain = paired_difference(
            np.array([ours[seed] for seed in seeds]),
            np.array([theirs[seed] for seed in seeds]),
            np.array(windows[dataset, name]),
        )
        about = (dataset, experiment, baseline, PROTOCOLS[name], labels, scoring)
        rows.append((*about, len(seeds), *gain))
    return pd.DataFrame(rows, columns=DIFFERENCES)


def mean_over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """The table with mean ± standard deviation over seeds, as text, in per cent."""
    keys = [column for column in COLUMNS if column not in {"seed", *SCORES}]
    # labels_per_class holds both numbers and "all", which pandas cannot order: keep the table's own order
    grouped = table.groupby(keys, sort=False, dropna=False)
    out = grouped["top1"].count().rename("seeds").reset_index()
    for score in SCORES:
        mean, std = 100 * grouped[score].mean().to_numpy(), 100 * grouped[score].std().to_numpy()
        out[score] = [
            f"{m:.1f}" if pd.isna(s) else f"{m:.1f} ± {s:.1f}" for m, s in zip(mean, std, strict=True)
        ]
    return out


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Top-1 at a glance: one row per encoder, one column per protocol."""
    short = mean_over_seeds(table[table["scoring"] != "medoid"])
    names = short[["teacher", "student", "experiment"]].astype(str).itertuples(index=False, name=None)
    encoder = [
        f"teacher {teacher}" if student == "-" else f"{student} ({experiment})"
        for teacher, student, experiment in names
    ]
    return _wide(short.assign(encoder=encoder), "top1")


def gains(table: pd.DataFrame) -> pd.DataFrame:
    """Differences at a glance: one row per experiment, one column per protocol, in points with the interval."""
    short = table[table["scoring"] != "medoid"]
    figures = 100 * short[["difference", "low", "high"]].to_numpy(float)
    shown = [f"{gain:+.1f} [{low:+.1f}, {high:+.1f}]" for gain, low, high in figures]
    return _wide(short.assign(encoder=short["experiment"] + " − " + short["baseline"], shown=shown), "shown")


def _column(protocol: str, labels: Any, scoring: str) -> str:
    """What a column of the summary is called."""
    if protocol == "anchor":
        return f"zero-shot, {scoring} anchors"
    number = f"{labels} label{'' if str(labels) == '1' else 's'}"
    if protocol == "head":
        return f"own head, {number}"
    return f"SVM, {number}" + (" (Platt)" if scoring == "platt" else "")


def _wide(short: pd.DataFrame, values: str) -> pd.DataFrame:
    """One row per evaluated dataset and encoder, in the order in which they came; one column per protocol."""
    index = ["eval_dataset", "encoder"]
    keys = short[["protocol", "labels_per_class", "scoring"]].itertuples(index=False, name=None)
    short = short.assign(column=[_column(*key) for key in keys])
    wide = short.pivot(index=index, columns="column", values=values)
    order = short.drop_duplicates(index).set_index(index).index
    wide = wide.loc[order, sorted(dict.fromkeys(short["column"]), key=_place)]
    return wide.fillna("").reset_index().rename(columns={"eval_dataset": "on"})


def _place(column: str) -> tuple[int, float]:
    """Zero-shot first, then few labels to all, then own heads."""
    kind, rest = column.split(", ")
    number = rest.split()[0]
    labels = float(number) if number.isdigit() else float("inf") if number == "all" else 0
    return ("zero-shot", "SVM", "own head").index(kind), labels


def write_report(
    results: Path,
    runs: Mapping[str, Sequence[str]],
    experiments: Mapping[str, Mapping[str, Any]],
    baselines: Mapping[str, str],
    histories: Sequence[Path],
    folder: Path,
) -> pd.DataFrame:
    """Write accuracy.csv, accuracy.md, differences.csv, summary.md, training.png and label-efficiency.png.

    Returns the table of accuracy.csv.
    """
    table = collect(results, runs, experiments)
    gained = differences(results, runs, baselines)
    with atomic(folder / "differences.csv") as partial:
        gained.to_csv(partial, index=False)
    with atomic(folder / "accuracy.csv") as partial:
        table.to_csv(partial, index=False)
    with atomic(folder / "accuracy.md") as partial:
        partial.write_text(mean_over_seeds(table).to_markdown(index=False) + "\n")
    with atomic(folder / "summary.md") as partial:
        note = "Top-1 accuracy on the test split, per cent"
        seeds = table["seed"].nunique()
        note += f", mean ± standard deviation over {seeds} seeds" if seeds > 1 else ""
        text = f"{note}. Chance: {_chances(results, runs)}.\n\n{summary(table).to_markdown(index=False)}\n"
        if len(gained):
            text += "\nGain over the baseline, points [95 % interval, paired bootstrap over recordings and seeds]:\n\n"
            text += f"{gains(gained).to_markdown(index=False)}\n"
        partial.write_text(text)
    with atomic(folder / "training.png") as partial:
        plot_training(histories, partial)
    with atomic(folder / "label-efficiency.png") as partial:
        plot_label_efficiency(table, partial)
    return table


def _chances(results: Path, runs: Mapping[str, Sequence[str]]) -> str:
    """Chance level of each evaluated dataset, from the number of its classes."""
    chances = {}
    for run in runs:
        dataset = Path(run).parts[3 if run.startswith("experiments/") else 0]
        chances[dataset] = 100 / json.loads((results / run / "svm.json").read_text())["n_classes"]
    return ", ".join(f"{chance:.1f} on {dataset}" for dataset, chance in sorted(chances.items()))


def plot_training(histories: Sequence[Path], target: Path) -> None:
    """Loss and zero-shot accuracy on val after each epoch: a line per seed, dashed where nothing was trained."""
    figure, (loss, zero_shot) = plt.subplots(1, 2, figsize=(14, 4.5), layout="constrained")
    colours: dict[str, Any] = {}
    for path in histories:
        epochs = pd.DataFrame(json.loads(path.read_text()))
        name = path.parts[-3]  # experiments/<experiment>/seed<seed>/history.json
        label = None if name in colours else name
        style: dict[str, Any] = {"label": label, "color": colours.setdefault(name, _colour(len(colours)))}
        shown = next((key for key in ("zero_shot_mean", "head") if key in epochs), None)
        if epochs["loss"].isna().all():
            if shown:
                zero_shot.axhline(100 * epochs[shown].iloc[-1], linestyle="--", linewidth=1, **style)
            continue
        loss.plot(epochs["epoch"] + 1, epochs["loss"], marker=".", **style)
        if shown:
            zero_shot.plot(epochs["epoch"] + 1, 100 * epochs[shown], marker=".", **style)
    for axes in (loss, zero_shot):
        axes.xaxis.get_major_locator().set_params(integer=True)
    _finish(loss, "epochs", "training loss")
    _finish(zero_shot, "epochs", "top-1 on val, %")
    loss.set_title("each objective has a scale of its own", fontsize="small")
    zero_shot.set_title("zero-shot by mean anchors; supervised: own head", fontsize="small")
    _legend(figure)
    figure.savefig(target, dpi=150)
    plt.close(figure)


def plot_label_efficiency(table: pd.DataFrame, target: Path) -> None:
    """Top-1 of an SVM against labels per class, and of the nearest anchor (0 labels); a panel per evaluated dataset."""
    rows = table[
        ((table["protocol"] == "svm") & (table["scoring"] == "decision")) | (table["scoring"] == "mean")
    ].copy()
    rows["labels"] = rows["labels_per_class"].astype(str)
    ticks = sorted(rows["labels"].unique(), key=lambda text: float("inf") if text == "all" else float(text))
    datasets = sorted(rows["eval_dataset"].unique())
    figure, panels = plt.subplots(
        1, len(datasets), figsize=(6 * len(datasets) + 4.5, 4.5), layout="constrained", squeeze=False
    )
    for axes, dataset in zip(panels[0], datasets, strict=True):
        own = rows[rows["eval_dataset"] == dataset]
        for (teacher, student, experiment), group in own.groupby(
            ["teacher", "student", "experiment"], sort=False
        ):
            scores = 100 * group.groupby("labels")["top1"].agg(["mean", "std"]).reindex(ticks)
            name = f"teacher {teacher}" if student == "-" else f"{student}: {experiment}"
            svm, anchor = scores[scores.index != "0"], scores[scores.index == "0"]
            style = {"capsize": 3, "color": _colour(len(axes.containers) // 2)}
            axes.errorbar(
                anchor.index, anchor["mean"], anchor["std"].fillna(0), fmt="*", markersize=11, **style
            )
            axes.errorbar(svm.index, svm["mean"], svm["std"].fillna(0), label=name, marker="o", **style)
        axes.set_title(dataset)
        _finish(
            axes,
            "labels per class (SVM; stars at 0: mean anchors)",
            "top-1 on test, %",
        )
    _legend(figure)
    figure.savefig(target, dpi=150)
    plt.close(figure)


def _finish(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.3)


def _colour(number: int) -> Any:
    """Ten colours, then their lighter kin."""
    return plt.get_cmap("tab20")(number % 10 * 2 + number // 10 % 2)


def _legend(figure: Any) -> None:
    """One legend beside all panels, each name once."""
    found: dict[str, Any] = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        found |= dict(zip(labels, handles, strict=True))
    if found:
        figure.legend(found.values(), found.keys(), loc="outside right upper", fontsize="small")
