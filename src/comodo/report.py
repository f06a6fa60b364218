"""Tables and figures of everything that was measured."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import pandas as pd

from comodo.files import atomic

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

COLUMNS: Final = [
    *("dataset", "eval_dataset", "teacher", "student", "objective", "queue_size", "seed", "protocol"),
    *("labels_per_class", "scoring", "top1", "top3", "top5", "n_test", "experiment"),
]
SCORES: Final = ["top1", "top3", "top5"]
TEACHER_ROWS: Final = {"student": "-", "objective": "-", "experiment": "-"}


def collect(results: Path, runs: Sequence[str], experiments: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """One row per run, protocol, number of labels and scoring.

    Args:
        results: the folder that `runs` are relative to.
        runs: folders with `anchors.json` and `svm.json`: `experiments/<experiment>/seed<seed>/<eval dataset>` for a
            student, `<eval dataset>/teachers/<teacher>` for a teacher itself.
        experiments: settings of each experiment.

    Returns:
        A table with the columns `COLUMNS`.
    """
    rows = []
    for run in runs:
        parts = Path(run).parts
        if parts[0] == "experiments":
            settings = experiments[parts[1]]
            about = {key: settings[key] for key in ("dataset", "teacher", "student", "objective")}
            about |= {
                "experiment": parts[1],
                "seed": int(parts[2].removeprefix("seed")),
                "eval_dataset": parts[3],
            }
            if settings["objective"] == "comodo":
                about["queue_size"] = settings["queue_size"]
        else:
            about = {"dataset": parts[0], "eval_dataset": parts[0], "teacher": parts[2], **TEACHER_ROWS}
        for protocol, name in (("anchor", "anchors.json"), ("svm", "svm.json")):
            scored = json.loads((results / run / name).read_text())
            for result in scored["results"]:
                rows.append({**about, "protocol": protocol, "n_test": scored["n_test"], **result})
    table = pd.DataFrame(rows).reindex(columns=COLUMNS)
    return table.astype({"seed": "Int64", "queue_size": "Int64"})


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
    encoder = [
        f"teacher {row.teacher}" if row.student == "-" else f"{row.student} ({_named(row)})"
        for row in short.itertuples()
    ]
    protocol = [
        f"zero-shot, {row.scoring} anchors"
        if row.protocol == "anchor"
        else f"SVM, {row.labels_per_class} label{'' if row.labels_per_class == 1 else 's'}"
        + (" (Platt)" if row.scoring == "platt" else "")
        for row in short.itertuples()
    ]
    short = short.assign(encoder=encoder, protocol=protocol)
    wide = short.pivot(index=["eval_dataset", "encoder"], columns="protocol", values="top1")
    order = short.drop_duplicates(["eval_dataset", "encoder"]).set_index(["eval_dataset", "encoder"]).index
    return (
        wide.loc[order, list(dict.fromkeys(protocol))]
        .fillna("")
        .reset_index()
        .rename(columns={"eval_dataset": "on"})
    )


def _named(row: Any) -> str:
    return "undistilled" if row.objective == "none" else str(row.experiment)


def write_report(
    results: Path,
    runs: Sequence[str],
    experiments: Mapping[str, Mapping[str, Any]],
    histories: Sequence[Path],
    folder: Path,
) -> None:
    """Write accuracy.csv, accuracy.md, summary.md, training.png and label-efficiency.png into `folder`."""
    table = collect(results, runs, experiments)
    with atomic(folder / "accuracy.csv") as partial:
        table.to_csv(partial, index=False)
    with atomic(folder / "accuracy.md") as partial:
        partial.write_text(mean_over_seeds(table).to_markdown(index=False) + "\n")
    with atomic(folder / "summary.md") as partial:
        note = "Top-1 accuracy on the test split, per cent"
        seeds = table["seed"].nunique()
        note += f", mean ± standard deviation over {seeds} seeds" if seeds > 1 else ""
        partial.write_text(
            f"{note}. Chance: {_chances(results, runs)}.\n\n{summary(table).to_markdown(index=False)}\n"
        )
    with atomic(folder / "training.png") as partial:
        plot_training(histories, partial)
    with atomic(folder / "label-efficiency.png") as partial:
        plot_label_efficiency(table, partial)


def _chances(results: Path, runs: Sequence[str]) -> str:
    """Chance level of each evaluated dataset, from the number of its classes."""
    chances = {}
    for run in runs:
        dataset = Path(run).parts[3 if run.startswith("experiments/") else 0]
        chances[dataset] = 100 / json.loads((results / run / "anchors.json").read_text())["n_classes"]
    return ", ".join(f"{chance:.1f} on {dataset}" for dataset, chance in sorted(chances.items()))


def plot_training(histories: Sequence[Path], target: Path) -> None:
    """Loss and zero-shot accuracy on val after each epoch: a line per seed, dashed where nothing was trained."""
    figure, (loss, zero_shot) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    colours: dict[str, str] = {}
    for path in histories:
        epochs = pd.DataFrame(json.loads(path.read_text()))
        name = path.parts[-3]  # experiments/<experiment>/seed<seed>/history.json
        label = None if name in colours else name
        style: dict[str, Any] = {"label": label, "color": colours.setdefault(name, f"C{len(colours)}")}
        if epochs["loss"].isna().all():
            zero_shot.axhline(100 * epochs["zero_shot_mean"].iloc[-1], linestyle="--", linewidth=1, **style)
            continue
        loss.plot(epochs["epoch"] + 1, epochs["loss"], marker=".", **style)
        zero_shot.plot(epochs["epoch"] + 1, 100 * epochs["zero_shot_mean"], marker=".", **style)
    for axes in (loss, zero_shot):
        axes.xaxis.get_major_locator().set_params(integer=True)
    _finish(loss, "epochs", "distillation loss")
    _finish(zero_shot, "epochs", "zero-shot top-1 on val, % (mean anchors)")
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
        1, len(datasets), figsize=(6 * len(datasets), 4.5), layout="constrained", squeeze=False
    )
    for axes, dataset in zip(panels[0], datasets, strict=True):
        own = rows[rows["eval_dataset"] == dataset]
        for (teacher, student, experiment), group in own.groupby(
            ["teacher", "student", "experiment"], sort=False
        ):
            scores = 100 * group.groupby("labels")["top1"].agg(["mean", "std"]).reindex(ticks)
            name = f"teacher {teacher}" if student == "-" else f"{student}: {experiment}"
            svm, anchor = scores[scores.index != "0"], scores[scores.index == "0"]
            style = {"capsize": 3, "color": f"C{len(axes.containers) // 2}"}
            axes.errorbar(
                anchor.index, anchor["mean"], anchor["std"].fillna(0), fmt="*", markersize=11, **style
            )
            axes.errorbar(svm.index, svm["mean"], svm["std"].fillna(0), label=name, marker="o", **style)
        axes.set_title(dataset)
        _finish(
            axes,
            "labelled windows per class that an SVM saw (0, stars: nearest mean anchor)",
            "top-1 on test, %",
        )
    figure.savefig(target, dpi=150)
    plt.close(figure)


def _finish(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend()
