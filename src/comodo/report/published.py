"""The published figures beside ours: which experiment of a config repeats which published row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from comodo.config import Config, ExperimentSettings, model_name
from comodo.errors import DataError
from comodo.storage.files import atomic

if TYPE_CHECKING:
    import pandas as pd

TABLE: Final = "results/published/comodo_2025.csv"
DATASETS: Final = {"ego4d": "ego4d", "egoexo4d": "egoexo4d", "uestc": "mmea"}  # layout: published name
WHOLE: Final = {"queue_size": "Int64", "batch_size": "Int64", "epochs": "Int64"}  # numbers, some missing
# By some rows; in the others any will do.
TOLD: Final = ("queue_size", "batch_size", "learning_rate", "epochs")
# What else a student depends on must be as published, that is the default: no row lists it.
NAMED: Final = ("dataset", "teacher", "student", "objective", "schedule")
COMODO_CATEGORY: Final = "COMODO"
BASELINE_CATEGORY: Final = "IMU2CLIP&L2"
CATEGORIES: Final = {"infonce": BASELINE_CATEGORY, "l2": BASELINE_CATEGORY}
"""Heading of an objective in the published result file; `COMODO_CATEGORY` for the others."""
SETTING: Final = ["eval_dataset", "student", "train_dataset", "teacher", "objective", *TOLD, "reduction"]
SCORES: Final = ["top1", "top3", "top5"]
COLUMNS: Final = [
    *SETTING,
    *(f"published_{score}" for score in SCORES),
    *("experiment", "scoring", "top1", "top1_std", "top1_decision", "top1_decision_std"),
    *("difference", "seeds"),
]


def published_rows(path: str | Path) -> pd.DataFrame:
    """Published figures, one row each: the columns `SETTING`, top1, top3, top5 (fractions) and source.

    A cell is missing where the published table lacks it, or does not apply (a frozen student's teacher).

    Raises:
        ValueError: when a column is missing.
    """
    import pandas as pd

    table = pd.read_csv(path)
    if missing := [name for name in [*SETTING, *SCORES] if name not in table]:
        raise DataError(f"{path}: no column {', '.join(missing)}: take the file from the repository anew")
    return table.astype(WHOLE)


def candidates(config: Config) -> list[dict[str, Any]]:
    """Return the evaluations of a config that may match a published row, in the words of the published table.

    Returns:
        Plain data, one dict per experiment and evaluated dataset: `experiment`, `evaluated_on` (our name of that
        dataset), `protocol` (`svm`; `head` for a supervised student on its own dataset), `scoring` (`platt`; `head`),
        and the keys `SETTING`: datasets by their layout, models by the last part of their checkpoint or by their
        architecture, None where a setting has no part in the objective. Simulated datasets are left out, and so are
        experiments that differ from the published ones in a setting that no row names (say, a temperature).
    """
    found = []
    for name, experiment in config.experiments.items():
        used, untrained = config.used_settings(name), experiment.objective == "none"
        fixed = set(used) - {*TOLD, *NAMED}
        known = ExperimentSettings.model_fields
        student = config.students[experiment.student]
        if experiment.class_path is not None or student.class_path is not None:
            continue
        if not untrained and any(used[key] != known[key].default for key in fixed):
            continue
        teacher = None if untrained or "teacher" not in used else model_name(config.teachers[used["teacher"]])
        trained_on = None if untrained else _dataset(config, experiment.dataset)
        for evaluated_on in config.evaluated_on(name):
            on = _dataset(config, evaluated_on)
            if on is None or (trained_on is None and not untrained):
                continue
            head = "head" in config.protocols(name, evaluated_on)
            across = experiment.objective == "supervised" and not head
            found.append(
                {
                    "experiment": name,
                    "evaluated_on": evaluated_on,
                    "protocol": "head" if head else "svm",
                    "scoring": "head" if head else "platt",
                    "eval_dataset": on,
                    "train_dataset": trained_on,
                    "student": model_name(student),
                    "teacher": teacher,
                    "objective": "supervised+svm" if across else experiment.objective,
                    "reduction": student.reduction,
                    **{key: used.get(key) for key in TOLD},
                }
            )
    return found


def _dataset(config: Config, name: str) -> str | None:
    settings = config.datasets[name]
    divided_anew = settings.simulate is not None or settings.folds is not None
    return None if divided_anew else DATASETS.get(settings.layout or "")


def match(published: pd.DataFrame, candidates: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Pairs of a published row and a candidate of the same setting.

    Returns:
        One row per pair, in the order of the published rows: `row` (its index in `published`), `candidate` (position in
        `candidates`), `experiment`, `evaluated_on`, `protocol`, `scoring`.
    """
    import pandas as pd

    named = ["experiment", "evaluated_on", "protocol", "scoring"]
    pairs = [
        {"row": index, "candidate": place, **{key: candidate[key] for key in named}}
        for index, row in published.astype(object).where(published.notna(), None).iterrows()
        for place, candidate in enumerate(candidates)
        if _same(row.to_dict(), candidate)
    ]
    return pd.DataFrame(pairs, columns=["row", "candidate", *named])


def _same(row: Mapping[Any, Any], candidate: Mapping[str, Any]) -> bool:
    student = row["student"].rsplit("/", 1)[-1].lower()
    return (
        all(row[key] == candidate[key] for key in ("eval_dataset", "train_dataset", "teacher", "objective"))
        and student == candidate["student"].lower()
        and (row["reduction"] or "concat") == candidate["reduction"]
        and all(row[key] is None or row[key] == candidate[key] for key in TOLD)
    )


def compare(
    accuracy: pd.DataFrame, candidates: Sequence[Mapping[str, Any]], published: pd.DataFrame
) -> pd.DataFrame:
    """Our figures beside the published ones: a row per published row and experiment of its setting.

    Args:
        accuracy: the measurements, by seed; of its columns experiment, seed, eval_dataset, protocol, labels_per_class,
            scoring and top1 are used.
        candidates: of `candidates`.
        published: of `published_rows`.

    Returns:
        The columns `COLUMNS`. `top1` is our mean over seeds by the published scoring (Platt, or the supervised head),
        `top1_decision` by the decision function; `difference` is `top1` − `published_top1`. All are fractions, and
        missing where nothing was measured; `seeds` is 0 there. Settings are ours where the published row does not tell.
    """
    import pandas as pd

    rows = []
    pairs = match(published, candidates)
    for row, place in zip(pairs["row"].tolist(), pairs["candidate"].tolist(), strict=True):
        theirs, ours = published.loc[row], candidates[place]
        runs = accuracy[
            (accuracy["experiment"] == ours["experiment"])
            & (accuracy["eval_dataset"] == ours["evaluated_on"])
            & (accuracy["protocol"] == ours["protocol"])
        ]
        decision = runs.iloc[:0]
        if ours["protocol"] == "svm":
            runs = runs[runs["labels_per_class"].astype(str) == "all"]
            decision = runs[runs["scoring"] == "decision"]
            runs = runs[runs["scoring"] == ours["scoring"]]
        rows.append(
            {
                **{key: ours[key] for key in SETTING},
                **{f"published_{score}": theirs[score] for score in SCORES},
                "experiment": ours["experiment"],
                "scoring": ours["scoring"],
                "top1": runs["top1"].mean(),
                "top1_std": runs["top1"].std(),
                "top1_decision": decision["top1"].mean(),
                "top1_decision_std": decision["top1"].std(),
                "difference": runs["top1"].mean() - theirs["top1"],
                "seeds": runs["seed"].nunique(),
            }
        )
    return pd.DataFrame(rows, columns=COLUMNS).astype(WHOLE)


def write_published(
    accuracy: pd.DataFrame, candidates: Sequence[Mapping[str, Any]], published: str | Path, folder: Path
) -> None:
    """Write published.csv (fractions) and published.md (per cent) into `folder`; arguments as of `compare`."""
    table = compare(accuracy, candidates, published_rows(published))
    with atomic(folder / "published.csv") as partial:
        table.to_csv(partial, index=False)
    with atomic(folder / "published.md") as partial:
        partial.write_text(_as_text(table))


def _as_text(table: pd.DataFrame) -> str:
    import pandas as pd

    if table.empty:
        return "No published row has the settings of an experiment of this config.\n"

    def ours(mean: float, std: float) -> str:
        return "" if pd.isna(mean) else f"{100 * mean:.1f}" + ("" if pd.isna(std) else f" ± {100 * std:.1f}")

    short = table[["eval_dataset", "student", "train_dataset", "teacher", "objective"]].fillna("-")
    for name in ("queue_size", "batch_size"):
        short[name] = table[name].astype(str).replace("<NA>", "")
    short["reduction"] = table["reduction"]
    percent = 100 * table[[f"published_{score}" for score in SCORES]]
    short["published top-1/3/5"] = [" / ".join(f"{score:.1f}" for score in row) for row in percent.to_numpy()]
    short["ours"] = [ours(*pair) for pair in zip(table["top1"], table["top1_std"], strict=True)]
    short["ours, by decision"] = [
        ours(*pair) for pair in zip(table["top1_decision"], table["top1_decision_std"], strict=True)
    ]
    short["difference"] = ["" if pd.isna(value) else f"{100 * value:+.1f}" for value in table["difference"]]
    short["seeds"] = table["seeds"]
    short.columns = [name.replace("_", " ") for name in short.columns]
    run, theirs = int((table["seeds"] > 0).sum()), len(table)
    return (
        f"Top-1 accuracy on test, per cent; {run} of {theirs} published rows of this config's experiments were run. "
        "*ours* is scored as theirs: by Platt's probabilities, or by the supervised head.\n\n"
        f"{short.to_markdown(index=False, disable_numparse=True)}\n"
    )
