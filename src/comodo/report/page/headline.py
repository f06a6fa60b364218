"""Section Headline: the figures of the best experiment, in a sentence."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from comodo.report.page.blocks import Section

MEASURES = (
    ("anchor", "mean", "zero-shot"),
    ("svm", "decision", "SVM, {} labels per class"),
    ("head", "head", "own head"),
)


def best_experiment(accuracies: pd.DataFrame, gained: pd.DataFrame, dataset: str) -> str | None:
    """Return the experiment with the best zero-shot accuracy on a dataset among those with a baseline there.

    Without anchors, the best by an SVM on all labels; without a baseline, the best of all; None without experiments.
    """
    own = accuracies[(accuracies["eval_dataset"] == dataset) & (accuracies["experiment"] != "")]
    compared = set(gained.loc[gained["eval_dataset"] == dataset, "experiment"])
    own = own[own["experiment"].isin(compared)] if compared else own
    for protocol, scoring in (("anchor", "mean"), ("head", "head"), ("svm", "decision")):
        rows = own[(own["protocol"] == protocol) & (own["scoring"] == scoring)]
        rows = rows[rows["labels_per_class"] == "all"] if protocol == "svm" else rows
        if len(rows):
            return str(rows["experiment"].iloc[int(rows["top1"].to_numpy().argmax())])
    return None


def headline(
    accuracies: pd.DataFrame,
    gained: pd.DataFrame,
    chances: Mapping[str, float],
    dataset: str,
    experiment: str,
) -> Section:
    """Return the section for a dataset, the one that most experiments are measured on.

    Args:
        accuracies: of `comodo.report.intervals.accuracies`.
        gained: of `comodo.report.intervals.differences`.
        chances: chance level of each dataset, a fraction.
        dataset: the dataset.
        experiment: of `best_experiment`.
    """
    own = accuracies[(accuracies["eval_dataset"] == dataset) & (accuracies["experiment"] == experiment)]
    gains = gained[(gained["eval_dataset"] == dataset) & (gained["experiment"] == experiment)]
    numbers: list[tuple[str, str, str]] = []
    sentences = []
    for row in _three(own).to_dict("records"):
        name = _named(row["protocol"], row["labels_per_class"])
        interval = f"{100 * row['low']:.1f} to {100 * row['high']:.1f}"
        detail, sentence = f"95 % interval {interval}", f"{100 * row['top1']:.1f} % {name} ({interval})"
        keys = ["protocol", "labels_per_class", "scoring"]
        alike = (gains[keys].astype(str) == [str(row[key]) for key in keys]).all(axis=1)
        for gain in gains[alike].to_dict("records"):
            ends = f"{100 * gain['low']:+.1f} to {100 * gain['high']:+.1f}"
            against = f"{100 * gain['difference']:+.1f} points against {gain['baseline']} ({ends})"
            detail, sentence = f"{detail}; {against}", f"{sentence}, {against}"
        numbers.append((f"{100 * row['top1']:.1f} %", name, detail))
        sentences.append(sentence)
    text = (
        f"On the test split of {dataset}, {experiment} reaches a top-1 accuracy of {'; '.join(sentences)}. "
        f"Chance is {100 * chances[dataset]:.1f} %."
    )
    compared = gained.loc[gained["eval_dataset"] == dataset, "experiment"].nunique()
    if compared > 1:
        text += (
            f" It is the best of {compared} experiments, chosen by these test figures, so they flatter it."
        )
    return Section(
        "headline",
        "Headline",
        [text, "Intervals are 95 %, from a bootstrap over test recordings and seeds."],
        numbers=numbers,
    )


def _three(own: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of up to three numbers: zero-shot or own head, few labels, all labels."""
    rows = [
        own[(own["protocol"] == kind) & (own["scoring"] == how)].head(1)
        for kind, how, _ in (MEASURES[0], MEASURES[2])
    ]
    svm = own[(own["protocol"] == "svm") & (own["scoring"] == "decision")]
    few = svm[svm["labels_per_class"] != "all"]
    ten = few[few["labels_per_class"] == "10"]
    rows += [ten if len(ten) else few.head(1), svm[svm["labels_per_class"] == "all"]]
    return pd.concat(rows).head(3)


def _named(protocol: str, labels: str) -> str:
    name = next(text for kind, _, text in MEASURES if kind == protocol)
    return name.format(labels).replace("SVM, 1 labels", "SVM, 1 label")
